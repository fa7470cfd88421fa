from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.graphical import sampling
from dpsynth.graphical.sampling import deal, sample_tree, whole_counts


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 7))
def test_counts_are_whole_and_off_by_less_than_one(seed: int, groups: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(width, 0.5), groups)
    sizes = rng.integers(0, 40, groups)
    counts = whole_counts(shares, sizes, rng)
    assert counts.dtype == np.int64
    assert counts.min() >= 0
    np.testing.assert_array_equal(counts.sum(axis=1), sizes)
    assert np.all(np.abs(counts - sizes[:, None] * shares) < 1 + 1e-9)


def test_rounding_is_right_in_expectation() -> None:
    rng = np.random.default_rng(3)
    shares, sizes = np.array([[0.13, 0.0, 0.47, 0.4], [0.25, 0.25, 0.45, 0.05]]), np.array([3, 1])
    draws = 20_000
    total = sum(whole_counts(shares, sizes, rng) for _ in range(draws))
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
    counts = whole_counts(shares, sizes, Extreme())  # type: ignore[arg-type]
    assert (counts.sum(axis=1) == sizes).all()
    assert (counts[shares == 0] == 0).all()


@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(0, 300),
    groups=st.integers(1, 150),
    width=st.integers(1, 9),
    narrow=st.booleans(),
)
def test_the_forms_of_dealing_agree(seed: int, rows: int, groups: int, width: int, narrow: bool) -> None:
    rng = np.random.default_rng(seed)
    kind = np.uint16 if narrow else np.int64
    group = rng.integers(0, groups, rows).astype(kind)
    sizes = np.bincount(group, minlength=groups)
    counts = whole_counts(rng.dirichlet(np.full(width, 0.5), groups), sizes, rng)
    order, lattices = rng.permutation(rows).astype(np.int32), sampling._lattices(sizes, rng)
    results = []
    for form in (deal.loop, deal.vectorised, deal):
        codes = np.full(rows, 99, kind)
        results.append((form(order, group, counts, lattices, codes), codes))
    onward, codes = results[0]
    for other in results[1:]:
        np.testing.assert_array_equal(other[0], onward)
        np.testing.assert_array_equal(other[1], codes)
    dealt = np.bincount(group.astype(int) * width + codes, minlength=groups * width)
    np.testing.assert_array_equal(dealt.reshape(groups, width), counts)
    place = np.empty(rows, int)
    place[order] = np.arange(rows)
    np.testing.assert_array_equal(onward, np.lexsort((place, codes, group)))


def test_every_place_is_reached_by_steps_of_low_discrepancy() -> None:
    rng = np.random.default_rng(0)
    sizes = np.arange(400)
    gaps: dict[str, list[float]] = {"lattice": [], "shuffle": []}
    for size, (shift, step) in zip(sizes, sampling._lattices(sizes, rng), strict=True):
        assert 0 <= step < max(size, 1)
        places = (shift + np.arange(size) * step) % max(size, 1)
        assert sorted(places) == list(range(size))
        if size >= 40:
            for name, served in (("lattice", places), ("shuffle", rng.permutation(size))):
                tenth = np.sort(served[: size // 10])
                gaps[name].append(np.diff(np.append(tenth, tenth[0] + size)).max() / size * len(tenth))
    # The largest hole over the mean one.
    assert np.mean(gaps["lattice"]) < 2.2
    assert np.mean(gaps["shuffle"]) > 3


def test_columns_that_nothing_ties_come_out_more_even_than_by_chance() -> None:
    rng, rows = np.random.default_rng(6), 20_000
    tables = {f"x{i}": rng.dirichlet(np.ones(size)) for i, size in enumerate((3, 5, 4, 6, 3))}
    order = [(name, None) for name in tables]

    def distance(codes: dict[str, np.ndarray]) -> float:
        apart = []
        for one, two in itertools.combinations(tables, 2):
            wanted = np.outer(tables[one], tables[two]).ravel()
            cells = codes[one] * len(tables[two]) + codes[two]
            apart.append(np.abs(np.bincount(cells, minlength=len(wanted)) / rows - wanted).sum() / 2)
        return float(np.mean(apart))

    even = distance(sample_tree(order, tables, rows, rng))
    chance = distance({name: rng.choice(len(table), rows, p=table) for name, table in tables.items()})
    shuffled = distance(
        {
            name: rng.permutation(
                np.repeat(np.arange(len(table)), whole_counts(table[None], np.array([rows]), rng)[0])
            )
            for name, table in tables.items()
        }
    )
    assert even < 0.5 * shuffled < 0.5 * chance


def test_the_order_of_the_rows_tells_nothing() -> None:
    codes = sample_tree((("a", None),), {"a": np.array([0.5, 0.5])}, 20_000, np.random.default_rng(8))["a"]
    changes = np.mean(codes[1:] != codes[:-1])
    assert changes == pytest.approx(0.5, abs=0.02)  # a bare lattice changes at nearly every row, or in runs


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
