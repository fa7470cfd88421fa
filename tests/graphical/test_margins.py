from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.graphical.margins import move_to_margin, whole_counts
from dpsynth.graphical.row_rules import RowRules
from dpsynth.graphical.zeros import AllowedTable

FREE = RowRules.of_tables((), 2)


@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=8).filter(lambda shares: sum(shares) > 0.01),
    st.integers(0, 500),
)
def test_whole_counts_add_up_and_stay_within_one(shares: list[float], rows: int) -> None:
    array = np.array(shares)
    counts = whole_counts(array, rows)
    assert counts.sum() == rows
    assert (np.abs(counts - array / array.sum() * rows) < 1 + 1e-9).all()


@given(st.integers(0, 2**32), st.integers(0, 200))
def test_a_column_gets_its_counts_with_the_fewest_changes(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 5, (rows, 2)).astype(np.int32)
    before, wanted = codes.copy(), whole_counts(rng.random(5), rows)
    move_to_margin(codes, 0, wanted, rng, FREE)
    np.testing.assert_array_equal(np.bincount(codes[:, 0], minlength=5), wanted)
    np.testing.assert_array_equal(codes[:, 1], before[:, 1])
    spare = np.bincount(before[:, 0], minlength=5) - wanted
    assert (codes[:, 0] != before[:, 0]).sum() == np.maximum(spare, 0).sum()


def test_rows_move_along_the_scale() -> None:
    codes = np.repeat([0, 2], [10, 10])[:, None].astype(np.int32)
    move_to_margin(codes, 0, np.array([5, 5, 5, 5]), np.random.default_rng(0), RowRules.of_tables((), 1))
    assert set(codes[:10, 0]) == {0, 1}
    assert set(codes[10:, 0]) == {2, 3}


def test_structural_zeros_hold() -> None:
    table = AllowedTable(nodes=(0, 1), allowed=np.array([[True, True], [True, False]]))
    codes = np.array([[0, 1]] * 6 + [[0, 0]] * 6, np.int32)
    move_to_margin(codes, 0, np.array([0, 12]), np.random.default_rng(0), RowRules.of_tables([table], 2))
    assert not ((codes[:, 0] == 1) & (codes[:, 1] == 1)).any()
    assert np.mean(codes[:, 0]) == pytest.approx(0.5)
