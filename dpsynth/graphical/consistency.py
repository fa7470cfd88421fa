"""Make noisy counts agree: one total, no negative counts, pairs that have the one-ways as margins.

Everything here is post-processing of answers that were paid for: functions of noisy arrays and of the
public noise scales, never of data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "FloatArray",
    "combine",
    "estimate_total",
    "project_to_simplex",
    "rake",
    "shrink",
    "smooth_ordered",
    "with_sums",
]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

_NEWTON_STEPS = 6
_SMALLEST_TOTAL = 1.0
_LITTLE = 1e-6


def combine(estimates: Sequence[tuple[FloatArray, float]]) -> tuple[FloatArray, float]:
    """The inverse-variance mean of independent unbiased estimates, and its variance.

    Args:
        estimates: Pairs (array, variance of each of its cells), all of one shape; variances > 0.
    """
    precision = sum(1.0 / variance for _, variance in estimates)
    mean = sum(np.asarray(values, np.float64) / variance for values, variance in estimates) / precision
    return np.asarray(mean, np.float64), 1.0 / precision


def estimate_total(tables: Sequence[tuple[FloatArray, float]]) -> float:
    """The number of rows, from tables that each sum to it; at least one, so that shares exist.

    Args:
        tables: Pairs (noisy table, standard deviation of each of its cells).
    """
    sums = [(np.asarray(values.sum(), np.float64), sigma**2 * values.size) for values, sigma in tables]
    return max(float(combine(sums)[0]), _SMALLEST_TOTAL)


def project_to_simplex(values: FloatArray, total: float) -> FloatArray:
    """The nearest array (least squares) with no negative cell and the sum `total` > 0.

    The threshold rule of Held, Wolfe and Crowder (1974): subtract one number from all cells and cut
    at zero.
    """
    flat = np.asarray(values, np.float64).ravel()
    descending = np.sort(flat)[::-1]
    excess = (np.cumsum(descending) - total) / np.arange(1, flat.size + 1)
    kept = int(np.nonzero(descending > excess)[0][-1])
    projected: FloatArray = np.maximum(flat - excess[kept], 0.0).reshape(np.shape(values))
    return projected


def shrink(noisy: FloatArray, prior: FloatArray, strength: float) -> FloatArray:
    """Pull a noisy table towards `prior` where the noise leaves room: solve m + s log(m / prior) = noisy.

    That is the maximiser of the Gaussian log-likelihood minus the relative entropy to `prior`, with
    s = `strength` (noise variance divided by the weight of the prior). Large counts stay where they
    were measured; cells that the noise cannot tell from `prior` stay near it; none is negative. With
    x = m / s the equation reads x + log x = log(prior / s) + noisy / s, the Wright omega function.

    Args:
        noisy: Measured table.
        prior: Expected table, not negative. Cells that are zero in it stay zero.
        strength: s > 0.
    """
    with np.errstate(divide="ignore"):
        target = np.log(prior / strength) + noisy / strength
    solution: FloatArray = strength * _wright_omega(target)
    return solution


def _wright_omega(target: FloatArray) -> FloatArray:
    """Solve x + log x = `target` for x >= 0, cell by cell (0 where `target` is minus infinity).

    Newton's method on y = log x, which is convex and increasing there: it converges from the right.
    """
    log_x = np.where(target > 1, np.log(np.maximum(target, 1)), target)
    for _ in range(_NEWTON_STEPS):
        x = np.exp(log_x)
        with np.errstate(invalid="ignore"):
            step = np.where(np.isneginf(target), 0.0, (x + log_x - target) / (1 + x))
        log_x = log_x - step
    return np.exp(log_x)


def rake(
    table: FloatArray,
    rows: FloatArray,
    columns: FloatArray,
    *,
    sweeps: int = 30,
    allowed: np.ndarray[Any, np.dtype[np.bool_]] | None = None,
) -> FloatArray:
    """Scale the rows and columns of `table` until its margins are `rows` and `columns`.

    Iterative proportional fitting: the table with those margins that is nearest to `table` in
    relative entropy. `rows` and `columns` have one sum. A row or column that is empty in `table` but
    not in its margin is filled with the product of the margins, so that the margins can be reached.
    The last step fits the rows. With `allowed` the cells that are False are zero, whatever the margins,
    and all others are given a little, so that the margins can be reached if that is possible.
    """
    share = columns / max(columns.sum(), np.finfo(np.float64).tiny)
    if allowed is None:
        fitted = np.where(np.outer(rows > 0, columns > 0), table, 0.0)  # the rest may be all of a row
        fitted = np.where((fitted.sum(1) <= 0)[:, None], rows[:, None] * share, fitted)
        fitted = np.where((fitted.sum(0) <= 0)[None, :], rows[:, None] * share, fitted)
    else:
        fitted = np.where(allowed, np.maximum(table, _LITTLE * rows[:, None] * share), 0.0)
    for _ in range(sweeps):
        fitted = with_sums(with_sums(fitted, columns, axis=0), rows, axis=1)
    return fitted


def with_sums(table: FloatArray, wanted: FloatArray, *, axis: int) -> FloatArray:
    """`table` scaled to the sums `wanted` along `axis`; what sums to nothing stays nothing."""
    present = table.sum(axis=axis)
    with np.errstate(over="ignore"):
        ratio = np.divide(wanted, present, out=np.zeros_like(wanted), where=present > 0)
    if np.isfinite(ratio).all():
        return np.asarray(table * np.expand_dims(ratio, axis))
    sums = np.expand_dims(present, axis)  # so small that the ratio is beyond all floats; shares are not
    shares = np.divide(table, sums, out=np.zeros_like(table), where=sums > 0)
    return np.asarray(shares * np.expand_dims(wanted, axis))


def smooth_ordered(values: FloatArray, sigma: float, *, threshold: float = 2.0) -> FloatArray:
    """Remove noise from counts along an ordered scale, keeping steps and spikes that rise above it.

    Translation-invariant Haar thresholding (Coifman and Donoho, 1995): at each scale, differences of
    neighbouring block sums that are smaller than `threshold` of their own standard deviations are
    noise and set to zero; the result is averaged over all shifts, and the ends are mirrored. In a table
    of two axes each column is smoothed by itself, along the first axis.

    Args:
        values: Noisy counts.
        sigma: Standard deviation of their noise.
        threshold: In standard deviations.
    """
    size = len(values)
    smooth, details, width = np.concatenate([values, values[::-1]]), [], 1
    while 2 * width <= size:
        shifted = np.roll(smooth, -width, axis=0)
        detail = (smooth - shifted) / np.sqrt(2)
        details.append((width, np.where(np.abs(detail) > threshold * sigma, detail, 0.0)))
        smooth, width = (smooth + shifted) / np.sqrt(2), 2 * width
    for step, detail in reversed(details):
        here, there = (smooth + detail) / np.sqrt(2), (smooth - detail) / np.sqrt(2)
        smooth = (here + np.roll(there, step, axis=0)) / 2
    return smooth[:size]
