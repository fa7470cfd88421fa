"""Junction trees: which tables must be kept so that all chosen pairs of columns fit exactly.

A chosen pair of columns is an edge of a graph. Eliminating the nodes one by one, always one whose
clique has the fewest cells, makes the graph chordal; its maximal cliques, joined by a maximum spanning
tree over the sizes of their intersections, have the running intersection property (Lauritzen and
Spiegelhalter, 1988; Jensen and Jensen, 1994). The cells counted here are those of the cliques that are
really kept, so a bound on them bounds memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dpsynth.graphical.spanning_tree import UnionFind, rooted_order

__all__ = [
    "Cells",
    "Edge",
    "JunctionTree",
    "eliminate",
    "elimination",
    "grow",
    "join_cliques",
    "junction_tree",
    "members",
    "total_cells",
]

Edge = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class JunctionTree:
    """Cliques of nodes with their parents, parents first.

    Attributes:
        sizes: Number of codes of each node.
        cliques: Nodes of each clique, ascending.
        parents: Index of the parent of each clique; -1 for the one root. Separators may be empty.
    """

    sizes: tuple[int, ...]
    cliques: tuple[tuple[int, ...], ...]
    parents: tuple[int, ...]

    @property
    def separators(self) -> tuple[tuple[int, ...], ...]:
        """The nodes that each clique shares with its parent; none for the root."""
        return tuple(
            tuple(node for node in clique if parent >= 0 and node in self.cliques[parent])
            for clique, parent in zip(self.cliques, self.parents, strict=True)
        )

    def shape(self, nodes: Iterable[int]) -> tuple[int, ...]:
        """The shape of a table over `nodes`."""
        return tuple(self.sizes[node] for node in nodes)

    def home(self, nodes: Iterable[int]) -> int | None:
        """The smallest clique that holds all `nodes`; None if there is none."""
        wanted = set(nodes)
        holders = [i for i, clique in enumerate(self.cliques) if wanted <= set(clique)]
        return min(holders, key=lambda i: math.prod(self.shape(self.cliques[i])), default=None)


def eliminate(
    sizes: Sequence[int], edges: Iterable[Edge], limit: float = math.inf, counts: Cells | None = None
) -> list[int] | None:
    """The maximal cliques of a triangulation as bit sets, or None if they have more than `limit` cells.

    Args:
        sizes: Number of codes of each node.
        edges: What some clique has to hold.
        limit: Bound on the cells of all maximal cliques together.
        counts: Numbers of cells that are known, for callers that ask often.
    """
    counts = Cells(sizes) if counts is None else counts
    kept: list[int] = []
    cells = 0
    for _, clique in elimination(sizes, edges, counts):
        if not any(clique & other == clique for other in kept):
            kept.append(clique)
            cells += counts[clique]
            if cells > limit:
                return None
    return kept


def elimination(sizes: Sequence[int], edges: Iterable[Edge], counts: Cells) -> Iterator[tuple[int, int]]:
    """Each node, in the order of its elimination, with its clique: itself and its neighbours by then."""
    neighbours = _bit_sets(len(sizes), edges)
    costs = {node: counts[neighbours[node] | 1 << node] for node in range(len(sizes))}
    while costs:
        node = min(costs, key=costs.__getitem__)
        around, clique = neighbours[node], neighbours[node] | 1 << node
        del costs[node]
        yield node, clique
        for other in members(around):
            neighbours[other] = (neighbours[other] | around) & ~(1 << other | 1 << node)
            costs[other] = counts[neighbours[other] | 1 << other]


def total_cells(sizes: Sequence[int], edges: Iterable[Edge]) -> int:
    """The cells of all cliques once `edges` are triangulated."""
    return sum(Cells(sizes)[clique] for clique in eliminate(sizes, edges) or [])


def junction_tree(sizes: Sequence[int], edges: Iterable[Edge]) -> JunctionTree:
    """The junction tree of a triangulation of `edges`; a single tree even if the graph falls apart."""
    return join_cliques(sizes, [tuple(members(clique)) for clique in eliminate(sizes, edges) or []])


def join_cliques(sizes: Sequence[int], cliques: Sequence[tuple[int, ...]]) -> JunctionTree:
    """Join the maximal cliques of a chordal graph by a maximum spanning tree over what they share."""
    shared = {
        (i, j): len(set(cliques[i]) & set(cliques[j]))
        for i, j in itertools.combinations(range(len(cliques)), 2)
    }
    joined: UnionFind[int] = UnionFind(range(len(cliques)))
    links = [link for link in sorted(shared, key=lambda link: -shared[link]) if joined.join(*link)]
    order = rooted_order(range(len(cliques)), links)
    position = {clique: rank for rank, (clique, _) in enumerate(order)}
    return JunctionTree(
        sizes=tuple(sizes),
        cliques=tuple(cliques[clique] for clique, _ in order),
        parents=tuple(-1 if parent is None else position[parent] for _, parent in order),
    )


def grow(
    sizes: Sequence[int],
    edges: Sequence[Edge],
    candidates: Iterable[Edge],
    *,
    limit: int,
    most: int,
    attempts: int,
    refused: set[Edge],
) -> list[Edge]:
    """`candidates`, in order, that can join `edges` within `limit` cells.

    Args:
        sizes: Number of codes of each node.
        edges: Edges that are there already.
        candidates: The best first.
        limit: Bound on the cells of all cliques.
        most: Stop after so many.
        attempts: Stop after so many that do not fit.
        refused: Candidates that did not fit once stay out: a graph that grows makes no room. They are
            added here.
    """
    chosen: list[Edge] = []
    for candidate in candidates:
        if len(chosen) == most or attempts == 0:
            break
        if candidate in refused:
            continue
        if eliminate(sizes, [*edges, *chosen, candidate], limit) is None:
            refused.add(candidate)
            attempts -= 1
        else:
            chosen.append(candidate)
    return chosen


def _bit_sets(nodes: int, edges: Iterable[Edge]) -> list[int]:
    neighbours = [0] * nodes
    for left, right in edges:
        neighbours[left] |= 1 << right
        neighbours[right] |= 1 << left
    return neighbours


def members(bits: int) -> list[int]:
    """The places of the ones of a bit set, ascending."""
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found


class Cells(dict[int, int]):
    """The number of cells of each set of nodes that was asked for."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self._sizes = sizes

    def __missing__(self, bits: int) -> int:
        cells = self[bits] = math.prod(self._sizes[node] for node in members(bits))
        return cells
