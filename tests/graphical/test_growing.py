from __future__ import annotations

import numpy as np

from dpsynth.graphical.growing import GrowingTree
from dpsynth.graphical.junction_tree import total_cells

HALF = np.full(2, 500.0)
SAME = np.diag([500.0, 500.0])


def grown(pairs: list[tuple[int, int]], *, nodes: int = 4, limit: int = 1_000) -> GrowingTree:
    tree = GrowingTree([HALF] * nodes, limit=limit)
    for pair in pairs:
        tree.add(pair, SAME, 1.0)
        tree.fit(sweeps=10)
    return tree


def test_it_begins_independent() -> None:
    for table in grown([]).pairs().values():
        np.testing.assert_allclose(table, 250.0)


def test_what_is_added_is_fitted_and_carried_along() -> None:
    tables = grown([(0, 1), (1, 2)]).pairs()
    for pair in ((0, 1), (1, 2), (0, 2)):
        np.testing.assert_allclose(tables[pair], SAME, atol=5)
    np.testing.assert_allclose(tables[0, 3], 250.0, atol=1)


def test_the_limit_counts_the_triangulated_tree() -> None:
    ring = [(0, 1), (1, 2), (2, 3)]
    assert total_cells([2] * 4, ring) == 12
    assert total_cells([2] * 4, [*ring, (0, 3)]) == 16
    assert not grown(ring, limit=15).admits((0, 3))
    assert grown(ring, limit=16).admits((0, 3))


def test_what_is_known_about_the_limit_follows_new_pairs() -> None:
    tree = grown([(0, 1), (1, 2)], limit=12)
    assert tree.admits((2, 3))
    assert tree.admits((0, 3))
    tree.add((2, 3), SAME, 1.0)
    assert not tree.admits((0, 3))
    assert tree.admits((2, 3))


def test_a_pair_that_a_clique_holds_is_always_admitted() -> None:
    ring = [(0, 1), (1, 2), (2, 3), (0, 3)]
    tree = grown(ring, limit=16)
    chords = [pair for pair in ((0, 2), (1, 3)) if tree.tree.home(pair) is not None]
    assert chords
    assert all(tree.admits(pair) for pair in chords)


def test_a_pair_that_is_added_twice_counts_by_its_precision() -> None:
    tree = GrowingTree([HALF, HALF], limit=100)
    tree.add((0, 1), np.array([[400.0, 100.0], [100.0, 400.0]]), 1.0)
    tree.add((0, 1), np.array([[300.0, 200.0], [200.0, 300.0]]), 2.0)
    values, sigma = tree.noisy[0, 1]
    np.testing.assert_allclose(values, [[380.0, 120.0], [120.0, 380.0]])
    assert sigma == np.sqrt(1 / (1 + 1 / 4))


def test_new_margins_are_met() -> None:
    tree = grown([(0, 1)], nodes=3)
    margins = [np.array([600.0, 400.0]), np.array([600.0, 400.0]), np.array([0.0, 1000.0])]
    tree.fit(sweeps=30, margins=margins)
    np.testing.assert_allclose(tree.pairs()[0, 1].sum(axis=1), margins[0], rtol=1e-2)
    np.testing.assert_allclose(tree.pairs()[0, 2].sum(axis=0), margins[2], atol=1e-3)


def test_noise_far_larger_than_the_table_leaves_a_distribution() -> None:
    rng = np.random.default_rng(0)
    margins = [np.array([1.0, 0.0, 0.0])] * 4
    tree = GrowingTree(margins, limit=1_000)
    for _ in range(40):
        left, right = sorted(rng.choice(4, 2, replace=False))
        tree.add((int(left), int(right)), rng.normal(0, 300, (3, 3)), 300.0)
        tree.fit(sweeps=4)
    tree.fit(sweeps=15, margins=[np.array([0.0, 0.0, 1.0])] * 4)
    for belief in tree.beliefs:
        assert np.isfinite(belief).all()
        assert belief.sum() > 0
