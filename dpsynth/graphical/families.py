"""From noisy counts of a column and its parents to the distributions of a network, in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpsynth.graphical.consistency import FloatArray, shrink, with_sums
from dpsynth.graphical.estimation import fit_pair

__all__ = ["fit_family"]

_SIGNIFICANT = 4.0
_SWEEPS = 12


def fit_family(
    noisy: FloatArray,
    sigma: float,
    parents: FloatArray,
    child: FloatArray,
    *,
    ordered: Sequence[int],
) -> FloatArray:
    """The counts of a column and its parents, with the counts `parents` of the parents.

    With no parent these are the counts `child`; with one parent see `fit_pair`. With more, the prior
    is the table without interaction of the highest order: fitted to what the same answer says about
    each smaller set of parents. The noisy table pulls the cells away from that prior as far as it
    stands out of the noise: the variance of true counts around the prior is estimated by moments, in
    proportion to the prior, and decides how much each cell is shrunk. If nothing stands out, the
    prior itself is the answer (pitfall U10).

    Args:
        noisy: Noisy counts, one axis for each parent, then that of the column.
        sigma: Standard deviation of their noise.
        parents: Counts of the parents, one axis for each.
        child: Counts of the column, with the same sum.
        ordered: For each axis of `noisy` how many of the first codes are ordered.
    """
    if parents.ndim == 0:
        return child
    if parents.ndim == 1:
        return fit_pair(noisy, sigma, parents, child, ordered=(ordered[0], ordered[1]))
    prior = _without_interaction(noisy, sigma, parents, child, ordered)
    surplus = float(np.square(noisy - prior).sum()) / sigma**2 - noisy.size
    if surplus <= _SIGNIFICANT * np.sqrt(2 * noisy.size):
        return prior
    return _scaled(shrink(noisy, prior, float(parents.sum()) / surplus), prior, parents)


def _without_interaction(
    noisy: FloatArray, sigma: float, parents: FloatArray, child: FloatArray, ordered: Sequence[int]
) -> FloatArray:
    """The table nearest to independence that agrees with each smaller family: proportional fitting."""
    smaller = []
    for axis, size in enumerate(parents.shape):
        rest = [codes for i, codes in enumerate(ordered) if i != axis]
        noise = sigma * float(np.sqrt(size))
        smaller.append(fit_family(noisy.sum(axis=axis), noise, parents.sum(axis=axis), child, ordered=rest))
    table: FloatArray = parents[..., None] * (child / child.sum())
    for _ in range(_SWEEPS):
        for axis, margin in enumerate(smaller):
            table = with_sums(table, margin, axis=axis)
        table = _scaled(table, table, parents)
    return table


def _scaled(table: FloatArray, otherwise: FloatArray, parents: FloatArray) -> FloatArray:
    """`table` with the counts `parents`; where it is empty, `otherwise` as it is."""
    filled = table.sum(axis=-1, keepdims=True) > 0
    scaled: FloatArray = np.where(filled, with_sums(table, parents, axis=-1), otherwise)
    return scaled
