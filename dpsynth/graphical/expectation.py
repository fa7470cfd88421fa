"""What a calibrated junction tree expects of any set of nodes, in or out of its cliques."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import numpy as np

from dpsynth.graphical.calibration import Beliefs, marginal, ratio, spread, sum_to
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_tree import Edge, JunctionTree
from dpsynth.graphical.pairs import all_pairs
from dpsynth.graphical.spanning_tree import UnionFind

__all__ = ["Expectation"]


class Expectation:
    """The expected counts of sets of nodes, under one fit.

    Pairs are exact, and so is what one clique holds. A larger set outside is approximated by the
    distribution that is nearest, in relative entropy, to the model's among all trees over these nodes
    with the model's pairs (Chow and Liu, 1968): for three nodes P(a, b) P(b, c) / P(b), without the
    weakest pair. It is exact where the model has such a tree as its structure.

    Args:
        tree: The cliques.
        beliefs: Their counts, calibrated.
        sets: What will be asked for; None means anything.
    """

    def __init__(
        self, tree: JunctionTree, beliefs: Beliefs, sets: Iterable[tuple[int, ...]] | None = None
    ) -> None:
        self._tree = tree
        self._beliefs = beliefs
        wanted = (
            None if sets is None else {edge for nodes in sets for edge in itertools.combinations(nodes, 2)}
        )
        self._pairs = all_pairs(tree, beliefs, None if wanted is None else sorted(wanted))
        self._information: dict[Edge, float] = {}

    @property
    def pairs(self) -> Mapping[Edge, FloatArray]:
        """The counts of the pairs (i, j), i < j, of all that may be asked for."""
        return self._pairs

    def of(self, nodes: tuple[int, ...]) -> FloatArray:
        """The expected counts of two nodes or more, ascending; one axis for each."""
        if len(nodes) == 2:
            return self._pairs[nodes[0], nodes[1]]
        held = marginal(self._tree, self._beliefs, nodes)
        return self._chained(nodes) if held is None else held

    def _chained(self, nodes: tuple[int, ...]) -> FloatArray:
        joined = UnionFind(nodes)
        edges = sorted(itertools.combinations(nodes, 2), key=self._shared, reverse=True)
        kept = [edge for edge in edges if joined.join(*edge)]
        table: FloatArray = np.ones(())
        for edge in kept:
            table = table * spread(self._pairs[edge], edge, nodes)
        for node in nodes:
            ends = [edge for edge in kept if node in edge]
            margin = sum_to(self._pairs[ends[0]], ends[0], (node,))
            for _ in ends[1:]:
                table = table * spread(ratio(np.ones_like(margin), margin), (node,), nodes)
        return table

    def _shared(self, edge: Edge) -> float:
        """The mutual information of a pair, times the number of rows."""
        if edge not in self._information:
            joint = self._pairs[edge]
            product = np.outer(joint.sum(axis=1), joint.sum(axis=0)) / joint.sum()
            logarithm = np.log(ratio(joint, product), out=np.zeros_like(joint), where=joint > 0)
            self._information[edge] = float((joint * logarithm).sum())
        return self._information[edge]
