from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dpsynth.graphical.junction_tree import Edge, JunctionTree, total_cells
from dpsynth.graphical.triangulation import Triangulation

Cliques = list[tuple[int, ...]]
NODES = 7


def cells_of(tree: JunctionTree) -> int:
    return sum(math.prod(tree.shape(clique)) for clique in tree.cliques)


def is_junction_tree(tree: JunctionTree) -> bool:
    for node in range(len(tree.sizes)):
        holders = [i for i, clique in enumerate(tree.cliques) if node in clique]
        if len([i for i in holders if tree.parents[i] not in holders]) != 1:
            return False
    pairs = itertools.permutations(tree.cliques, 2)
    return not any(set(one) <= set(other) for one, other in pairs)


graphs = st.tuples(
    st.lists(st.integers(1, 5), min_size=NODES, max_size=NODES),
    st.lists(
        st.sets(st.integers(0, NODES - 1), min_size=1, max_size=4).map(lambda s: tuple(sorted(s))), max_size=8
    ),
)


@given(graphs)
@settings(deadline=None)
def test_what_was_foretold_is_what_the_tree_has(graph: tuple[list[int], Cliques]) -> None:
    sizes, cliques = graph
    triangulation = Triangulation(sizes, limit=10**9)
    for clique in cliques:
        assert triangulation.admits(clique)
        triangulation.add(clique)
        tree = triangulation.tree()
        assert is_junction_tree(tree)
        assert cells_of(tree) == triangulation.cells
    for clique in cliques:
        assert tree.home(clique) is not None


@given(graphs)
@settings(deadline=None)
def test_the_present_order_alone_counts_right(graph: tuple[list[int], Cliques]) -> None:
    """Without the second try from the beginning: each clique goes into the order that is there."""
    sizes, cliques = graph
    triangulation = Triangulation(sizes, limit=10**9)
    order = triangulation._order
    for clique in cliques:
        order.add(clique)
        tree = triangulation.tree()
        assert is_junction_tree(tree)
        assert cells_of(tree) == order.cells
        assert tree.home(clique) is not None
        assert order.holds(clique)


@given(graphs, st.integers(10, 400))
@settings(deadline=None)
@example(([1, 5, 1, 1, 5, 2, 5], [(1, 5), (0, 2), (1, 5)]), 22)  # (0, 2) frees a cell: both had one code
def test_the_limit_is_kept_whatever_is_admitted(graph: tuple[list[int], Cliques], limit: int) -> None:
    sizes, cliques = graph
    triangulation = Triangulation(sizes, limit=limit)
    whole: list[Edge] = []
    refused = set[tuple[int, ...]]()  # stays out, also if later ones make room
    for clique in cliques:
        if triangulation.admits(clique):
            triangulation.add(clique)
            whole += itertools.combinations(clique, 2)
            assert triangulation.cells <= limit or triangulation.cells == sum(sizes)
        elif clique not in refused:
            assert total_cells(sizes, {*whole, *itertools.combinations(clique, 2)}) > limit
            refused.add(clique)


def test_it_is_no_worse_than_starting_again() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        sizes = [int(size) for size in rng.integers(2, 9, 10)]
        triangulation, edges = Triangulation(sizes, limit=10**9), []
        for _ in range(14):
            left, right = sorted(int(node) for node in rng.choice(10, 2, replace=False))
            edges.append((left, right))
            triangulation.add((left, right))
        assert triangulation.cells <= total_cells(sizes, sorted(set(edges)))


@pytest.mark.parametrize("clique", [(0,), (0, 1), (0, 1, 2)])
def test_a_clique_that_is_there_costs_nothing(clique: tuple[int, ...]) -> None:
    triangulation = Triangulation([3, 3, 3, 3], limit=27 + 3)
    triangulation.add((0, 1, 2))
    assert triangulation.cells == 30
    assert triangulation.admits(clique)
    triangulation.add(clique)
    assert triangulation.cells == 30
    assert not triangulation.admits((0, 3))


def test_what_was_refused_is_admitted_once_a_clique_holds_it() -> None:
    triangulation = Triangulation([2, 2, 2], limit=7)
    assert triangulation.admits((0, 1))
    assert not triangulation.admits((0, 1, 2))
    triangulation.add((0, 1, 2))
    assert triangulation.admits((0, 1, 2))
