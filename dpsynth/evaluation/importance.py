"""Do models from real and from synthetic rows say the same, and for the same reasons?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.evaluation.learners import Fitted, fit
from dpsynth.evaluation.results import Part, Result
from dpsynth.evaluation.scoring import score
from dpsynth.evaluation.splits import Floats, Split, Target
from dpsynth.evaluation.tables import CodeArray, Rows, Tables, generator

__all__ = ["Models", "agreement", "importance", "permutation_importance", "rank_correlation"]

_FAMILY = "gradient_boosting"
_MOST_ROWS = 3_000
_MOST_CELLS = 2**22


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Models:
    """Four models of one family.

    Attributes:
        target: What they predict.
        split: Rows that train and test.
        real: Trained on real rows.
        synthetic: Trained on synthetic rows.
        first: Trained on a sample of the real rows; with `second` the ceiling.
        second: Trained on another sample of the size of the synthetic table.
    """

    target: Target
    split: Split
    real: Fitted
    synthetic: Fitted
    first: Fitted
    second: Fitted

    @classmethod
    def of(
        cls,
        tables: Tables,
        target: Target,
        split: Split,
        known: dict[str, Fitted] | None = None,
        *,
        quick: bool = False,
    ) -> Models:
        """Train them; `known` has those on real and synthetic rows if they are there already."""
        rng = generator(tables, "models of two samples")
        size = len(split.train)
        samples = [split.train.take(np.sort(rng.integers(0, size, n))) for n in (size, len(tables.synthetic))]
        first, second = (fit(tables, target, _FAMILY, rows, quick=quick) for rows in samples)
        if known is None:
            rows = {"real": split.train, "synthetic": tables.synthetic}
            known = {name: fit(tables, target, _FAMILY, one, quick=quick) for name, one in rows.items()}
        return cls(
            target=target,
            split=split,
            real=known["real"],
            synthetic=known["synthetic"],
            first=first,
            second=second,
        )


def agreement(tables: Tables, models: Models) -> tuple[Result, Result]:
    """How often both models say the same of a real test row, and Cohen's kappa of that.

    Share = rows with one label from both / rows. Kappa = (share - chance) / (1 - chance), where chance is
    the share that two models reach who keep their own shares of labels and agree by luck (Cohen 1960). A
    number counts as the same if both predictions fall into one cell of the column. Ceiling: models from
    two real samples. Floor: a model that says of everybody what is commonest.
    """
    target, rows = models.target, models.split.test
    rows = target.known(rows)
    labels = {
        name: _labels(tables, target, model.scores(rows))
        for name, model in {
            "real": models.real,
            "synthetic": models.synthetic,
            "first": models.first,
            "second": models.second,
        }.items()
    }
    values, ceilings = _agree(labels["real"], labels["synthetic"]), _agree(labels["first"], labels["second"])
    shares = np.bincount(labels["real"]) / max(len(rows), 1)
    about: dict[str, Any] = {
        "family": "utility",
        "better": "higher",
        "rows": len(rows),
        "seed": tables.seed,
    }
    note = f"Gradient boosting on the same test rows. {models.split.note}".strip()
    undefined = "" if len(rows) else "There are no test rows whose target is known. "
    constant = "" if np.isfinite(values[1]) else "Both models say the same of everybody. "
    return (
        Result(
            name="prediction_agreement",
            title="Predictions that agree",
            value=values[0],
            ceiling=ceilings[0],
            floor=float(shares.max(initial=0.0)),
            note=undefined + note,
            **about,
        ),
        Result(
            name="prediction_kappa",
            title="Agreement of predictions beyond chance (Cohen's kappa)",
            value=values[1],
            ceiling=ceilings[1],
            floor=0.0,
            note=(undefined or constant) + note,
            **about,
        ),
    )


def importance(tables: Tables, models: Models, *, quick: bool = False) -> Result:
    """Do both models lean on the same columns?

    The importance of a column is what a model's score loses when that column is permuted among the test rows
    (Breiman 2001); here the rank correlation (Spearman) of the importances of two models over the columns.
    Both models see the same permutations. Columns that hardly matter have ranks by luck; the ceiling, of
    models from two real samples, has that luck as well.
    """
    rows = models.target.known(models.split.test)
    rng = generator(tables, "permutations")
    if len(rows) > _MOST_ROWS:
        rows = rows.take(np.sort(rng.permutation(len(rows))[:_MOST_ROWS]))
    repeats = 1 if quick else 3
    seed = int(rng.integers(2**31))
    found = {
        name: permutation_importance(model, rows, repeats=repeats, seed=seed)
        for name, model in {
            "real": models.real,
            "synthetic": models.synthetic,
            "first": models.first,
            "second": models.second,
        }.items()
    }
    value, note = rank_correlation(found["real"], found["synthetic"]), ""
    if not np.isfinite(found["real"]).all() or np.isnan(rank_correlation(found["real"], found["real"])):
        value, note = float("nan"), "The model on real rows leans on no column, or its score is not defined. "
    elif np.isnan(value):
        value, note = 0.0, "The model on synthetic rows leans on no column. "
    parts = [
        Part(label=(tables.columns[place],), value=float(own), ceiling=float(best))
        for place, own, best in zip(models.target.inputs, found["synthetic"], found["real"], strict=True)
    ]
    gap = {part.label: abs(part.value - (part.ceiling or 0.0)) for part in parts}
    return Result(
        name="importance_agreement",
        family="utility",
        title="Importance of columns: rank correlation",
        value=value,
        ceiling=rank_correlation(found["first"], found["second"]),
        floor=0.0,
        better="higher",
        rows=len(rows),
        seed=tables.seed,
        note=f"{note}Parts: what the score loses without the column; the ceiling is the model on real rows. "
        f"{repeats} permutations on at most {_MOST_ROWS} test rows. {models.split.note}".strip(),
        parts=tuple(sorted(parts, key=lambda part: (-gap[part.label], part.label))),
    )


def permutation_importance(model: Fitted, rows: Rows, *, repeats: int, seed: int) -> Floats:
    """The mean loss of score by input column over some permutations of its values."""
    target = model.target
    values, inputs = target.values(rows), model.inputs(rows)
    if not inputs.shape[1]:
        return np.zeros(len(target.inputs))
    whole = score(target, model.predict(inputs), values)[0]
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(rows)) for _ in range(repeats)]
    found: list[float] = []
    # A model reads few long tables faster than many short ones, as long as they fit into memory.
    block = max(1, _MOST_CELLS // max(inputs.size * repeats, 1))
    for start in range(0, inputs.shape[1], block):
        columns = range(start, min(start + block, inputs.shape[1]))
        several = np.tile(inputs, (repeats * len(columns), 1)).reshape(len(columns), repeats, *inputs.shape)
        for place, column in enumerate(columns):
            several[place, :, :, column] = [inputs[order, column] for order in orders]
        predicted = model.predict(several.reshape(-1, inputs.shape[1]))
        scores = [score(target, one, values)[0] for one in np.split(predicted, repeats * len(columns))]
        found += (whole - np.reshape(scores, (len(columns), repeats)).mean(axis=1)).tolist()
    return np.array(found)


def rank_correlation(left: Floats, right: Floats) -> float:
    """Spearman's, ties with mean ranks; NaN where one side is constant or not defined."""
    from scipy.stats import rankdata

    if len(left) < 2 or not (np.isfinite(left).all() and np.isfinite(right).all()):
        return float("nan")
    ranks = [rankdata(np.round(side, 12)) for side in (left, right)]
    if any(np.ptp(side) == 0 for side in ranks):
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _labels(tables: Tables, target: Target, scores: Floats) -> CodeArray:
    if target.classes is None:
        return tables.cells[target.place].codes(scores)
    if not scores.shape[1]:
        return np.zeros(len(scores), np.int64)
    return np.asarray(scores.argmax(axis=1), np.int64)


def _agree(left: CodeArray, right: CodeArray) -> tuple[float, float]:
    """The share of equal labels and kappa; NaN where they are not defined."""
    if not len(left):
        return float("nan"), float("nan")
    size = int(max(left.max(), right.max())) + 1
    shares = [np.bincount(side, minlength=size) / len(side) for side in (left, right)]
    same, chance = float((left == right).mean()), float(shares[0] @ shares[1])
    return same, (same - chance) / (1 - chance) if chance < 1 - 1e-12 else float("nan")
