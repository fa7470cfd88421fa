"""Several synthetic tables side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.report.page import page, section, table
from dpsynth.evaluation.report.svg import number
from dpsynth.evaluation.results import FAMILIES, Evaluation, Result, worst

__all__ = ["compare"]


def compare(evaluations: Sequence[Evaluation]) -> str:
    """One page with a column for each table; the best of each line is bold.

    Raises:
        ConfigurationError: There are no evaluations, or two of one title.
    """
    titles = [evaluation.title for evaluation in evaluations]
    if not titles or len(set(titles)) < len(titles):
        raise ConfigurationError(f"Expected evaluations with titles of their own, got {titles}.")
    body = []
    for family in FAMILIES:
        names = dict.fromkeys(result.name for one in evaluations for result in one.family(family))
        rows = [_row(name, evaluations) for name in names]
        if rows:
            head = ("What", "Floor", "Ceiling", *titles)
            numbers = tuple(range(1, len(head)))
            body.append(section(family.title(), table(head, rows, caption="Bold is best", numbers=numbers)))
    seen = worst(one.disclosure for one in evaluations)
    return page(" and ".join(titles), banner=f"{seen}", open_to_all=seen.kind != "confidential", body=body)


def _row(name: str, evaluations: Sequence[Evaluation]) -> tuple[str, ...]:
    found = [next((r for r in one.results if r.name == name), None) for one in evaluations]
    first = next(result for result in found if result is not None)
    best = _best([result for result in found if result is not None])
    cells = [_cell(result, best) for result in found]
    return (escape(first.title), number(first.floor), number(first.ceiling), *cells)


def _cell(result: Result | None, best: float | None) -> str:
    if result is None:
        return "–"
    return f"<b>{number(result.value)}</b>" if result.value == best else number(result.value)


def _best(results: Sequence[Result]) -> float | None:
    values = [result.value for result in results if not math.isnan(result.value)]
    if len(values) < 2 or results[0].better == "neither":
        return None
    return max(values) if results[0].better == "higher" else min(values)
