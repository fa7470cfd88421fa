from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.graphical import growing
from dpsynth.graphical.growing import GrowingTree
from dpsynth.graphical.junction_tree import total_cells

HALF = np.full(2, 500.0)
SAME = np.diag([500.0, 500.0])
ODD = np.array([[[250.0, 0.0], [0.0, 250.0]], [[0.0, 250.0], [250.0, 0.0]]])
"""Three nodes of which any two are independent and each is the sum of the others."""


def grown(sets: list[tuple[int, ...]], *, nodes: int = 4, limit: int = 1_000) -> GrowingTree:
    tree = GrowingTree([HALF] * nodes, limit=limit)
    for nodes_ in sets:
        tree.add(nodes_, SAME if len(nodes_) == 2 else ODD, 1.0)
        tree.fit(sweeps=10)
    return tree


def test_it_begins_independent() -> None:
    for table in grown([]).expectation().pairs.values():
        np.testing.assert_allclose(table, 250.0)


def test_what_is_added_is_fitted_and_carried_along() -> None:
    tables = grown([(0, 1), (1, 2)]).expectation().pairs
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
    np.testing.assert_allclose(tree.expectation().pairs[0, 1].sum(axis=1), margins[0], rtol=1e-2)
    np.testing.assert_allclose(tree.expectation().pairs[0, 2].sum(axis=0), margins[2], atol=1e-3)


def test_three_nodes_are_fitted_where_no_two_tell_anything() -> None:
    tree = grown([(0, 1, 2)])
    assert tree.tree.home((0, 1, 2)) is not None
    expected = tree.expectation()
    np.testing.assert_allclose(expected.of((0, 1, 2)), ODD, atol=5)
    np.testing.assert_allclose(expected.of((0, 1)), 250.0, atol=1)


def test_what_was_added_stays_in_a_clique_of_every_later_tree() -> None:
    """Also what lay in a clique already, by a chord of the triangulation."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        tree = GrowingTree([np.full(3, 100.0)] * 7, limit=2_000)
        for _ in range(12):
            nodes = tuple(sorted(int(node) for node in rng.choice(7, rng.integers(2, 4), replace=False)))
            if tree.admits(nodes):
                tree.add(nodes, np.full((3,) * len(nodes), 300.0 / 3 ** len(nodes)), 5.0)
                tree.fit(sweeps=2)
        assert all(tree.tree.home(nodes) is not None for nodes in tree.noisy)
        assert sum(belief.size for belief in tree.beliefs) <= 2_000


@pytest.mark.slow
@given(
    seed=st.integers(0, 10_000),
    total=st.sampled_from([1.0, 30.0, 1e4]),
    sigma=st.sampled_from([1e-3, 1.0, 300.0, 1e6, 1e15]),
    bias=st.sampled_from([-3.0, 0.0, 3.0]),
)
@settings(deadline=None, max_examples=60)
def test_noise_far_larger_than_the_table_leaves_a_distribution(
    seed: int, total: float, sigma: float, bias: float
) -> None:
    rng = np.random.default_rng(seed)
    margins = [np.array([total, 0.0, 0.0]), np.array([0.0, 0.0, total])] * 2
    tree = GrowingTree(margins, limit=1_000)
    for _ in range(40):
        nodes = tuple(sorted(int(node) for node in rng.choice(4, rng.integers(2, 4), replace=False)))
        tree.add(nodes, sigma * (rng.normal(0, 1, (3,) * len(nodes)) + bias), sigma)
        tree.fit(sweeps=4)
    tree.fit(sweeps=15, margins=[np.array([0.0, 0.0, total])] * 4)
    for belief in tree.beliefs:
        assert np.isfinite(belief).all()
        assert belief.sum() > 0
    for table in tree.expectation().pairs.values():
        assert np.isfinite(table).all()
        assert table.sum() > 0


def test_a_fit_that_breaks_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def broken(tree: object, beliefs: list[np.ndarray], *_: object, **__: object) -> None:
        nonlocal calls
        calls += 1
        beliefs[0] *= np.nan

    tree = grown([(0, 1)])
    monkeypatch.setattr(growing, "refine", broken)
    tree.fit(sweeps=4)
    assert calls == 2
    for table in tree.expectation().pairs.values():
        np.testing.assert_allclose(table, 250.0)
