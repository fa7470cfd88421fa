from __future__ import annotations

import numpy as np
import pytest

from dpsynth.generators.buckets import bucket_count, bucketed, memory_bound, merged
from dpsynth.schema.layout import Domain


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
        bucket_count(lambda number: [number] * 5, total=40_000, sigma=sigma) for sigma in (100.0, 10.0, 1.0)
    ]
    assert numbers[0] < numbers[1] < numbers[2]


def test_the_memory_bound_counts_cliques_and_every_pair() -> None:
    small = memory_bound(Domain(columns=("a", "b"), sizes=(10, 20)), most_cells=100)
    assert small == 64 * 100 + 32 * 200 + 16 * 30
    assert memory_bound(Domain(columns=("a", "b", "c"), sizes=(10, 20, 1000)), most_cells=100) > 32 * 30_000
