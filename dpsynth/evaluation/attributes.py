"""Attribute inference: what synthetic rows tell about a sensitive value of people in the training table.

That a model trained on synthetic rows predicts well is no leak: it learned about the population, and it would
predict as well about people who were never asked. What memorisation adds is the difference: accuracy about
training rows minus accuracy about rows of a holdout (the control of Giomi et al., 2023, in our own form).
Measures without that control punish every useful table, and measures that count an error of 0 as an
"identified" attribute, or leave out what the commonest value gets, measure nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth._lazy import require
from dpsynth.evaluation.attack import NO_PROOF
from dpsynth.evaluation.ceilings import Limits
from dpsynth.evaluation.intervals import difference_of_shares
from dpsynth.evaluation.neighbours import QUICK_ROWS
from dpsynth.evaluation.results import Part, Result
from dpsynth.evaluation.samples import NO_HOLDOUT, Samples
from dpsynth.evaluation.tables import CodeArray, Tables

__all__ = ["Guesses", "attribute_inference", "guesses"]

_TREES, _QUICK_TREES = 25, 10
_HOLDOUT_ONLY = "In the training rows or in the holdout no value is known."


@dataclass(frozen=True, kw_only=True, slots=True)
class Guesses:
    """How often a sensitive value was guessed, each as (hits, tries).

    Attributes:
        members: About training rows.
        others: About rows of the holdout.
        commonest: About both, by the commonest value among the synthetic rows alone.
    """

    members: tuple[int, int]
    others: tuple[int, int]
    commonest: tuple[int, int]


def attribute_inference(
    tables: Tables, *, sensitive: Sequence[str], limits: Limits | None = None, quick: bool = False
) -> tuple[Result, ...]:
    """One result for each sensitive column: what memorisation adds to accuracy, with interval.

    Trees are grown on the synthetic rows until each leaf is pure, so that they remember whatever the rows
    remember. Numbers with many values are guessed by their cell, a thirty-second of the real rows each.
    Missing values are neither guessed nor counted. The parts tell both accuracies and that of the commonest
    value. The certified advantage limits the difference too: "guessed right" is a test of membership.

    Args:
        tables: Real and synthetic rows.
        sensitive: Names of columns.
        limits: What the guarantee certifies.
        quick: Fewer synthetic rows and fewer trees.

    Raises:
        DataError: There is no such column.
        MissingExtraError: scikit-learn is not installed.
    """
    known = limits or Limits()
    for name in sensitive:
        tables.place(name)
    samples = Samples.of(tables, most=QUICK_ROWS if quick else None)
    return tuple(_result(tables, samples, name, known, quick=quick) for name in sensitive)


def guesses(tables: Tables, samples: Samples, name: str, *, quick: bool = False) -> Guesses | None:
    """How often the values of a column are guessed right; None if there is nothing to learn or to guess."""
    place = tables.place(name)
    learned = _known(samples.synthetic.codes, place)
    asked = [_known(rows.codes, place) for rows in (samples.members, samples.others)]
    if not len(learned) or not all(len(rows) for rows in asked):
        return None
    model = require("sklearn.ensemble", extra="eval").ExtraTreesClassifier(
        n_estimators=_QUICK_TREES if quick else _TREES, random_state=tables.seed
    )
    targets = learned[:, place]
    model.fit(np.delete(learned, place, axis=1).astype(np.float32), targets)
    commonest = int(np.bincount(targets).argmax())
    counts = []
    for rows in asked:
        found = model.predict(np.delete(rows, place, axis=1).astype(np.float32))
        counts.append((int((found == rows[:, place]).sum()), len(rows)))
    plain = sum(int((rows[:, place] == commonest).sum()) for rows in asked)
    return Guesses(members=counts[0], others=counts[1], commonest=(plain, sum(map(len, asked))))


def _known(codes: CodeArray, place: int) -> CodeArray:
    """The rows in which the value is not missing."""
    found: CodeArray = codes[codes[:, place] != 0]
    return found


def _result(tables: Tables, samples: Samples | None, name: str, limits: Limits, *, quick: bool) -> Result:
    found = None
    if samples is not None and len(tables.columns) > 1:
        found = guesses(tables, samples, name, quick=quick)
    value, interval = math.nan, None
    parts: tuple[Part, ...] = ()
    note = NO_HOLDOUT if samples is None else f"There is nothing to guess from. {_HOLDOUT_ONLY}"
    if found is not None and samples is not None:
        shares = [hits / tries for hits, tries in (found.members, found.others, found.commonest)]
        value, interval = shares[0] - shares[1], difference_of_shares(found.members, found.others)
        labels = ("about training rows", "about the holdout", "by the commonest value")
        parts = tuple(
            Part(label=(label,), value=one)
            for label, one in (
                *zip(labels, shares, strict=True),
                ("certified limit", limits.advantage),
            )
        )
        note = f"{NO_PROOF} {samples.note}"
    return Result(
        name=f"attribute_inference_{name}",
        family="privacy",
        title=f"What copying adds to guesses of {name}",
        value=value,
        ceiling=None if samples is None else 0.0,
        interval=interval,
        rows=0 if samples is None else len(samples.members) + len(samples.others),
        seed=tables.seed,
        note=note,
        parts=parts,
    )
