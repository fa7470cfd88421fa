"""The page for everybody: the guarantee in words and figures, and scores that are safe to show."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth._archive import write_atomically
from dpsynth.errors import PrivacyError
from dpsynth.evaluation.report.page import page, section, table
from dpsynth.evaluation.report.results_table import results_table
from dpsynth.evaluation.results import Evaluation
from dpsynth.privacy.risk import assessment, powers, rounded_up

if TYPE_CHECKING:
    from dpsynth.session import Guarantee

__all__ = ["FILE_NAME", "release_card"]

FILE_NAME = "release-card.html"
_RATES = (0.001, 0.01, 0.05, 0.1, 0.5)
_BANNER = "May be published: this page holds public facts and noisy answers that the ledger has."


def release_card(
    guarantee: Guarantee, evaluation: Evaluation | None = None, path: str | Path | None = None
) -> str:
    """The page as text, also written to `path`.

    Args:
        guarantee: What the release promises.
        evaluation: Scores that may be published; `Evaluation.publishable()` leaves the others out.
        path: File to write, or none.

    Raises:
        PrivacyError: The evaluation holds a confidential number, or the run was tainted.
    """
    if evaluation is not None and evaluation.disclosure.kind == "confidential":
        raise PrivacyError(
            "This evaluation holds confidential numbers. Show `evaluation.publishable()`, or pay for scores "
            "with --publish-epsilon."
        )
    if guarantee.taints:
        raise PrivacyError(f"This run cannot be released: {'; '.join(guarantee.taints)}.")
    title = f"{guarantee.dataset}: synthetic table with a guarantee"
    words = "".join(f"<p>{escape(line)}</p>" for line in guarantee.in_words().split("\n") if line.strip())
    body = [
        section("What is promised", words, _facts(guarantee)),
        section("What it means for one person", *_risk(guarantee)),
        section("What spent it", _spending(guarantee)),
        section("Scores", results_table(evaluation.results, caption="Public, or paid from the ledger"))
        if evaluation is not None
        else "",
    ]
    html = page(title, banner=_BANNER, open_to_all=True, body=body)
    if path is not None:
        write_atomically(path, lambda file: file.write(html.encode()))
    return html


def _facts(guarantee: Guarantee) -> str:
    lines = [
        ("epsilon", f"{guarantee.epsilon:.6g}"),
        ("delta", f"{guarantee.delta:.3g}"),
        ("unit of privacy", escape(str(guarantee.unit))),
        ("method", escape(guarantee.method)),
        ("accountant", escape(guarantee.engine)),
    ]
    return table(("Fact", ""), lines, caption="The guarantee")


def _risk(guarantee: Guarantee) -> tuple[str, ...]:
    """Limits on every attack, and the three risks that data protection asks about."""
    events, adaptive = guarantee.committed.events, guarantee.adaptive
    found = powers(events, _RATES, delta=guarantee.delta, adaptive=adaptive)
    advantage = guarantee.risk().advantage
    rows = [(f"{1000 * rate:g}", rounded_up(1000 * power)) for rate, power in zip(_RATES, found, strict=True)]
    limits = table(
        ("Wrongly accused, of 1,000 outside", "Recognised at most, of 1,000 inside"),
        rows,
        caption=f"Any attack on the presence of one unit; its advantage is at most {rounded_up(advantage)}",
        numbers=(0, 1),
    )
    words = assessment(dict(zip(_RATES, found, strict=True)))
    risks = table(
        ("Risk", "Evidence for your assessment"),
        [(name, escape(text)) for name, text in words.items()],
        caption="The risks of opinion 05/2014 of the Article 29 Working Party",
    )
    return limits, risks


def _spending(guarantee: Guarantee) -> str:
    rows = [(escape(label), str(times), escape(event)) for label, times, event in guarantee.spending()]
    return table(("What", "Times", "Event"), rows, caption="Everything that was asked", numbers=(1,))
