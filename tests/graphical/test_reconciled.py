"""Margins that structural zeros do not contradict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.graphical.consistency import rake
from dpsynth.graphical.reconciled import constraint_edges, evenly, reconciled, sliced, zero_factors
from dpsynth.graphical.structure import Layer, fit_junction_tree, target_tables, with_zeros
from dpsynth.graphical.zeros import AllowedTable

DIAGONAL = AllowedTable(nodes=(0, 1), allowed=np.eye(3, dtype=bool))


def test_every_table_is_a_clique_and_a_factor_in_ascending_order() -> None:
    rng = np.random.default_rng(0)
    table = AllowedTable(nodes=(3, 0, 2), allowed=rng.random((2, 3, 4)) < 0.5)
    again = AllowedTable(nodes=(0, 2, 3), allowed=rng.random((3, 4, 2)) < 0.5)
    assert constraint_edges([table, again]) == [(0, 2), (0, 3), (2, 3)]
    factors = zero_factors([table, again])
    assert list(factors) == [(0, 2, 3)]
    np.testing.assert_array_equal(
        factors[0, 2, 3], table.allowed.transpose(1, 2, 0).astype(float) * again.allowed
    )


def test_a_slice_says_what_holds_in_a_class() -> None:
    (first, second) = sliced([DIAGONAL, AllowedTable(nodes=(2, 0), allowed=np.ones((2, 3), bool))], 1, 2)
    assert first.nodes == (0,)
    assert first.allowed.tolist() == [False, False, True]
    assert second.nodes == (2, 0)


def test_nothing_possible_is_said() -> None:
    tables = [DIAGONAL, AllowedTable(nodes=(1, 0), allowed=~np.eye(3, dtype=bool))]
    assert evenly((3, 3), tables) is None
    assert reconciled([np.ones(3), np.ones(3)], tables) is None


def test_margins_without_contradiction_stay() -> None:
    joint = np.random.default_rng(0).random((3, 4)) * (np.arange(12).reshape(3, 4) % 3 > 0) * 1_000
    own = [joint.sum(1), joint.sum(0), np.array([joint.sum()])]
    found = reconciled(own, [AllowedTable(nodes=(0, 1), allowed=joint > 0)])
    assert found is not None
    for before, after in zip(own, found, strict=True):
        np.testing.assert_allclose(after, before, atol=2e-3 * joint.sum())


def test_a_contradiction_ends_between_both() -> None:
    left, right = np.array([60.0, 30, 10]), np.array([20.0, 30, 50])
    found = reconciled([left, right], [DIAGONAL])
    assert found is not None
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    np.testing.assert_allclose(found[0], (left + right) / 2, atol=8)


@pytest.mark.slow
@given(st.integers(0, 2**32), st.sampled_from([0.2, 0.5, 0.9]))
def test_zeros_go_through_the_whole_fit(seed: int, share: float) -> None:
    """Any margins, any noise: no NaN, zeros in every table, margins that are met."""
    rng = np.random.default_rng(seed)
    sizes = (3, 4, 5)
    allowed = rng.random(sizes) < share
    allowed[tuple(rng.integers(0, size) for size in sizes)] = True
    tables = [AllowedTable(nodes=(0, 1, 2), allowed=allowed)]
    margins = tuple(100 * rng.dirichlet(np.full(size, 0.2)) for size in sizes)
    pairs = {(i, j): (rng.normal(5, 30, (sizes[i], sizes[j])), 30.0) for i, j in ((0, 1), (0, 2), (1, 2))}
    layers, possible = with_zeros([Layer(margins=margins, pairs=pairs)], tables, classes=None)
    assert possible.all()
    tree, beliefs = fit_junction_tree(layers, limit=10_000)
    assert tree.home((0, 1, 2)) is not None
    (belief,) = beliefs[0]
    assert np.isfinite(belief).all()
    assert not belief[~allowed].any()
    assert belief.sum() == pytest.approx(100)
    for (i, j), table in target_tables(tree, beliefs, layers)[0].items():
        other = ({0, 1, 2} - {i, j}).pop()
        assert np.isfinite(table).all()
        assert not table[~allowed.any(axis=other)].any()


def test_raking_keeps_zeros_whatever_the_margins() -> None:
    allowed = np.eye(3, dtype=bool)
    found = rake(np.ones((3, 3)), np.array([1.0, 2, 3]), np.array([3.0, 2, 1]), allowed=allowed)
    assert not found[~allowed].any()
    np.testing.assert_allclose(found.sum(1), [1, 2, 3])
    empty = rake(np.zeros((2, 2)), np.array([1.0, 3]), np.array([2.0, 2]), allowed=np.tri(2, dtype=bool))
    np.testing.assert_allclose(empty, [[1, 0], [1, 2]], atol=1e-6)
