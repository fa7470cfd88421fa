"""Models that stand for what people train on a table, all fed by one encoding.

The encoding is a function of the public schema and of the cells of the real rows, so a row looks the same
to every model wherever it comes from. An encoder that is fitted to training and test rows one by one (as
some evaluations do it) gives one category two numbers, and calls the outcome a lack of utility.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth._lazy import require
from dpsynth.evaluation.splits import Floats, Target
from dpsynth.evaluation.tables import Rows, Tables

__all__ = [
    "CLASSIFIERS",
    "REGRESSORS",
    "Fitted",
    "families",
    "fit",
    "indicators",
    "one_hot",
    "one_thread",
    "plain_inputs",
]

CLASSIFIERS = ("logistic", "gradient_boosting", "forest")
REGRESSORS = ("ridge", "gradient_boosting", "forest")
_MOST_CATEGORIES = 200  # of the library's 255; more are taken as ordered codes
_FOREST_ROWS = 10_000
_QUICK_ROWS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fitted:
    """A trained model.

    Attributes:
        target: What it predicts.
        inputs: Turns rows into what the model reads.
        predict: Turns that into numbers, or into probabilities of shape (rows, classes).
    """

    target: Target
    inputs: Callable[[Rows], Any]
    predict: Callable[[Any], Floats]

    def scores(self, rows: Rows) -> Floats:
        """Predicted numbers, or probabilities of all classes of the target."""
        return self.predict(self.inputs(rows))


def families(target: Target) -> tuple[str, ...]:
    """The kinds of models that fit the target."""
    return REGRESSORS if target.classes is None else CLASSIFIERS


def fit(tables: Tables, target: Target, family: str, rows: Rows, *, quick: bool = False) -> Fitted:
    """Train one model on the rows whose target is known.

    Rows of one class, or none, teach nothing: the model then says the same of everybody.
    """
    rows = target.known(rows)
    if quick and len(rows) > _QUICK_ROWS:  # spread evenly: rows lie in the order of their values
        rows = rows.take(np.linspace(0, len(rows) - 1, _QUICK_ROWS).astype(np.int64))
    values = target.values(rows)
    linear = family in {"logistic", "ridge"}

    def inputs(read: Rows) -> Any:
        return one_hot(tables, target.inputs, read) if linear else plain_inputs(tables, target.inputs, read)

    if len(np.unique(values)) < 2 or not target.inputs:
        return Fitted(
            target=target, inputs=lambda read: np.empty((len(read), 0)), predict=_same(target, values)
        )
    estimator = _estimator(tables, target, family, len(rows), quick=quick)
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore")  # of models that have not converged: they are good enough to compare
        estimator.fit(inputs(rows), values)
    return Fitted(target=target, inputs=inputs, predict=_predict(target, estimator))


def plain_inputs(tables: Tables, places: tuple[int, ...], rows: Rows) -> Any:
    """Numbers as they are, NaN where missing; categories as codes."""
    names = [tables.columns[i] for i in places]
    columns = [
        rows.readings[name] if tables.numeric(name) else rows.codes[:, i].astype(np.float64)
        for i, name in zip(places, names, strict=True)
    ]
    found = np.stack(columns, axis=1) if columns else np.empty((len(rows), 0))
    return np.where(np.isfinite(found), found, np.nan)


def one_hot(tables: Tables, places: tuple[int, ...], rows: Rows) -> Any:
    """One column of 0 and 1 for each cell of each column, sparse: every row has the same norm."""
    sizes = [tables.sizes[i] for i in places]
    return indicators(rows.codes[:, list(places)], sizes)


def indicators(codes: np.ndarray[Any, Any], sizes: list[int]) -> Any:
    """A sparse matrix of shape (rows, sum of sizes) with one 1 for each code."""
    from scipy import sparse

    rows, columns = codes.shape
    starts = np.concatenate([[0], np.cumsum(sizes)])
    ends = np.arange(rows + 1) * columns
    places = (codes + starts[:-1]).ravel()
    return sparse.csr_matrix((np.ones(rows * columns), places, ends), shape=(rows, int(starts[-1])))


def _estimator(tables: Tables, target: Target, family: str, rows: int, *, quick: bool) -> Any:
    classes = None if target.classes is None else len(target.classes)
    if family == "logistic":
        return require("sklearn.linear_model", extra="eval").LogisticRegression(max_iter=50 if quick else 100)
    if family == "ridge":
        return require("sklearn.linear_model", extra="eval").Ridge(alpha=1.0)
    ensemble = require("sklearn.ensemble", extra="eval")
    seed = tables.seed % 2**32
    if family == "forest":
        kind = ensemble.RandomForestRegressor if classes is None else ensemble.RandomForestClassifier
        return kind(
            n_estimators=15 if quick else 40,
            min_samples_leaf=3,
            max_samples=_FOREST_ROWS if rows > _FOREST_ROWS else None,
            random_state=seed,
        )
    kind = (
        ensemble.HistGradientBoostingRegressor if classes is None else ensemble.HistGradientBoostingClassifier
    )
    several = classes is not None and classes > 2
    sizes = {i: tables.sizes[i] for i in target.inputs}
    categories = [
        not tables.numeric(tables.columns[i]) and sizes[i] <= _MOST_CATEGORIES for i in target.inputs
    ]
    return kind(
        max_iter=15 if quick and several else 30 if quick or several else 60,
        # Steps for rare classes are large and overshoot, so they are kept short.
        learning_rate=0.08 if several else 0.15,
        l2_regularization=5.0 if several else 0.0,
        max_leaf_nodes=15,
        early_stopping=False,
        categorical_features=categories,
        random_state=seed,
    )


def _predict(target: Target, estimator: Any) -> Callable[[Any], Floats]:
    """Probabilities in the order of the target's classes; a class that was not trained gets 0."""
    classes = None if target.classes is None else len(target.classes)

    def predict(inputs: Any) -> Floats:
        if not inputs.shape[0]:
            return np.empty(0) if classes is None else np.empty((0, classes))
        with one_thread():
            if classes is None:
                return np.asarray(estimator.predict(inputs), np.float64)
            found = np.zeros((inputs.shape[0], classes))
            found[:, estimator.classes_.astype(np.int64)] = estimator.predict_proba(inputs)
            return found

    return predict


def one_thread() -> Any:
    """Sums in one order wherever it runs; and threads that wait for busy cores take many times as long."""
    return require("threadpoolctl", extra="eval").threadpool_limits(limits=1)


def _same(target: Target, values: Floats) -> Callable[[Any], Floats]:
    """The mean, or the shares of classes, for every row."""
    if target.classes is None:
        mean = float(values.mean()) if len(values) else 0.0
        return lambda inputs: np.full(len(inputs), mean)
    counts = np.bincount(values.astype(np.int64), minlength=len(target.classes)) + 1e-9
    return lambda inputs: np.tile(counts / counts.sum(), (len(inputs), 1))
