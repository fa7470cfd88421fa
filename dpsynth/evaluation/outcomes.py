"""Who is chosen: gaps between groups when a model from synthetic rows decides about real people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth._lazy import require
from dpsynth.evaluation.anchors import Anchors, Label, Score
from dpsynth.evaluation.associations import cramers_v
from dpsynth.evaluation.groups import Groups, signed
from dpsynth.evaluation.learners import Fitted, fit
from dpsynth.evaluation.results import Part, Result
from dpsynth.evaluation.splits import Floats, Target, split
from dpsynth.evaluation.tables import Rows, Tables

__all__ = ["GAPS", "Outcome", "outcome_association", "outcome_gaps", "rates_by_group"]

_LEAST_ROWS = 30
_LEAST_PREDICTED = 10
_FAMILY = "gradient_boosting"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outcome(Target):
    """A target that is reached or not.

    Attributes:
        reached: The code of the class that counts as reached; None for numbers.
        above: The number from which on it is reached; None for classes.
    """

    reached: int | None = None
    above: float | None = None

    @classmethod
    def of(cls, tables: Tables, name: str) -> Outcome:
        """The second of two classes, the commonest of more, or a number above its real median."""
        place = tables.place(name)
        inputs = tuple(i for i in range(len(tables.columns)) if i != place)
        plain = Target.of(tables, name)
        about: dict[str, Any] = {
            "name": name,
            "place": place,
            "inputs": inputs,
            "classes": np.array([0, 1], np.int64),
        }
        if plain.classes is None:
            known = plain.values(plain.known(tables.real))
            median = float(np.median(known)) if len(known) else 0.0
            return cls(**about, above=median, note="The outcome is a number above its real median.")
        if len(plain.classes) <= 2:
            return cls(
                **about,
                reached=int(plain.classes.max(initial=0)),
                note="The outcome is the second class of the target.",
            )
        counts = np.bincount(tables.real.codes[:, place], minlength=tables.sizes[place])[plain.classes]
        return cls(
            **about,
            reached=int(plain.classes[counts.argmax()]),
            note="The outcome is the commonest class of the target, against all others.",
        )

    def known(self, rows: Rows) -> Rows:
        """The rows that have a value of the target."""
        return rows.take(np.flatnonzero(np.isfinite(rows.readings[self.name])))

    def values(self, rows: Rows) -> Floats:
        """1 where the outcome is reached, else 0."""
        if self.above is not None:
            return np.asarray(rows.readings[self.name] > self.above, np.float64)
        return np.asarray(rows.codes[:, self.place] == self.reached, np.float64)


def _mean(chosen: Any) -> float:
    return float(np.mean(chosen)) if len(chosen) >= _LEAST_PREDICTED else float("nan")


def _selected(_truth: Any, predicted: Any) -> float:
    return _mean(np.asarray(predicted) >= 0.5)


def _true_positives(truth: Any, predicted: Any) -> float:
    return _mean(np.asarray(predicted)[np.asarray(truth) == 1] >= 0.5)


def _false_positives(truth: Any, predicted: Any) -> float:
    return _mean(np.asarray(predicted)[np.asarray(truth) == 0] >= 0.5)


def _calibration(truth: Any, predicted: Any) -> float:
    return _mean(np.asarray(predicted) - np.asarray(truth))


GAPS = {
    "selection_rate": ("Selection rate", _selected),
    "true_positive_rate": ("True positive rate", _true_positives),
    "false_positive_rate": ("False positive rate", _false_positives),
    "calibration": ("Calibration (mean predicted minus observed)", _calibration),
}
"""What is compared between groups: a title, and a function of truth and predicted probability."""


def _rates(truth: Any, predicted: Any) -> dict[str, float]:
    return {name: function(truth, predicted) for name, (_, function) in GAPS.items()}


def outcome_gaps(
    tables: Tables, target: str, protected: Sequence[str], *, quick: bool = False
) -> tuple[Result, ...]:
    """Gaps between groups of a model from synthetic rows, on real test rows, beside the model from real rows.

    Models decide about real people, so only real rows that no model has seen may test them: a model that is
    trained and tested on synthetic rows looks fair wherever the generator has wiped out the differences of
    groups. A model says yes at a predicted probability of one half. The gap is the largest rate of a group
    minus the smallest (for selection rates: demographic parity; for both error rates: equalised odds, Hardt
    and others 2016). The ceiling is the gap that the model from real rows has: what the data has of its own.
    Groups of fewer than 30 test rows are left out, and rates of fewer than 10 of them.
    """
    outcome, rows = Outcome.of(tables, target), split(tables)
    train = {"synthetic": tables.synthetic, "real": rows.train}
    models = {name: fit(tables, outcome, _FAMILY, one, quick=quick) for name, one in train.items()}
    test = outcome.known(rows.test)
    several = [Groups.of(tables, column) for column in protected]
    rates = {
        name: [rates_by_group(tables, model, one, test) for one in several] for name, model in models.items()
    }
    results = []
    for name, (title, _) in GAPS.items():
        parts = []
        for groups, own, best in zip(several, rates["synthetic"], rates["real"], strict=True):
            label = (groups.columns[0],)
            parts.append(Part(label=label, value=_gap(own[name].values()), ceiling=_gap(best[name].values())))
            parts += [Part(label=one, value=own[name][one], ceiling=best[name][one]) for one in own[name]]
        gaps = [part for part in parts if len(part.label) == 1]
        value = _largest(part.value for part in gaps)
        notes = [
            outcome.note,
            "Parts: gaps of columns, then rates of groups; the ceiling is the model on real rows.",
        ]
        if np.isnan(value):
            notes.insert(0, f"There are no two groups of {_LEAST_ROWS} test rows for which this is defined.")
        results.append(
            Result(
                name=f"{name}_gap",
                family="bias",
                title=f"{title}: largest gap between groups",
                value=value,
                ceiling=_largest(part.ceiling for part in gaps),
                rows=len(test),
                seed=tables.seed,
                note=" ".join([*notes, *filter(None, [rows.note])]),
                parts=tuple(
                    sorted(parts, key=lambda part: (len(part.label), -np.nan_to_num(part.value), part.label))
                ),
            )
        )
    return tuple(results)


def rates_by_group(
    tables: Tables, model: Fitted, groups: Groups, rows: Rows
) -> dict[str, dict[Label, float]]:
    """By rate the value of each group of at least 30 rows; rows whose target is known."""
    codes = groups.codes(tables, rows)
    counts = np.bincount(codes, minlength=len(groups.labels))
    kept = np.flatnonzero(counts[codes] >= _LEAST_ROWS)
    if not len(kept):
        return {name: {} for name in GAPS}
    rows, codes = rows.take(kept), codes[kept]
    frame = require("fairlearn.metrics", extra="eval").MetricFrame(
        metrics=_rates,  # all at once: most of the time goes into handing rows to a function
        y_true=model.target.values(rows),
        y_pred=model.scores(rows)[:, 1],
        sensitive_features=codes,
    )
    found = {groups.labels[int(code)]: frame.by_group[code] for code in sorted(frame.by_group.index)}
    return {name: {label: float(rates[name]) for label, rates in found.items()} for name in GAPS}


def outcome_association(anchors: Anchors, target: str, protected: Sequence[str]) -> Result:
    """Does the synthetic table tie the outcome to a protected column more, or less, than the real one?

    Synthetic minus real Cramer's V, corrected for its bias (Bergsma 2013); positive amplifies the tie. As a
    whole the largest change, without its sign.
    """
    aim = Groups.of(anchors.tables, target)
    several = [Groups.of(anchors.tables, column) for column in protected]

    def metric(tables: Tables) -> Score:
        parts: dict[Label, float] = {}
        for groups in several:
            sides = (tables.synthetic, tables.real)
            own, real = (_association(groups.codes(tables, rows), aim.codes(tables, rows)) for rows in sides)
            # A column that became constant is tied to nothing.
            parts[groups.columns] = np.nan if np.isnan(real) else float(np.nan_to_num(own)) - real
        return Score(value=_largest(abs(one) for one in parts.values()), parts=parts)

    return signed(
        anchors,
        metric,
        name="outcome_association",
        family="bias",
        title="Tie of the outcome to protected columns: largest change of Cramer's V",
        note="Parts: synthetic minus real; positive ties the outcome closer to the column. NaN where a real "
        "column is constant.",
    )


def _association(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> float:
    """Cramér's V of two columns of codes; NaN where one is constant."""
    if len(left) < 3:
        return float("nan")
    counts = np.zeros((int(left.max()) + 1, int(right.max()) + 1))
    np.add.at(counts, (left, right), 1.0)
    return cramers_v(counts)


def _gap(rates: Any) -> float:
    known = [rate for rate in rates if not np.isnan(rate)]
    return max(known) - min(known) if len(known) > 1 else float("nan")


def _largest(values: Any) -> float:
    return max((value for value in values if value is not None and not np.isnan(value)), default=float("nan"))
