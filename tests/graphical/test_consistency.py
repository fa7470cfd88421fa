from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dpsynth.graphical.consistency import (
    combine,
    estimate_total,
    project_to_simplex,
    rake,
    shrink,
    smooth_ordered,
)

counts = st.floats(-1e6, 1e6, width=32)
noisy = arrays(np.float64, st.integers(1, 30), elements=counts)


@given(noisy, st.floats(1, 1e6))
def test_projection_is_feasible_and_nearest(values: np.ndarray, total: float) -> None:
    projected = project_to_simplex(values, total)
    assert projected.min() >= 0
    assert projected.sum() == pytest.approx(total, rel=1e-6)
    # First-order optimality: kept cells moved by one number, cut cells would move by more.
    shift = values - projected
    kept = projected > 0
    tolerance = 1e-6 * (1 + np.abs(values).max() + total)
    assert np.ptp(shift[kept]) <= tolerance
    assert np.all(shift[~kept] <= shift[kept].max() + tolerance)


def test_projection_keeps_the_shape_and_leaves_counts_alone() -> None:
    table = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(project_to_simplex(table, 10.0), table)


def test_combination_weighs_by_precision_and_has_the_least_variance() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([10.0, 20.0])
    first, second = truth + rng.normal(0, 1, (20_000, 2)), truth + rng.normal(0, 3, (20_000, 2))
    mean, variance = combine([(first, 1.0), (second, 9.0)])
    assert variance == pytest.approx(0.9)
    np.testing.assert_allclose(mean.var(axis=0), 0.9, rtol=0.05)
    np.testing.assert_allclose(mean.mean(axis=0), truth, atol=0.05)


def test_total_uses_all_tables_and_is_at_least_one() -> None:
    assert estimate_total([(np.array([4.0, 6.0]), 1.0), (np.array([[12.0]]), 1.0)]) == pytest.approx(34 / 3)
    assert estimate_total([(np.array([-50.0, 1.0]), 1.0)]) == 1.0


@given(
    arrays(np.float64, 12, elements=st.floats(-1e4, 1e5)),
    arrays(np.float64, 12, elements=st.floats(1e-3, 1e5)),
    st.floats(0.5, 1e5),
)
def test_shrinkage_solves_its_equation(values: np.ndarray, prior: np.ndarray, strength: float) -> None:
    solution = shrink(values, prior, strength)
    assert solution.min() >= 0
    seen = solution > 1e-200
    left = solution[seen] + strength * np.log(solution[seen] / prior[seen])
    np.testing.assert_allclose(left, values[seen], rtol=1e-6, atol=1e-6 * strength)


def test_shrinkage_has_the_right_limits() -> None:
    values, prior = np.array([100.0, -5.0, 7.0]), np.array([50.0, 10.0, 0.0])
    np.testing.assert_allclose(shrink(values, prior, 1e9), prior, rtol=1e-5)
    np.testing.assert_allclose(shrink(values, prior, 1e-3), [100, 0, 0], atol=0.01)


@given(
    arrays(
        np.float64, (4, 3), elements=st.floats(0.1, 100)
    ),  # the nearer to blocks, the more sweeps it takes
    arrays(np.float64, 4, elements=st.floats(0, 100)),
    arrays(np.float64, 3, elements=st.floats(0.1, 100)),
)
def test_raking_reaches_both_margins(table: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    rows = rows + 0.1
    columns = columns * rows.sum() / columns.sum()
    fitted = rake(table, rows, columns, sweeps=1000)
    assert fitted.min() >= 0
    np.testing.assert_allclose(fitted.sum(1), rows, rtol=1e-9)
    np.testing.assert_allclose(fitted.sum(0), columns, rtol=1e-3, atol=1e-3)


def test_raking_fills_what_the_margins_need() -> None:
    fitted = rake(np.array([[0.0, 0.0], [0.0, 5.0]]), np.array([4.0, 6.0]), np.array([3.0, 7.0]))
    np.testing.assert_allclose(fitted.sum(1), [4, 6])
    np.testing.assert_allclose(fitted.sum(0), [3, 7], rtol=0.01)


@given(st.integers(0, 2**32))
@example(532164833)  # a row whose cells were all but emptied for the sake of their columns
def test_raking_loses_no_rows_however_many_cells_are_empty(seed: int) -> None:
    """A row may have all of its counts in columns that are to be empty, and the other way round."""
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 5, 2)
    table = rng.gamma(0.3, size=shape) * (rng.random(shape) < 0.5)
    rows, columns = (rng.gamma(1.0, size=size) * (rng.random(size) < 0.7) + 1e-300 for size in shape)
    rows[rng.integers(len(rows))] += 1.0
    rows *= 10 / rows.sum()
    columns[rng.integers(len(columns))] += 1.0
    columns *= 10 / columns.sum()
    for right in (columns, np.where(columns > 1e-9, columns, 0.0)):
        np.testing.assert_allclose(rake(table, rows, right).sum(1), rows, rtol=1e-9, atol=1e-12)


def test_raking_fills_a_row_whose_counts_have_no_column_to_be_in() -> None:
    fitted = rake(np.array([[5.0, 0.0], [1.0, 1.0]]), np.array([4.0, 6.0]), np.array([0.0, 10.0]))
    np.testing.assert_allclose(fitted, [[0, 4], [0, 6]])


@given(noisy)
def test_smoothing_keeps_the_sum_and_without_noise_everything(values: np.ndarray) -> None:
    scale = 1 + np.abs(values).max()
    assert smooth_ordered(values, 1e9).sum() == pytest.approx(values.sum(), abs=1e-9 * scale * len(values))
    np.testing.assert_allclose(smooth_ordered(values, 0.0), values, atol=1e-9 * scale)


def test_smoothing_removes_noise_and_keeps_a_spike() -> None:
    rng = np.random.default_rng(1)
    truth = np.full(64, 100.0)
    truth[20] = 2_000.0
    noise = rng.normal(0, 20, 64)
    smoothed = smooth_ordered(truth + noise, 20.0)
    assert np.abs(smoothed - truth).mean() < 0.7 * np.abs(noise).mean()
    assert smoothed[20] == pytest.approx(2_000, rel=0.1)


def test_smoothing_of_a_table_smooths_each_column_by_itself() -> None:
    table = np.random.default_rng(2).normal(0, 10, (16, 3))
    expected = np.column_stack([smooth_ordered(column, 10.0) for column in table.T])
    np.testing.assert_allclose(smooth_ordered(table, 10.0), expected)
