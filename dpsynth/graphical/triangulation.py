"""How many cells a junction tree would have with one more clique, without building it again.

Nodes are eliminated in one order; each keeps its later neighbours in the filled graph (Rose, Tarjan and
Lueker, 1976). In that order a further clique changes the sets of the nodes along one path, so what it
would cost follows from that path. Another order may do better, so a clique that does not fit is tried
once more from the beginning.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

from dpsynth.graphical.junction_tree import (
    Cells,
    Edge,
    JunctionTree,
    eliminate,
    elimination,
    join_cliques,
    members,
)

__all__ = ["Triangulation"]


class Triangulation:
    """Begins with isolated nodes and takes cliques.

    Args:
        sizes: Number of codes of each node.
        limit: Bound on the cells of all maximal cliques together.
    """

    def __init__(self, sizes: Sequence[int], *, limit: int) -> None:
        self._sizes = tuple(sizes)
        self._limit = limit
        self._edges: set[Edge] = set()
        self._refused: set[tuple[int, ...]] = set()
        self._counts = Cells(self._sizes)
        self._order = _Order(self._sizes, ())

    @property
    def cells(self) -> int:
        """The cells of all maximal cliques."""
        return self._order.cells

    def tree(self) -> JunctionTree:
        """The junction tree of the maximal cliques."""
        return join_cliques(self._sizes, self._order.cliques())

    def admits(self, nodes: tuple[int, ...]) -> bool:
        """Whether a triangulation with this clique is within the limit, or has the clique already.

        What was refused once stays out until a clique holds it.
        """
        if self._order.holds(nodes):
            return True
        if nodes in self._refused:
            return False
        if self._order.cells + self._order.extra_cells(nodes) <= self._limit:
            return True
        edges = [*self._edges, *itertools.combinations(nodes, 2)]
        if eliminate(self._sizes, edges, self._limit, self._counts) is not None:
            return True
        self._refused.add(nodes)
        return False

    def add(self, nodes: tuple[int, ...]) -> None:
        """Take a clique, in the order of elimination that has fewer cells: the present one or a new one.

        One that is there already leaves the tree as it is, and stays in every later one.
        """
        self._edges |= set(itertools.combinations(nodes, 2))
        if self._order.holds(nodes):
            return
        extra = self._order.extra_cells(nodes)
        self._counts = Cells(self._sizes)
        afresh = _Order(self._sizes, sorted(self._edges))
        if afresh.cells <= self._order.cells + extra:
            self._order = afresh
        else:
            self._order.add(nodes)


class _Order:
    """An order of elimination. Bit sets count *places* in the order, not nodes."""

    def __init__(self, sizes: Sequence[int], edges: Sequence[Edge]) -> None:
        steps = list(elimination(sizes, edges, Cells(sizes)))
        self._nodes = [node for node, _ in steps]
        self._place = {node: place for place, node in enumerate(self._nodes)}
        self._counts = Cells([sizes[node] for node in self._nodes])
        self._later = [self._places(members(clique & ~(1 << node))) for node, clique in steps]
        self._covered = Counter(_covers(later) for later in self._later)
        self.cells = sum(self._counts[clique] for clique in self._maximal())

    def cliques(self) -> list[tuple[int, ...]]:
        """The maximal cliques."""
        return [tuple(sorted(self._nodes[place] for place in members(clique))) for clique in self._maximal()]

    def holds(self, nodes: tuple[int, ...]) -> bool:
        """Whether one clique has all `nodes`."""
        return not self._changed(nodes)

    def extra_cells(self, nodes: tuple[int, ...]) -> int:
        """By how much `cells` would grow with the clique `nodes`."""
        changed = self._changed(nodes)
        covered = Counter(_covers(later) for later in changed.values())
        covered.subtract(_covers(self._later[place]) for place in changed)
        extra = 0
        for place in {*changed, *(place for place, _ in covered)} - {-1}:
            before = self._later[place]
            after = changed.get(place, before)
            if not self._covered[place, before]:
                extra -= self._counts[before | 1 << place]
            if not self._covered[place, after] + covered[place, after]:
                extra += self._counts[after | 1 << place]
        return extra

    def add(self, nodes: tuple[int, ...]) -> None:
        """Take the clique `nodes`."""
        self.cells += self.extra_cells(nodes)
        for place, later in self._changed(nodes).items():
            self._covered[_covers(self._later[place])] -= 1
            self._covered[_covers(later)] += 1
            self._later[place] = later

    def _changed(self, nodes: tuple[int, ...]) -> dict[int, int]:
        """The new later neighbours, by place, along the path on which they change.

        All later neighbours of a place but the first are later neighbours of the first.
        """
        changed = {}
        fresh = self._places(nodes)
        while fresh:
            place = (fresh & -fresh).bit_length() - 1
            fresh ^= 1 << place
            later = self._later[place] | fresh
            if later == self._later[place]:
                break
            changed[place] = fresh = later
        return changed

    def _maximal(self) -> list[int]:
        return [
            later | 1 << place for place, later in enumerate(self._later) if not self._covered[place, later]
        ]

    def _places(self, nodes: Sequence[int]) -> int:
        return sum(1 << self._place[node] for node in nodes)


def _covers(later: int) -> tuple[int, int]:
    """The place, with its later neighbours, whose clique is part of this one: the first and all others."""
    first = later & -later
    return first.bit_length() - 1, later ^ first
