from __future__ import annotations

import itertools

import numpy as np
import pytest

from dpsynth.graphical.calibration import calibrated
from dpsynth.graphical.expectation import Expectation
from dpsynth.graphical.junction_tree import junction_tree

SIZES = (2, 3, 2, 4, 3)
TOTAL = 1_000.0


def model(edges: list[tuple[int, int]], seed: int = 0) -> tuple[Expectation, np.ndarray, object]:
    """A random distribution with these edges, and its whole table."""
    rng = np.random.default_rng(seed)
    tree = junction_tree(SIZES, edges)
    factors = {edge: rng.gamma(0.7, 1.0, [SIZES[node] for node in edge]) + 1e-3 for edge in edges}
    factors |= {(node,): rng.gamma(2.0, 1.0, size) for node, size in enumerate(SIZES)}
    whole = np.ones(SIZES)
    for nodes, factor in factors.items():
        whole = whole * factor.reshape([SIZES[node] if node in nodes else 1 for node in range(5)])
    whole *= TOTAL / whole.sum()
    return Expectation(tree, calibrated(tree, factors, TOTAL)), whole, tree


def summed(whole: np.ndarray, nodes: tuple[int, ...]) -> np.ndarray:
    return whole.sum(axis=tuple(node for node in range(5) if node not in nodes))


def every(size: int) -> list[tuple[int, ...]]:
    return list(itertools.combinations(range(5), size))


@pytest.mark.parametrize("seed", range(5))
def test_pairs_and_what_a_clique_holds_are_exact(seed: int) -> None:
    expectation, whole, tree = model([(0, 1), (1, 2), (0, 2), (2, 3), (3, 4)], seed)
    for nodes in every(2):
        np.testing.assert_allclose(expectation.of(nodes), summed(whole, nodes), rtol=1e-9)
        assert expectation.pairs[nodes] is expectation.of(nodes)
    assert tree.home((0, 1, 2)) is not None
    np.testing.assert_allclose(expectation.of((0, 1, 2)), summed(whole, (0, 1, 2)), rtol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_along_a_chain_every_set_is_exact(seed: int) -> None:
    expectation, whole, _ = model([(0, 1), (1, 2), (2, 3), (3, 4)], seed)
    for nodes in [*every(3), *every(4)]:
        exact = summed(whole, nodes)
        if all(right - left == 1 for left, right in itertools.pairwise(nodes)):
            np.testing.assert_allclose(expectation.of(nodes), exact, rtol=1e-9)
        # Elsewhere it is the nearest tree: right in its pairs, and near.
        assert np.abs(expectation.of(nodes) - exact).sum() < 0.2 * TOTAL


def test_the_weakest_pair_is_the_one_that_is_left_out() -> None:
    expectation, whole, tree = model([(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)], 3)
    outside = [nodes for nodes in every(3) if tree.home(nodes) is None]
    assert outside
    for nodes in outside:
        table = expectation.of(nodes)
        pairs = list(itertools.combinations(nodes, 2))
        kept = [
            pair
            for pair, axis in zip(pairs, (2, 1, 0), strict=True)
            if np.allclose(table.sum(axis=axis), summed(whole, pair), rtol=1e-9)
        ]
        assert len(kept) == 2
        assert min(pairs, key=expectation._shared) not in kept


def test_codes_that_nobody_has_give_no_trouble() -> None:
    tree = junction_tree(SIZES, [(0, 1), (1, 2)])
    factors = {(0, 1): np.array([[1.0, 0, 2], [3, 0, 4]]), (1, 2): np.array([[1.0, 2], [0, 0], [3, 0]])}
    factors |= {(node,): np.ones(size) for node, size in enumerate(SIZES)}
    expectation = Expectation(tree, calibrated(tree, factors, TOTAL))
    for nodes in every(3):
        table = expectation.of(nodes)
        assert np.isfinite(table).all()
        assert table.sum() == pytest.approx(TOTAL)
