from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from dpsynth.graphical.junction_tree import JunctionTree, eliminate, grow, junction_tree, total_cells


def random_graph(seed: int) -> tuple[list[int], list[tuple[int, int]]]:
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(1, 9))
    sizes = [int(size) for size in rng.integers(1, 6, nodes)]
    return sizes, [pair for pair in itertools.combinations(range(nodes), 2) if rng.random() < 0.4]


@pytest.mark.parametrize("seed", range(40))
def test_every_edge_has_a_clique_and_every_node_one_connected_part(seed: int) -> None:
    sizes, edges = random_graph(seed)
    tree = junction_tree(sizes, edges)
    assert all(tree.home(edge) is not None for edge in edges)
    assert tree.parents[0] == -1
    assert all(0 <= parent < child for child, parent in enumerate(tree.parents) if child)
    for node in range(len(sizes)):
        holders = [i for i, clique in enumerate(tree.cliques) if node in clique]
        tops = [i for i in holders if tree.parents[i] not in holders]
        assert len(tops) == 1, "running intersection: the cliques of a node hang together"
    for one, other in itertools.permutations(tree.cliques, 2):
        assert not set(one) <= set(other)


@pytest.mark.parametrize("seed", range(40))
def test_the_counted_cells_are_those_of_the_tree(seed: int) -> None:
    sizes, edges = random_graph(seed)
    tree = junction_tree(sizes, edges)
    cells = sum(math.prod(tree.shape(clique)) for clique in tree.cliques)
    assert total_cells(sizes, edges) == cells
    assert eliminate(sizes, edges, cells) is not None
    assert eliminate(sizes, edges, cells - 1) is None


def test_a_cycle_gets_a_chord() -> None:
    tree = junction_tree([2, 2, 2, 2], [(0, 1), (1, 2), (2, 3), (0, 3)])
    assert sorted(len(clique) for clique in tree.cliques) == [3, 3]
    assert tree.separators[0] == ()
    assert len(tree.separators[1]) == 2


def test_nodes_without_edges_hang_on_empty_separators() -> None:
    tree = junction_tree([2, 3, 4], [])
    assert sorted(tree.cliques) == [(0,), (1,), (2,)]
    assert set(tree.separators) == {()}
    assert tree.home((0, 1)) is None


def test_the_home_is_the_smallest_clique() -> None:
    tree = JunctionTree(sizes=(2, 3, 9), cliques=((0, 2), (0, 1)), parents=(-1, 0))
    assert tree.home((0,)) == 1


def test_growing_keeps_the_bound_and_the_order() -> None:
    sizes, candidates = [10, 10, 10, 10], list(itertools.combinations(range(4), 2))
    chosen = grow(sizes, [], candidates, limit=300, most=9, attempts=9, refused=set())
    assert chosen == [(0, 1), (0, 2), (0, 3)]
    assert total_cells(sizes, chosen) <= 300
    assert grow(sizes, [], candidates, limit=300, most=2, attempts=9, refused=set()) == [(0, 1), (0, 2)]
    assert grow(sizes, [(0, 1)], [(1, 2), (0, 2), (2, 3)], limit=220, most=9, attempts=1, refused=set()) == [
        (1, 2)
    ]
    assert grow(sizes, [], candidates, limit=99, most=9, attempts=3, refused=set()) == []
