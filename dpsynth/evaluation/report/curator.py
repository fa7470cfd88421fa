"""The page for whoever holds the data: everything, worst first, under a line that says for whose eyes."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpsynth._archive import write_atomically
from dpsynth.evaluation.report.findings import findings
from dpsynth.evaluation.report.page import page, section, table
from dpsynth.evaluation.report.results_table import parts_of, results_table
from dpsynth.evaluation.report.svg import grids
from dpsynth.evaluation.results import Evaluation, Family

if TYPE_CHECKING:
    import numpy as np

__all__ = ["FILE_NAME", "curator_report"]

FILE_NAME = "CONFIDENTIAL-curator-report.html"
_TITLES: dict[Family, str] = {
    "privacy": "Is it private?",
    "fidelity": "Is it similar?",
    "utility": "Is it useful?",
    "bias": "Is it fair?",
}
_BANNER = (
    "CONFIDENTIAL: computed from real rows without noise. Metrics have been used to reconstruct people "
    "(Ganev and De Cristofaro, 2023). Do not publish, do not send on."
)


def curator_report(
    evaluation: Evaluation,
    path: str | Path | None = None,
    *,
    pictures: Mapping[str, np.ndarray[Any, Any]] | None = None,
) -> str:
    """The page as text, also written to `path` with the rights of its owner only.

    Args:
        evaluation: What was found.
        path: File to write, or none.
        pictures: Tables of counts in one projection, by the name of the rows.
    """
    told = findings(evaluation)
    body = [
        _facts(evaluation),
        section("What matters", _list(told)) if told else "",
        *(_family(evaluation, family) for family in ("fidelity", "utility", "privacy", "bias")),
        section("One picture of both tables", _PICTURE, grids(pictures, title=_PICTURE_TITLE))
        if pictures
        else "",
        _reading(),
    ]
    html = page(
        f"{evaluation.title}: what the data holder should know", banner=_BANNER, open_to_all=False, body=body
    )
    if path is not None:
        write_atomically(path, lambda file: file.write(html.encode()), mode=0o600)
    return html


_PICTURE_TITLE = "Rows in one projection that was fitted to the real rows; darker is more"
_PICTURE = (
    f"<p>{_PICTURE_TITLE}. Shapes that one table has and the other lacks are lost or invented structure.</p>"
)


def _facts(evaluation: Evaluation) -> str:
    lines = [(escape(str(name)), escape(str(value))) for name, value in evaluation.facts.items()]
    return table(("Fact", ""), lines, caption="What was compared") if lines else ""


def _list(sentences: tuple[str, ...]) -> str:
    items = "\n".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ol class="findings">\n{items}\n</ol>'


def _family(evaluation: Evaluation, family: Family) -> str:
    results = evaluation.family(family)
    table_of_all = results_table(results, caption=f"{_TITLES[family]} {len(results)} numbers")
    return section(_TITLES[family], table_of_all, *(parts_of(result) for result in results))


def _reading() -> str:
    return section(
        "How to read this page",
        "<p>Each number stands between its <em>floor</em>, what columns that are right one by one and "
        "independent of each other get, and its <em>ceiling</em>, what a second real sample of the same size "
        "gets. A number beyond the ceiling is no better than real. Distances between rows are no proof "
        "of privacy; the guarantee is.</p>",
    )
