from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.generators.buckets import Buckets, bucket_count, bucketed, choose_buckets, merged, within_buckets
from dpsynth.graphical.estimation import ordered_cells
from dpsynth.schema.columns import Categorical, Column, Integer
from dpsynth.schema.schema import Schema


def test_heavy_values_stand_alone_and_neighbours_go_together() -> None:
    counts = np.array([10.0, 10, 500, 10, 10, 10, 10, 300, 300])
    groups = bucketed(counts, 9, number=4, least=15.0)
    assert groups == (0, 0, 1, 2, 2, 2, 2, 3, 4)


def test_ordered_buckets_are_contiguous_and_never_small() -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        counts = rng.gamma(0.3, 100.0, int(rng.integers(1, 60)))
        groups = np.array(bucketed(counts, len(counts), number=int(rng.integers(1, 20)), least=40.0))
        assert set(np.diff(groups)) <= {0, 1}
        masses = merged(counts, tuple(groups))
        assert len(masses) == 1 or masses.min() >= 40.0


def test_rare_categories_merge_and_missing_stays_apart_if_there_are_many() -> None:
    assert bucketed(np.array([400.0, 5, 300, 5, 5]), 0, number=4, least=10.0) == (0, 2, 1, 2, 2)
    assert bucketed(np.array([400.0, 3, 300]), 0, number=4, least=10.0) == (0, 1, 1)
    assert bucketed(np.array([50.0, 50, 50, 50, 100]), 4, number=3, least=10.0)[-1] == 2


def test_many_equal_rare_categories_share_several_buckets() -> None:
    groups = bucketed(np.full(400, 1.0), 0, number=4, least=10.0)
    assert merged(np.full(400, 1.0), groups).tolist() == [100.0] * 4


@pytest.mark.parametrize("counts", [np.array([1.0]), np.array([0.0, 1.0]), np.array([0.0, 0.0, 1.0])])
@pytest.mark.parametrize("ordered", [0, 1])
def test_tiny_columns_have_numbered_buckets(counts: np.ndarray, ordered: int) -> None:
    groups = bucketed(counts, ordered, number=5, least=3.0)
    assert len(groups) == len(counts)
    assert set(groups) == set(range(max(groups) + 1))


def test_less_noise_gives_more_buckets() -> None:
    numbers = [
        bucket_count(lambda number: [(number, number)] * 5, total=40_000, sigma=sigma)
        for sigma in (100.0, 10.0, 1.0)
    ]
    assert numbers[0] < numbers[1] < numbers[2]


def test_the_number_of_buckets_keeps_to_the_memory() -> None:
    def shapes(number: int) -> list[tuple[int, int]]:
        return [(number, number)] * 5

    free = bucket_count(shapes, total=40_000, sigma=10.0)
    tight = bucket_count(shapes, total=40_000, sigma=10.0, most_cells=5 * (free - 1) ** 2)
    assert tight == free - 1
    assert bucket_count(shapes, total=40_000, sigma=10.0, most_cells=1) == 2


@given(st.integers(1, 12), st.integers(0, 2**32))
def test_shares_within_buckets_add_up_to_one(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = tuple(np.unique(rng.integers(0, size, size), return_inverse=True)[1].tolist())
    counts = rng.random(size) * (rng.random(size) < 0.6)
    shares = within_buckets(counts, groups)
    np.testing.assert_allclose(merged(shares, groups), 1.0)
    masses = merged(counts, groups)[list(groups)]
    np.testing.assert_allclose(shares * masses, counts)


def chosen(target: Column, counts: np.ndarray, *, sigma: float = 20.0) -> Buckets:
    """Buckets of two wide columns in the classes of `target`."""
    others = tuple(Integer(name=name, minimum=0, maximum=49, cells=50, required=True) for name in "ab")
    schema = Schema(columns=(*others, target))
    margins = {name: np.full(50, counts.sum() / 50) for name in "ab"} | {target.name: counts}
    columns = {name: (margin, 5.0) for name, margin in margins.items()}
    return choose_buckets(
        schema, columns, margins, [("a", "b")], sigma=sigma, deviations=5.0, target=target.name
    )


@st.composite
def targets(draw: st.DrawFn) -> tuple[Column, np.ndarray]:
    """A nominal or ordered column of up to 40 codes, perhaps with a code for missing values, any counts."""
    size, required = draw(st.integers(2, 40)), draw(st.booleans())
    column: Column
    if draw(st.booleans()):
        column = Integer(name="t", minimum=0, maximum=size - 1, cells=size, required=required)
    else:
        column = Categorical(name="t", categories=tuple(range(size)), required=required)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.sampled_from([0.1, 1.0, 100.0]))
    return column, rng.dirichlet(np.full(column.size, shape)) * 10_000


@given(targets())
@settings(max_examples=50)
def test_a_target_has_four_classes_at_most(drawn: tuple[Column, np.ndarray]) -> None:
    column, counts = drawn
    found = chosen(column, counts).groups
    groups = np.array(found["t"])
    assert set(groups) == set(range(groups.max() + 1))
    assert groups.max() + 1 <= 4
    ordered = ordered_cells(column)
    assert set(np.diff(groups[:ordered])) <= {0, 1}  # neighbours
    assert not set(groups[:ordered]) & set(groups[ordered:])
    assert max(found["a"]) + 1 > 4


def test_the_heaviest_values_of_a_target_stay_apart() -> None:
    column = Categorical(name="t", categories=tuple(range(8)), required=True)
    counts = np.array([300, 3000, 150, 1200, 100, 2000, 250, 200.0])
    groups = chosen(column, counts).groups["t"]
    assert [groups.count(groups[code]) for code in (1, 5)] == [1, 1]
    assert sorted(merged(counts, groups).tolist()) == [1000, 1200, 2000, 3000]


def test_few_values_of_a_target_are_its_classes() -> None:
    for size in (2, 3, 4):
        column = Categorical(name="t", categories=tuple(range(size)), required=True)
        groups = chosen(column, np.full(size, 1000.0)).groups["t"]
        assert sorted(groups) == list(range(size))


def test_the_expected_noise_grows_with_sigma() -> None:
    column = Categorical(name="t", categories=(0, 1), required=True)
    quiet, loud = (chosen(column, np.full(2, 5_000.0), sigma=sigma) for sigma in (10.0, 1_000.0))
    assert quiet.least_noise <= quiet.noise < loud.noise
    assert loud.least_noise == pytest.approx(100 * quiet.least_noise)
