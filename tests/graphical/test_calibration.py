from __future__ import annotations

import itertools

import numpy as np
import pytest

from dpsynth.graphical.calibration import (
    Factors,
    NoisyTable,
    calibrated,
    conditioned,
    marginal,
    refine,
    sum_to,
)
from dpsynth.graphical.junction_tree import JunctionTree, junction_tree
from dpsynth.graphical.pairs import all_pairs

SEEDS = pytest.mark.parametrize("seed", range(40))


def random_model(seed: int) -> tuple[JunctionTree, Factors, np.ndarray]:
    """A tree, factors with some zeros, and the full table that they make, with the sum 100."""
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(1, 7))
    sizes = [int(size) for size in rng.integers(1, 4, nodes)]
    edges = [pair for pair in itertools.combinations(range(nodes), 2) if rng.random() < 0.45]
    factors: Factors = {(node,): 0.1 + rng.random(sizes[node]) for node in range(nodes)}
    for edge in edges:
        shape = [sizes[node] for node in edge]
        factor = rng.random(shape) * (rng.random(shape) > 0.15)
        factor.flat[0] = 1.0  # the first cell of all keeps some mass
        factors[edge] = factor
    full = np.ones(sizes)
    for around, factor in factors.items():
        full = full * factor.reshape([sizes[i] if i in around else 1 for i in range(nodes)])
    return junction_tree(sizes, edges), factors, 100 * full / full.sum()


def close(left: np.ndarray, right: np.ndarray) -> None:
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9)


@SEEDS
def test_beliefs_are_the_marginals_of_the_full_table(seed: int) -> None:
    tree, factors, full = random_model(seed)
    beliefs = calibrated(tree, factors, 100.0)
    for clique, belief in zip(tree.cliques, beliefs, strict=True):
        close(belief, sum_to(full, range(full.ndim), clique))
    turned = tuple(reversed(tree.cliques[0]))
    table = marginal(tree, beliefs, turned)
    assert table is not None
    close(table, sum_to(full, range(full.ndim), turned))


@SEEDS
def test_all_pairs_are_the_marginals_of_the_full_table(seed: int) -> None:
    tree, factors, full = random_model(seed)
    pairs = all_pairs(tree, calibrated(tree, factors, 100.0))
    assert set(pairs) == set(itertools.combinations(range(full.ndim), 2))
    for pair, table in pairs.items():
        close(table, sum_to(full, range(full.ndim), pair))


@SEEDS
def test_conditioning_is_cutting_and_dividing(seed: int) -> None:
    tree, factors, full = random_model(seed)
    beliefs = calibrated(tree, factors, 100.0)
    for given in ({0: 0}, {0: 0, full.ndim - 1: 0}):
        cut = np.zeros_like(full)
        where = tuple(given.get(node, slice(None)) for node in range(full.ndim))
        cut[where] = full[where]
        fixed = conditioned(
            tree, beliefs, {node: np.eye(tree.sizes[node])[code] for node, code in given.items()}
        )
        assert fixed is not None
        for clique, belief in zip(tree.cliques, fixed, strict=True):
            close(belief, sum_to(cut / cut.sum(), range(full.ndim), clique))


@SEEDS
def test_weights_count_once_however_many_cliques_hold_the_node(seed: int) -> None:
    tree, factors, full = random_model(seed)
    beliefs = calibrated(tree, factors, 100.0)
    weights = np.random.default_rng(seed).random(tree.sizes[0])
    weighted = full * weights.reshape(-1, *[1] * (full.ndim - 1))
    fixed = conditioned(tree, beliefs, {0: weights})
    assert fixed is not None
    for clique, belief in zip(tree.cliques, fixed, strict=True):
        close(belief, sum_to(weighted / weighted.sum(), range(full.ndim), clique))


def test_what_cannot_happen_cannot_be_conditioned_on() -> None:
    tree = junction_tree([2, 2], [(0, 1)])
    beliefs = calibrated(tree, {(0, 1): np.eye(2)}, 1.0)
    assert conditioned(tree, beliefs, {0: np.array([1.0, 0.0]), 1: np.array([0.0, 1.0])}) is None
    assert marginal(junction_tree([2, 2], []), [np.ones(2), np.ones(2)], (0, 1)) is None


def test_factors_without_a_clique_are_refused() -> None:
    tree = junction_tree([2, 2], [])
    with pytest.raises(ValueError, match="No clique"):
        calibrated(tree, {(0, 1): np.eye(2)}, 1.0)
    with pytest.raises(ValueError, match="No clique"):
        refine(
            tree,
            [np.ones(2), np.ones(2)],
            [NoisyTable(nodes=(0, 1), values=np.eye(2), variance=1)],
            {},
            sweeps=1,
        )


@SEEDS
def test_a_fit_stays_calibrated_and_its_factors_remember_it(seed: int) -> None:
    tree, factors, full = random_model(seed)
    beliefs = calibrated(tree, factors, 100.0)
    rng = np.random.default_rng(seed)
    tables = [
        NoisyTable(nodes=nodes, values=60 * rng.random(factor.shape) - 5, variance=7.0)
        for nodes, factor in factors.items()
        if len(nodes) == 2
    ]
    margin = 1 + rng.random(full.shape[0])
    tables.append(NoisyTable(nodes=(0,), values=100 * margin / margin.sum(), variance=0.0))
    refine(tree, beliefs, tables, factors, sweeps=3)
    for belief, again in zip(beliefs, calibrated(tree, factors, beliefs[0].sum()), strict=True):
        np.testing.assert_allclose(belief, again, rtol=1e-6, atol=1e-9)
    fitted = marginal(tree, beliefs, (0,))
    assert fitted is not None
    assert fitted.sum() == pytest.approx(100.0)


def test_a_cycle_is_fitted_to_what_was_measured() -> None:
    """Pairs of a four-cycle, measured almost without noise, are met by a model of triangles."""
    rng = np.random.default_rng(1)
    full = rng.gamma(1.0, size=(3, 3, 3, 3))
    full *= 1e6 / full.sum()
    edges = [(0, 1), (1, 2), (2, 3), (0, 3)]
    tree = junction_tree([3] * 4, edges)
    factors: Factors = {(node,): sum_to(full, range(4), (node,)) / full.max() for node in range(4)}
    beliefs = calibrated(tree, factors, 1e6)
    tables = [NoisyTable(nodes=e, values=sum_to(full, range(4), e), variance=1.0) for e in edges]
    refine(tree, beliefs, tables, factors, sweeps=40)
    for edge in edges:
        fitted = marginal(tree, beliefs, edge)
        assert fitted is not None
        np.testing.assert_allclose(fitted, sum_to(full, range(4), edge), rtol=1e-3)
