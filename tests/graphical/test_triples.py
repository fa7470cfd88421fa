from __future__ import annotations

import itertools

import numpy as np
import pytest

from dpsynth.graphical.triples import Triples, with_pairs

BITS = (2, 2, 2, 2)


def even() -> np.ndarray:
    """Shares of three bits whose sum is mostly even."""
    table = np.full((2, 2, 2), 0.02)
    for cell in itertools.product(range(2), repeat=3):
        if sum(cell) % 2 == 0:
            table[cell] = 0.23
    return table


def rows_of(number: int = 8000) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, (number, 4)).astype(np.int32)


def table_of(codes: np.ndarray, nodes: tuple[int, ...], sizes: tuple[int, ...]) -> np.ndarray:
    shape = tuple(sizes[node] for node in nodes)
    cells = np.ravel_multi_index(tuple(codes[:, list(nodes)].T), shape)
    return np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape) / len(codes)


def pair_counts(rows: int, sizes: tuple[int, ...]) -> dict:
    return {
        (i, j): np.full((sizes[i], sizes[j]), rows / (sizes[i] * sizes[j]))
        for i, j in itertools.combinations(range(len(sizes)), 2)
    }


@pytest.mark.parametrize(
    ("chosen", "error"), [([(0, 1, 2)], 0.02), ([(0, 1, 2), (1, 2, 3)], 0.2)], ids=["one", "two"]
)
@pytest.mark.parametrize("layers", [1, 2])
def test_rows_get_the_tables_and_keep_their_pairs(layers: int, chosen: list, error: float) -> None:
    """Two tables that share columns are met in part (without them the distance is 0.42)."""
    flat = np.full((2, 2, 2), 1 / 8)
    triples = Triples(
        groups=tuple(np.arange(2) for _ in BITS),
        wanted=dict.fromkeys(chosen, even()),
        expected=dict.fromkeys(chosen, flat),
    )
    codes = rows_of()
    before = codes.copy()
    parts = np.array_split(np.arange(len(codes)), layers)
    pairs = [(part, pair_counts(len(part), BITS)) for part in parts]
    triples.impose(codes, BITS, pairs, np.random.default_rng(1))
    np.testing.assert_array_equal(codes.sum(axis=0), before.sum(axis=0))
    for nodes in triples.wanted:
        assert np.abs(table_of(codes, nodes, BITS) - even()).sum() / 2 < error
    for pair in itertools.combinations(range(4), 2):
        if pair != (0, 3):  # two parities together say that these are alike
            assert np.abs(table_of(codes, pair, BITS) - 0.25).sum() / 2 < 0.02


def test_groups_of_buckets_keep_what_is_inside() -> None:
    sizes = (4, 2, 2)
    rng = np.random.default_rng(2)
    codes = np.stack([rng.integers(0, size, 8000) for size in sizes], axis=1).astype(np.int32)
    triples = Triples(
        groups=(np.array([0, 0, 1, 1]), np.arange(2), np.arange(2)),
        wanted={(0, 1, 2): even()},
        expected={(0, 1, 2): np.full((2, 2, 2), 1 / 8)},
    )
    triples.impose(codes, sizes, [(np.arange(8000), pair_counts(8000, sizes))], rng)
    grouped = np.column_stack([codes[:, 0] // 2, codes[:, 1:]])
    assert np.abs(table_of(grouped, (0, 1, 2), (2, 2, 2)) - even()).sum() / 2 < 0.02
    assert np.abs(table_of(codes, (0, 1), sizes) - 1 / 8).sum() / 2 < 0.02


def test_weights_are_the_ratios() -> None:
    flat = np.full((2, 2, 2), 1 / 8)
    triples = Triples(
        groups=tuple(np.arange(2) for _ in BITS), wanted={(0, 1, 3): even()}, expected={(0, 1, 3): flat}
    )
    codes = rows_of(50)
    odd = codes[:, [0, 1, 3]].sum(axis=1) % 2
    np.testing.assert_allclose(triples.weights(codes), np.where(odd, 0.16, 1.84), rtol=1e-6)
    np.testing.assert_array_equal(Triples().weights(codes), 1.0)


def test_a_noisy_table_gets_the_pairs_of_the_model() -> None:
    noisy = 1000 * even() + np.random.default_rng(3).normal(0, 4, (2, 2, 2))
    expected = np.full((2, 2, 2), 1 / 8)
    found = with_pairs(noisy, expected)
    for axis in range(3):
        np.testing.assert_allclose(found.sum(axis=axis), expected.sum(axis=axis), atol=1e-4)
    assert np.abs(found - even()).sum() / 2 < 0.05
