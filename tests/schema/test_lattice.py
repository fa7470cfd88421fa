"""Cells that nobody declared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.schema.lattice import LARGEST_LATTICE, graded_cells
from dpsynth.schema.numeric import Datetime, Integer, Real


@given(st.integers(129, LARGEST_LATTICE), st.data())
def test_graded_cells_are_a_lattice_whose_bounds_and_zero_stand_alone(
    points: int, data: st.DataObject
) -> None:
    zero = data.draw(st.none() | st.integers(0, points - 1))
    made = graded_cells(points, zero, 128)
    assert made.starts[0] == 0
    assert (np.diff(made.starts) > 0).all()
    assert made.starts[-1] == points - 1
    widths = made.ends - made.starts
    alone = {0, points - 1, *(() if zero is None else (zero,))}
    assert {int(start) for start, width in zip(made.starts, widths, strict=True) if width == 1} >= alone
    assert 64 <= made.cells <= 160


def test_cells_grow_in_proportion_to_their_distance_from_zero() -> None:
    made = graded_cells(10**9 + 1, 0, 128)
    starts, widths = made.starts[1:], (made.ends - made.starts)[1:]
    assert (widths <= np.maximum(starts, 1)).all()  # never wider than what it holds is large


@pytest.mark.parametrize(
    "column",
    [
        Integer(name="i", minimum=1_000, maximum=9_000),
        Datetime(name="d", minimum="1960-01-01", maximum="2030-01-01"),
        Real(name="r", minimum=100.0, maximum=300.0, precision=1),
    ],
)
def test_without_a_zero_widths_are_equal(column: Integer | Datetime | Real) -> None:
    widths = (column.lattice.ends - column.lattice.starts)[2:-1]
    assert widths.max() - widths.min() <= 1


def test_a_zero_inside_the_bounds_is_found_whatever_the_step() -> None:
    column = Integer(name="i", minimum=-600, maximum=9_000, step=3)
    starts = column.lattice.starts
    assert {200, 201} <= set(starts.tolist())  # -600 + 3 * 200 = 0
    assert Integer(name="i", minimum=-601, maximum=8_999, step=3).lattice.starts.tolist() != starts.tolist()
