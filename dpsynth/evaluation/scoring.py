"""How good predictions are: areas under ROC curves by ranks, R^2, and their intervals by resampling."""

from __future__ import annotations

from typing import Any

import numpy as np

from dpsynth.evaluation.splits import Floats, Target

__all__ = ["area", "interval", "score", "trivial"]

Weights = np.ndarray[Any, np.dtype[np.float64]]

_RESAMPLES = 200
_CHUNK = 4_000_000  # weights at a time


def area(scores: Floats, positive: np.ndarray[Any, np.dtype[np.bool_]], weights: Weights) -> Floats:
    """The area under the ROC curve for each row of weights, ties counted half.

    It is the chance that a positive row scores higher than a negative one (Hanley and McNeil 1982), so sums
    over the distinct scores give it for many resamples at once.

    Args:
        scores: One for each row.
        positive: Which rows belong to the class.
        weights: Shape (resamples, rows).

    Returns:
        One area for each resample; NaN where it has one class only.
    """
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(ranked))))
    ends = np.append(starts[1:], len(ranked))
    # One line for each row and one column for each resample: lines are copied whole, which is quick.
    lines = np.ascontiguousarray(weights.T)[order]
    chosen = np.flatnonzero(positive[order])
    yes = lines[chosen]
    lines[chosen] = 0
    below = np.concatenate([np.zeros((1, len(weights))), np.cumsum(lines, axis=0)])
    middle = (below[starts[group[chosen]]] + below[ends[group[chosen]]]) / 2
    pairs = yes.sum(axis=0) * below[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where(pairs > 0, (yes * middle).sum(axis=0) / pairs, np.nan)
    return found


def score(target: Target, predicted: Floats, values: Floats, weights: Weights | None = None) -> Floats:
    """ROC AUC of two classes, the mean of one-versus-rest AUCs of more, R^2 of numbers.

    Args:
        target: What is predicted.
        predicted: Numbers, or probabilities of shape (rows, classes).
        values: What is true, as `Target.values` tells it.
        weights: Shape (resamples, rows); None is one resample of all rows.

    Returns:
        One number for each resample; NaN where the rows have one class, or one number, only.
    """
    if weights is None:
        weights = np.ones((1, len(values)))
    if not len(values):
        return np.full(len(weights), np.nan)
    if target.classes is None:
        return _explained(predicted, values, weights)
    if len(target.classes) <= 2:
        if len(target.classes) < 2:
            return np.full(len(weights), np.nan)
        return area(predicted[:, 1], values == 1, weights)
    areas = np.stack([area(predicted[:, k], values == k, weights) for k in range(len(target.classes))])
    known = ~np.isnan(areas)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where(known, areas, 0).sum(axis=0) / known.sum(axis=0)
    return found


def interval(
    target: Target, predicted: Floats, values: Floats, rng: np.random.Generator
) -> tuple[float, float] | None:
    """95 % of 200 resamples of the test rows (the percentile bootstrap); None where it is not defined.

    It covers what other test rows would say, not what another synthetic table would.
    """
    rows = len(values)
    if not rows:
        return None
    found = []
    chunk = max(1, _CHUNK // rows)
    for start in range(0, _RESAMPLES, chunk):
        size = min(chunk, _RESAMPLES - start)
        drawn = rng.integers(0, rows, (size, rows))
        counts = np.stack([np.bincount(places, minlength=rows) for places in drawn]).astype(np.float64)
        found.append(score(target, predicted, values, counts))
    scores = np.concatenate(found)
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        return None
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


def trivial(target: Target, train: Floats, test: Floats) -> float:
    """What the model gets that says the same of everybody: 0.5 of classes, about 0 of numbers."""
    if target.classes is not None:
        return 0.5
    if not len(train):
        return float("nan")
    return float(score(target, np.full(len(test), train.mean()), test)[0])


def _explained(predicted: Floats, values: Floats, weights: Weights) -> Floats:
    total = weights.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = weights @ values / total
        spread = weights @ values**2 - total * means**2
        # Sums of squares of constant values are not exactly 0.
        small = 1e-9 * np.maximum(weights @ values**2, 1e-300)
        found: Floats = np.where(spread > small, 1 - weights @ (predicted - values) ** 2 / spread, np.nan)
    return found
