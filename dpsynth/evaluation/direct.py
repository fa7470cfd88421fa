"""The reference that hardly anybody shows: the same task, learnt with privacy from the real rows themselves.

A synthetic table is good for many questions. For one known question, a model that is trained with
differential privacy on the real rows at the same epsilon may be better, and who has one question only should
know it. The noise is drawn by `diffprivlib`. What is measured here went through no ledger: the scores are
for the curator and no release.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from dpsynth import _validate
from dpsynth._lazy import require
from dpsynth.evaluation.learners import indicators
from dpsynth.evaluation.results import Part, Result
from dpsynth.evaluation.scoring import score, trivial
from dpsynth.evaluation.splits import Floats, Split, Target
from dpsynth.evaluation.tables import CodeArray, Rows, Tables
from dpsynth.schema.numeric import NumericColumn

__all__ = ["direct", "public_codes"]

_CURVATURE = 0.25  # of the logistic loss, for rows of norm 1
_PENALTY = 10.0  # fixed beforehand: a choice that follows from the data would have to be paid for
_MOST_CELLS = 8  # the noise grows with the columns of 0 and 1, so numbers are cut coarsely


def direct(
    tables: Tables, target: Target, split: Split, *, epsilon: float, quick: bool = False
) -> tuple[Result, ...]:
    """Scores of a logistic regression and a naive Bayes that are private at `epsilon` (pure, one row each).

    The logistic regression perturbs its objective (Chaudhuri, Monteleoni, Sarwate 2011); its rows are one-hot
    over the cells of the public schema, so that their norm is a public fact. The Gaussian naive Bayes reads
    the codes of the schema, which have public bounds (Vaidya and others 2013). The classes are
    taken as public. The noise takes no seed, so two evaluations differ: the value is the median of a few
    runs, `parts` has the runs.
    """
    _validate.positive("epsilon", epsilon)
    classes = 0 if target.classes is None else len(target.classes)
    runs = 1 if quick or classes > 5 else 3 if classes > 2 else 5  # each class is a model of its own
    return tuple(
        _result(tables, target, split, name, train, epsilon, runs)
        for name, train in (("logistic", _logistic), ("naive_bayes", _naive_bayes))
    )


def public_codes(tables: Tables, place: int, rows: Rows) -> tuple[CodeArray, int]:
    """Codes by the cells that the schema declares, and how many there are; never by what the rows hold.

    Cells of numbers and dates are joined to at most eight.

    Raises:
        SchemaError: The column's bounds are not declared.
    """
    column = tables.schema.modelled[place]
    readings = rows.readings[column.name]
    numeric = isinstance(column, NumericColumn)
    size = 2 + (min(column.cell_count, _MOST_CELLS) if numeric else column.cell_count)
    codes = np.where(np.isnan(readings), 0, size - 1).astype(np.int64)
    found = np.isfinite(readings)
    if isinstance(column, NumericColumn):
        lattice = column.lattice
        index = np.clip(column.index_of(readings[found]), 0, lattice.points - 1).astype(np.int64)
        codes[found] = 1 + lattice.cell_of(index) * (size - 2) // column.cell_count
    else:
        codes[found] = 1 + readings[found].astype(np.int64)
    return codes, size


def _result(
    tables: Tables,
    target: Target,
    split: Split,
    name: str,
    train: Callable[..., Floats],
    epsilon: float,
    runs: int,
) -> Result:
    train_rows, test_rows = target.known(split.train), target.known(split.test)
    reason = _reason(tables, target, train_rows, test_rows)
    scores = np.full(1, np.nan)
    if not reason:
        places = target.inputs
        inputs = [[public_codes(tables, place, rows) for place in places] for rows in (train_rows, test_rows)]
        codes = [np.stack([one for one, _ in several], axis=1) for several in inputs]
        sizes = [size for _, size in inputs[0]]
        labels, truth = target.values(train_rows), target.values(test_rows)
        classes = 0 if target.classes is None else len(target.classes)
        found = [train(codes[0], codes[1], sizes, labels, classes, epsilon) for _ in range(runs)]
        scores = np.array([score(target, one, truth)[0] for one in found])
    return Result(
        name=f"direct_dp_{name}",
        family="utility",
        title=f"{name.replace('_', ' ').capitalize()}, trained with DP on real rows (epsilon = {epsilon:g})",
        value=float(np.median(scores)),
        floor=trivial(target, target.values(train_rows), target.values(test_rows)),
        better="higher",
        rows=len(test_rows),
        note=reason
        or f"Not of the synthetic table: a model for this one question, median of runs ({runs}) whose noise "
        f"takes no seed. Measured outside any ledger, for the curator only. {split.note}".strip(),
        parts=tuple(Part(label=(f"run {i + 1}",), value=float(one)) for i, one in enumerate(np.sort(scores))),
    )


def _reason(tables: Tables, target: Target, train: Rows, test: Rows) -> str:
    """Why there is no such model, else ""."""
    if target.classes is None:
        return "For targets with classes only."
    if any(len(np.unique(target.values(rows))) < 2 for rows in (train, test)):
        return "The real rows have one class only."
    unknown = [tables.columns[i] for i in target.inputs if not tables.schema.modelled[i].complete]
    if unknown or not target.inputs:
        return f"The schema does not say what the columns {unknown} may hold, so no norm is public."
    return ""


def _logistic(
    train: CodeArray, test: CodeArray, sizes: list[int], labels: Floats, classes: int, epsilon: float
) -> Floats:
    """One perturbed objective for two classes, one for each class of more at its share of epsilon."""
    from scipy.optimize import minimize
    from scipy.special import expit

    vector = require("diffprivlib.mechanisms", extra="eval").Vector
    constant = [*sizes, 1]  # the intercept is one more column of the row, and in its norm
    left, right = (
        indicators(np.column_stack([codes, np.zeros(len(codes), np.int64)]), constant)
        / np.sqrt(len(constant))
        for codes in (train, test)
    )
    chosen = [1] if classes == 2 else list(range(classes))
    found = np.zeros((len(test), classes))
    for one in chosen:
        signs = np.where(labels == one, 1.0, -1.0)

        def loss(weights: Floats, signs: Floats = signs) -> tuple[float, Floats]:
            margins = signs * (left @ weights)
            slopes = left.T @ (-signs * expit(-margins)) + _PENALTY * weights
            value = np.logaddexp(0, -margins).sum() + _PENALTY / 2 * weights @ weights
            return float(value), np.asarray(slopes)

        noise = vector(
            epsilon=epsilon / len(chosen),
            dimension=sum(constant),
            alpha=_PENALTY,
            function_sensitivity=_CURVATURE,
            data_sensitivity=1.0,
        )
        perturbed = noise.randomise(loss)
        best = minimize(
            perturbed, np.zeros(sum(constant)), method="L-BFGS-B", jac=True, options={"maxiter": 60}
        )
        found[:, one] = right @ best.x
    return found


def _naive_bayes(
    train: CodeArray, test: CodeArray, sizes: list[int], labels: Floats, classes: int, epsilon: float
) -> Floats:
    naive = require("diffprivlib.models", extra="eval").GaussianNB
    bounds = (np.zeros(len(sizes)), np.array(sizes, np.float64) - 1)
    found = np.zeros((len(test), classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = naive(epsilon=epsilon, bounds=bounds).fit(train.astype(np.float64), labels)
        with np.errstate(all="ignore"):
            found[:, model.classes_.astype(np.int64)] = np.nan_to_num(
                model.predict_proba(test.astype(np.float64))
            )
    return found
