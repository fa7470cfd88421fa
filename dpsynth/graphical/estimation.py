"""From noisy one-ways and pairs to the distributions of a tree, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dpsynth.graphical.consistency import FloatArray, project_to_simplex, rake, smooth_ordered

if TYPE_CHECKING:
    from dpsynth.schema.columns import ModelledColumn

__all__ = ["clean_margin", "fit_pair", "ordered_cells"]

_SMALLEST_SCALE = 8
_SIGNIFICANT = 4.0


def ordered_cells(column: ModelledColumn) -> int:
    """How many of the first codes of `column` stand on an ordered scale; 0 for nominal columns."""
    nominal = column.kind == "boolean" or (
        column.kind == "categorical" and not getattr(column, "ordered", False)
    )
    return 0 if nominal else column.cell_count


def clean_margin(noisy: FloatArray, sigma: float, total: float, *, ordered: int = 0) -> FloatArray:
    """The counts of one column: smooth along its scale, not negative, with the sum `total`.

    Args:
        noisy: Noisy counts.
        sigma: Standard deviation of their noise.
        total: Their sum afterwards.
        ordered: How many of the first cells are ordered.
    """
    smoothed = np.concatenate([smooth_ordered(noisy[:ordered], sigma), noisy[ordered:]])
    return project_to_simplex(smoothed, total)


def fit_pair(
    noisy: FloatArray,
    sigma: float,
    rows: FloatArray,
    columns: FloatArray,
    *,
    ordered: tuple[int, int] = (0, 0),
) -> FloatArray:
    """The counts of a pair of columns with the margins `rows` and `columns`.

    If the noisy table is no farther from the product of its margins than noise alone would be, it
    *is* that product: no association is invented (pitfall U10). Otherwise the difference from the
    product is smoothed along the longer ordered scale, and the result projected to counts and raked.

    Args:
        noisy: Noisy counts, one row for each code of the first column.
        sigma: Standard deviation of their noise.
        rows: Counts of the first column.
        columns: Counts of the second column, with the same sum.
        ordered: How many of the first codes of each column are ordered.
    """
    total = float(rows.sum())
    product = np.outer(rows, columns) / total
    difference = noisy - product
    # Under independence this is chi-squared with one degree for each cell: mean size, variance 2 size.
    surplus = float(np.square(difference).sum()) / sigma**2 - difference.size
    if surplus <= _SIGNIFICANT * np.sqrt(2 * difference.size):
        return product
    fitted = project_to_simplex(product + _smooth_difference(difference, sigma, ordered), total)
    return rake(fitted, rows, columns)


def _smooth_difference(difference: FloatArray, sigma: float, ordered: tuple[int, int]) -> FloatArray:
    """Smooth along the longer ordered scale, if one is long enough."""
    axis = 0 if ordered[0] >= ordered[1] else 1
    length = ordered[axis]
    if length < _SMALLEST_SCALE:
        return difference
    turned = difference if axis == 0 else difference.T
    smoothed = np.concatenate([smooth_ordered(turned[:length], sigma), turned[length:]])
    return smoothed if axis == 0 else smoothed.T
