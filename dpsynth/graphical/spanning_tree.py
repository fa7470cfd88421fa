"""Spanning trees over columns."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

__all__ = ["UnionFind", "rooted_order"]

Node = TypeVar("Node", bound=Hashable)


class UnionFind(Generic[Node]):
    """Which nodes are connected so far (Tarjan, 1975, with path halving)."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._parent = {node: node for node in nodes}

    def find(self, node: Node) -> Node:
        """The representative of the component of `node`."""
        while self._parent[node] != node:
            self._parent[node] = self._parent[self._parent[node]]
            node = self._parent[node]
        return node

    def connected(self, left: Node, right: Node) -> bool:
        """Whether a path joins the two nodes."""
        return self.find(left) == self.find(right)

    def join(self, left: Node, right: Node) -> bool:
        """Connect two nodes; False if they were connected before."""
        a, b = self.find(left), self.find(right)
        self._parent[b] = a
        return a != b

    def join_all(self, edges: Iterable[tuple[Node, Node]]) -> int:
        """Connect all `edges`; how many of them joined two components (the edges of a spanning forest)."""
        return sum(self.join(left, right) for left, right in edges)


def rooted_order(
    nodes: Sequence[Node], edges: Iterable[tuple[Node, Node]]
) -> tuple[tuple[Node, Node | None], ...]:
    """Every node with its parent, parents first; None for the root of each component.

    The root of a component is its node with the most edges, the first such one in `nodes`: short
    paths carry less sampling error from one column to another.
    """
    neighbours: dict[Node, list[Node]] = {node: [] for node in nodes}
    for left, right in edges:
        neighbours[left].append(right)
        neighbours[right].append(left)
    parents: dict[Node, Node | None] = {}
    for root in sorted(nodes, key=lambda node: -len(neighbours[node])):
        if root in parents:
            continue
        parents[root] = None
        queue = [root]
        for node in queue:
            fresh = [other for other in neighbours[node] if other not in parents]
            parents.update(dict.fromkeys(fresh, node))
            queue += fresh
    return tuple(parents.items())
