"""Every pair of nodes of a calibrated junction tree, by passing conditionals along the tree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Set

import numpy as np

from dpsynth.graphical.calibration import Beliefs, ratio, sum_to
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_tree import Edge, JunctionTree

__all__ = ["all_pairs"]

_NOTHING = np.zeros(0)


def all_pairs(
    tree: JunctionTree, beliefs: Beliefs, wanted: Collection[Edge] | None = None
) -> dict[Edge, FloatArray]:
    """The counts of every pair (i, j), i < j, or of those that are `wanted`.

    For each node i a walk starts in a clique that holds it and carries the counts of i with each
    separator along the tree. In a clique without i, i is independent of the rest given the separator
    by which the walk came in, so each step multiplies by a conditional of that clique.
    """
    partners: dict[int, set[int]] = {}
    for first, second in itertools.combinations(range(len(tree.sizes)), 2) if wanted is None else wanted:
        partners.setdefault(first, set()).add(second)
    propagation = _Propagation(tree, beliefs)
    pairs: dict[Edge, FloatArray] = {}
    for node, others in partners.items():
        left = set(others)
        for clique, entry, carried in propagation.walk(node, left):
            for other in left & set(tree.cliques[clique]):
                pairs[node, other] = propagation.onward(node, clique, entry, carried, (other,))
                left.discard(other)
    return pairs


class _Propagation:
    """Walks through one tree that share their conditionals."""

    def __init__(self, tree: JunctionTree, beliefs: Beliefs) -> None:
        self._tree = tree
        self._beliefs = beliefs
        self._conditionals: dict[tuple[int, tuple[int, ...], tuple[int, ...]], FloatArray] = {}
        self._sides: dict[tuple[int, int], frozenset[int]] = {}
        self._links: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in tree.cliques]
        for child, (parent, separator) in enumerate(zip(tree.parents, tree.separators, strict=True)):
            if parent >= 0:
                self._links[child].append((parent, separator))
                self._links[parent].append((child, separator))

    def walk(self, node: int, wanted: Set[int]) -> Iterator[tuple[int, tuple[int, ...], FloatArray]]:
        """Each clique, the separator by which the walk enters it, and the counts of (node, separator).

        Branches that hold none of the nodes `wanted`, which may shrink on the way, are left out.
        """
        home = self._tree.home((node,)) or 0
        ahead: list[tuple[int, int, tuple[int, ...], FloatArray]] = [(home, -1, (), _NOTHING)]
        while ahead:
            clique, before, entry, carried = ahead.pop()
            yield clique, entry, carried
            for other, separator in self._links[clique]:
                if other != before and wanted & self._beyond(clique, other):
                    onward = self.onward(node, clique, entry, carried, separator)
                    ahead.append((other, clique, separator, onward))

    def _beyond(self, clique: int, other: int) -> frozenset[int]:
        """The nodes on the side of `other`, seen from its neighbour `clique`."""
        if (clique, other) not in self._sides:
            found = frozenset(self._tree.cliques[other])
            for further, _ in self._links[other]:
                if further != clique:
                    found |= self._beyond(other, further)
            self._sides[clique, other] = found
        return self._sides[clique, other]

    def onward(
        self, node: int, clique: int, entry: tuple[int, ...], carried: FloatArray, wanted: tuple[int, ...]
    ) -> FloatArray:
        """The counts of (node, wanted) for `wanted` within `clique`.

        Nothing is carried into a clique that holds `node` itself: its own table says all.
        """
        tree = self._tree
        if node in wanted:
            return _NOTHING
        if node in tree.cliques[clique]:
            return sum_to(self._beliefs[clique], tree.cliques[clique], (node, *wanted))
        kept = tuple(other for other in entry if other in wanted)
        lost = tuple(other for other in entry if other not in wanted)
        fresh = tuple(other for other in wanted if other not in entry)
        conditional = self._conditional(clique, entry, wanted, (kept, lost, fresh))
        axes = [1 + entry.index(other) for other in (*kept, *lost)]
        arriving = carried.transpose([*axes[: len(kept)], 0, *axes[len(kept) :]])
        arriving = arriving.reshape(len(conditional), tree.sizes[node], -1)
        joint: FloatArray = (arriving @ conditional).transpose(1, 0, 2)
        order = (*kept, *fresh)
        joint = joint.reshape(tree.sizes[node], *tree.shape(order))
        return joint.transpose([0, *(1 + order.index(other) for other in wanted)])

    def _conditional(
        self,
        clique: int,
        entry: tuple[int, ...],
        wanted: tuple[int, ...],
        parts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    ) -> FloatArray:
        """P(fresh | kept, lost) as a table of three axes (kept, lost, fresh)."""
        key = (clique, entry, wanted)
        if key not in self._conditionals:
            joint = sum_to(self._beliefs[clique], self._tree.cliques[clique], sum(parts, ()))
            shape = [math.prod(self._tree.shape(part)) for part in parts]
            joint = joint.reshape(shape)
            given = np.broadcast_to(joint.sum(axis=2, keepdims=True), joint.shape)
            self._conditionals[key] = ratio(joint, given)
        return self._conditionals[key]
