from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.graphical.sampling import deal, sample_tree


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 7))
def test_counts_are_whole_and_off_by_less_than_one(seed: int, groups: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(width, 0.5), groups)
    sizes = rng.integers(0, 40, groups)
    codes = deal(shares, sizes, rng)
    assert len(codes) == sizes.sum()
    start = 0
    for share, size in zip(shares, sizes, strict=True):
        counts = np.bincount(codes[start : start + size], minlength=width)
        assert counts.sum() == size
        assert np.all(np.abs(counts - size * share) < 1 + 1e-9)
        start += size


def test_rounding_is_right_in_expectation() -> None:
    rng = np.random.default_rng(3)
    shares, sizes = np.array([[0.13, 0.0, 0.47, 0.4], [0.25, 0.25, 0.45, 0.05]]), np.array([3, 1])
    total = np.zeros((2, 4))
    draws = 20_000
    for _ in range(draws):
        codes = deal(shares, sizes, rng)
        total[0] += np.bincount(codes[:3], minlength=4)
        total[1] += np.bincount(codes[3:], minlength=4)
    np.testing.assert_allclose(total / draws, shares * sizes[:, None], atol=0.02)
    assert total[0, 1] == 0


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 1 - 2.0**-53]))
def test_codes_without_probability_never_come(seed: int, drawn: float) -> None:
    """Not even in the rare draw in which rounding leaves a row over for the end."""

    class Extreme:
        def random(self, size: int) -> np.ndarray:
            return np.full(size, drawn)

    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(9), 50) * (rng.random((50, 9)) < 0.5)
    shares[:, 4] += 0.1
    shares /= shares.sum(axis=1, keepdims=True)
    sizes = rng.integers(1, 10**5, 50)
    codes = deal(shares, sizes, Extreme())  # type: ignore[arg-type]
    groups = np.repeat(np.arange(50), sizes)
    assert (shares[groups, codes] > 0).all()


def test_pairs_of_the_tree_come_out_exactly() -> None:
    rng = np.random.default_rng(4)
    root, child = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(6), 5)
    rows = 50_000
    codes = sample_tree((("a", None), ("b", "a")), {"a": root, "b": child}, rows, rng)
    pair = np.bincount(codes["a"] * 6 + codes["b"], minlength=30).reshape(5, 6)
    # One rounding for the root and one for each cell below it.
    assert np.abs(pair - rows * root[:, None] * child).max() < 2


def test_a_chain_is_markov() -> None:
    rng = np.random.default_rng(5)
    flip = np.array([[0.9, 0.1], [0.2, 0.8]])
    tables = {"a": np.array([0.5, 0.5]), "b": flip, "c": flip}
    codes = sample_tree((("a", None), ("b", "a"), ("c", "b")), tables, 200_000, rng)
    joint = np.bincount(codes["a"] * 2 + codes["c"], minlength=4).reshape(2, 2) / 200_000
    np.testing.assert_allclose(joint, 0.5 * flip @ flip, atol=0.005)


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(rows: int) -> None:
    codes = sample_tree(
        (("a", None), ("b", "a")), {"a": np.array([0.0, 1.0]), "b": np.eye(2)}, rows, np.random.default_rng(0)
    )
    assert {name: list(values) for name, values in codes.items()} == {"a": [1] * rows, "b": [1] * rows}


def test_same_seed_same_rows() -> None:
    tables = {"a": np.full(4, 0.25)}
    first, second = (
        sample_tree((("a", None),), tables, 100, np.random.default_rng(7))["a"] for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.int32


def test_wide_columns_do_not_overflow_the_sort_key() -> None:
    size = 70_000
    tables = {"a": np.full(size, 1 / size), "b": np.tile([0.25, 0.75], (size, 1))}
    codes = sample_tree((("a", None), ("b", "a")), tables, 3 * size, np.random.default_rng(1))
    assert codes["a"].max() == size - 1
    assert codes["b"].mean() == pytest.approx(0.75, abs=0.01)
