"""Cells over the admissible values of a numeric column, in exact integers.

The admissible values of a column (integers with a step, decimals with a precision, dates at a
resolution) are numbered 0, 1, ..., points - 1. A cell is a run of such numbers. Edges therefore
never fall between two floats, a cell is never empty, and a value drawn in a cell is admissible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["LARGEST_LATTICE", "IntegerArray", "Lattice", "equal_cells", "graded_cells"]

IntegerArray = np.ndarray[Any, np.dtype[np.int64]]

LARGEST_LATTICE = 2**50
"""Bounds, counted in steps, stay below this: then products of floats round to the right step."""


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """`points` admissible values in cells that begin at the (read-only) indices `starts`."""

    starts: IntegerArray
    points: int

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return len(self.starts)

    @property
    def ends(self) -> IntegerArray:
        """For each cell the index after its last value."""
        return np.append(self.starts[1:], self.points)

    def cell_of(self, index: np.ndarray[Any, Any]) -> IntegerArray:
        """The cell of each index in `0 <= index < points`."""
        return np.searchsorted(self.starts, index, side="right") - 1


def lattice(starts: Sequence[int], points: int) -> Lattice:
    """The lattice whose cells begin at `starts`: increasing, from 0, below `points`."""
    array = np.array(starts, dtype=np.int64)
    array.setflags(write=False)
    return Lattice(array, points)


def equal_cells(points: int, cells: int) -> Lattice:
    """`cells` half-open cells of equal width from the first to the last value; the last is closed.

    Rounding edges up to the next value keeps every cell non-empty as long as `cells <= points`.
    """
    width = points - 1  # exact: Python integers
    return lattice([-(-k * width // cells) for k in range(cells)], points)


def graded_cells(points: int, zero: int | None, cells: int) -> Lattice:
    """About `cells` cells for a quantity of which only the bounds are known.

    Half of them have equal widths; half grow with their distance from zero by equal ratios, so that
    incomes up to a billion are told apart at all sizes. Zero, the first and the last value have cells of
    their own: many columns are mostly zero, and codes for "this much or more" stand at a bound. Without
    a zero all cells have equal widths. Whole numbers only, so that every machine makes the same cells.

    Args:
        points: How many values there are, more than `cells`.
        zero: The index of zero, if it is one of them.
        cells: Wanted number.
    """
    ends = {0, 1, points - 1}
    if zero is None:
        return lattice(sorted(ends | set(equal_cells(points, cells).starts.tolist())), points)
    starts = ends | set(equal_cells(points, cells // 2).starts.tolist()) | {zero, zero + 1}
    reaches = [reach for reach in (zero, points - 1 - zero) if reach > 0]
    parts = max(1, cells // 2 // sum(reach.bit_length() for reach in reaches))
    steps = {
        ((parts + part) << power) // parts for power in range(points.bit_length()) for part in range(parts)
    }
    starts |= {zero + step for step in steps} | {zero + 1 - step for step in steps}
    return lattice(sorted(start for start in starts if 0 <= start < points), points)
