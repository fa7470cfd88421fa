from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpsynth.graphical.spanning_tree import UnionFind, rooted_order

edges = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20)


def _reach(start: int, joined: list[tuple[int, int]]) -> set[int]:
    seen, queue = {start}, [start]
    while queue:
        node = queue.pop()
        for a, b in joined:
            for other in ({b} if a == node else set()) | ({a} if b == node else set()):
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
    return seen


@given(edges)
def test_components_equal_reachability(joined: list[tuple[int, int]]) -> None:
    forest = UnionFind(range(8))
    merges = forest.join_all(joined)
    for a in range(8):
        assert {b for b in range(8) if forest.connected(a, b)} == _reach(a, joined)
    assert merges == 8 - len({frozenset(_reach(a, joined)) for a in range(8)})


@given(edges)
def test_order_of_a_forest_has_every_node_once_and_parents_first(joined: list[tuple[int, int]]) -> None:
    grown = UnionFind(range(8))
    forest = [edge for edge in joined if grown.join(*edge)]
    order = rooted_order(range(8), forest)
    seen: set[int] = set()
    for node, parent in order:
        assert parent is None or parent in seen
        assert parent is None or (node, parent) in forest or (parent, node) in forest
        seen.add(node)
    assert sorted(node for node, _ in order) == list(range(8))
    assert sum(parent is not None for _, parent in order) == len(forest)


def test_the_hub_becomes_the_root() -> None:
    assert rooted_order("abcd", [("a", "c"), ("b", "c"), ("c", "d")])[0] == ("c", None)
