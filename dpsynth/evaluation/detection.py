"""Can anybody tell synthetic rows from real ones? Classifiers try, and a propensity score says how well."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dpsynth._lazy import require
from dpsynth.evaluation.anchors import Anchors, Score
from dpsynth.evaluation.marginals import groups
from dpsynth.evaluation.results import Result
from dpsynth.evaluation.tables import CodeArray, Tables, generator
from dpsynth.evaluation.yardsticks import halves, sample

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["Classifier", "auc", "design", "detection", "pmse_ratio"]

Classifier = Literal["trees", "linear"]
Array = np.ndarray[Any, Any]

_CLASSIFIERS: dict[Classifier, str] = {"trees": "boosted trees", "linear": "logistic regression"}

_MOST_ROWS, _QUICK_ROWS = 10_000, 1_500
_ROUNDS, _QUICK_ROUNDS = 100, 30  # of boosting
_MOST_PROPENSITY_ROWS = 5_000
_MOST_PRODUCTS = 200
_MOST_CELLS = 500
_RARE = 20  # rows; rarer cells have no parameter of their own
_FEWEST = 10  # rows of each table
_ROWS_PER_PARAMETER = 5  # the expectation is that of many rows


def auc(
    tables: Tables, *, classifier: Classifier, most_rows: int = _MOST_ROWS, rounds: int = _ROUNDS
) -> Score:
    """The classifier two-sample test (Lopez-Paz and Oquab 2017): area under the ROC curve on rows not seen.

    As many real as synthetic rows; two folds, each scored by a classifier that was trained on the other, so
    that nothing is scored by what has seen it. 0.5 is guessing, 1 is certainty. Below 0.5 means that the
    same rows are in both tables: a classifier that saw a real row takes its copy for real.

    Trees see the codes of cells; the linear classifier sees a column for each cell and products of columns
    cut in two. The interval is that of Hanley and McNeil (1982), for the draw of rows.
    """
    codes, labels = _balanced(tables, most_rows, f"detection by {classifier}")
    if len(labels) < 2 * _FEWEST:
        return Score(value=math.nan)
    rng = generator(tables, f"folds of {classifier}")
    folds = np.zeros(len(labels), np.int64)
    for label in (False, True):
        places = np.flatnonzero(labels == label)
        folds[places] = rng.permutation(len(places)) % 2
    features = codes if classifier == "trees" else design(tables, codes)
    scores = np.zeros(len(labels))
    for fold in (0, 1):
        scores[folds == fold] = _scores(classifier, features, labels, folds != fold, rounds)
    values = [_area(scores[folds == fold], labels[folds == fold]) for fold in (0, 1)]
    value = float(np.mean(values))
    margin = 1.96 * _hanley_mcneil(value, len(labels) // 2)
    return Score(value=value, interval=(max(0.0, value - margin), min(1.0, value + margin)))


def pmse_ratio(tables: Tables, *, most_rows: int = _MOST_PROPENSITY_ROWS) -> Score:
    """Mean squared error of propensity, divided by its expectation for right models (Snoke et al. 2018).

    A logistic regression with k parameters estimates for each of the N rows how likely it is synthetic; pMSE
    is the mean of (estimate - c)^2, where c is the share of synthetic rows. Its expectation is (k - 1) (1 -
    c)^2 c / N for synthetic rows that are drawn from what was learned of exactly these real rows, without
    error: only the synthetic rows vary. If both tables vary, as two samples of one population and as
    permuted labels do, it is 1 / (1 - c) times that. So of tables of equal size a copy has 0, a resample of
    the real rows 1, and a second sample, or a drawn part of a large table, 2: the ceiling says which it is.
    The ratio of a table that is wrong grows with the number of rows, so at most 5,000 of each are drawn.
    """
    codes, labels = _balanced(tables, most_rows, "propensity")
    if len(labels) < 2 * _FEWEST:
        return Score(value=math.nan)
    features = design(tables, codes)
    columns = _whitened(features)
    parameters = columns.shape[1] + 1
    if parameters < 2 or parameters > len(labels) // _ROWS_PER_PARAMETER:
        return Score(value=math.nan)
    share = float(labels.mean())
    estimates = _propensities(columns, labels)
    expected = (parameters - 1) * (1 - share) ** 2 * share / len(labels)
    return Score(value=float(((estimates - share) ** 2).mean()) / expected)


def design(tables: Tables, codes: CodeArray) -> csr_matrix:
    """Zeros and ones: for each cell, for each column cut in two, and for pairs of these their product.

    Without the products a linear model sees each column by itself, and takes independent columns for real.
    Cells with fewer than 20 rows have no column, nor have others than the 500 commonest. Numbers are cut
    above their real median, categories into the commonest real cell and the rest.
    """
    from scipy.sparse import csr_matrix, hstack

    counts = [np.bincount(codes[:, place], minlength=size) for place, size in enumerate(tables.sizes)]
    pooled = np.sort(np.concatenate(counts))[::-1]
    least = max(_RARE, int(pooled[_MOST_CELLS]) + 1) if len(pooled) > _MOST_CELLS else _RARE
    blocks, cut = [], np.zeros(codes.shape, bool)
    for place in range(len(tables.sizes)):
        kept = np.flatnonzero(counts[place] >= least)
        blocks.append(codes[:, place][:, None] == kept[None, :])
        cut[:, place] = _halved(tables, place, codes[:, place])
    pairs = groups(len(tables.sizes), 2, most=_MOST_PRODUCTS)
    blocks.append(cut)
    blocks.append(np.stack([cut[:, i] & cut[:, j] for i, j in pairs], axis=1) if pairs else cut[:, :0])
    return csr_matrix(hstack([csr_matrix(block.astype(np.float32)) for block in blocks]))


def detection(anchors: Anchors, *, quick: bool = False) -> tuple[Result, ...]:
    """Areas under the curve of two classifiers, and the pMSE ratio."""
    rows = _QUICK_ROWS if quick else _MOST_ROWS
    # Trees recognise a row that they have seen, so the second sample has no row twice.
    apart = replace(anchors, ceiling=halves(anchors.tables))
    areas = [
        apart.result(
            partial(auc, classifier=classifier, most_rows=rows, rounds=_QUICK_ROUNDS if quick else _ROUNDS),
            name=f"detection_{classifier}",
            family="fidelity",
            title=f"Detection by {words}",
            note=f"Area under the ROC curve, two folds, at most {rows:,} rows of each table: 0.5 is "
            "guessing, 1 is certain. Clearly below 0.5 the tables share rows.",
        )
        for classifier, words in _CLASSIFIERS.items()
    ]
    most = min(rows, _MOST_PROPENSITY_ROWS)
    ratio = anchors.result(
        partial(pmse_ratio, most_rows=most),
        name="pmse_ratio",
        family="fidelity",
        title="pMSE ratio",
        note="Propensity error over its expectation: 1 is a resample of the real rows, 2 a second sample. "
        f"At most {most:,} rows of each table.",
    )
    why = " Not defined here: too few rows, or no column with two common cells."
    return tuple(
        one if math.isfinite(one.value) else replace(one, note=one.note + why) for one in (*areas, ratio)
    )


def _balanced(tables: Tables, most: int, purpose: str) -> tuple[CodeArray, Array]:
    """As many real as synthetic rows, and which are synthetic."""
    size = min(len(tables.real), len(tables.synthetic), most)
    drawn = [
        sample(rows.codes, size, generator(tables, f"{purpose}, {side}"))
        for side, rows in (("real", tables.real), ("synthetic", tables.synthetic))
    ]
    return np.concatenate(drawn), np.repeat([False, True], size)


def _scores(classifier: Classifier, features: Any, labels: Array, training: Array, rounds: int) -> Array:
    """Of the rows that are not for training, how synthetic they look."""
    if classifier == "trees":
        model = require("sklearn.ensemble", extra="eval").HistGradientBoostingClassifier(
            max_iter=rounds, random_state=0, early_stopping=False
        )
    else:
        model = require("sklearn.linear_model", extra="eval").LogisticRegression(max_iter=300)
    with _quiet():
        fitted = model.fit(features[training], labels[training])
    found: Array = fitted.predict_proba(features[~training])[:, 1]
    return found


def _propensities(columns: Array, labels: Array) -> Array:
    """Estimates of a logistic regression that is all but free of a penalty, for its own rows."""
    linear = require("sklearn.linear_model", extra="eval")
    model = linear.LogisticRegression(C=1e4, solver="newton-cholesky", max_iter=100)
    with _quiet():
        found: Array = model.fit(columns, labels).predict_proba(columns)[:, 1]
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """A fit that stopped early is near enough here; its warning would frighten."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _whitened(features: csr_matrix) -> Array:
    """The same information in uncorrelated columns of variance 1: as many as there are parameters.

    A logistic regression does not mind, its steps get short, and what is redundant goes.
    """
    dense = features.toarray().astype(np.float64)
    dense -= dense.mean(axis=0)
    values, vectors = np.linalg.eigh(dense.T @ dense / len(dense))
    kept = values > 1e-6
    whitened: Array = dense @ (vectors[:, kept] / np.sqrt(values[kept]))
    return whitened


def _halved(tables: Tables, place: int, codes: CodeArray) -> Array:
    """Which rows are in the upper half of a number, or in the commonest category."""
    counts = np.bincount(tables.real.codes[:, place], minlength=tables.sizes[place])
    if not tables.numeric(tables.columns[place]):
        return np.asarray(codes == int(counts.argmax()))
    counts[0] = 0
    middle = int(np.searchsorted(counts.cumsum(), counts.sum() / 2))
    return np.asarray(codes > middle if counts[middle + 1 :].any() else codes >= middle)


def _area(scores: Array, labels: Array) -> float:
    found: float = require("sklearn.metrics", extra="eval").roc_auc_score(labels, scores)
    return float(found)


def _hanley_mcneil(area: float, rows: int) -> float:
    """Standard error of an area under the ROC curve with so many rows of each kind."""
    spread = area / (2 - area) + 2 * area**2 / (1 + area) - 2 * area**2
    return math.sqrt(max(0.0, area * (1 - area) + (rows - 1) * spread)) / rows
