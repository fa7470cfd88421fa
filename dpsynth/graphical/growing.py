"""A fitted junction tree that takes noisy tables one at a time, each fit starting from the last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from dpsynth.graphical.calibration import Beliefs, Factors, NoisyTable, calibrated, refine
from dpsynth.graphical.consistency import FloatArray, combine
from dpsynth.graphical.expectation import Expectation
from dpsynth.graphical.junction_tree import JunctionTree
from dpsynth.graphical.triangulation import Triangulation

__all__ = ["GrowingTree", "Nodes"]

Nodes = tuple[int, ...]
"""Two nodes or more, ascending."""

_LEAST = 1e-8
_LEAST_VARIANCE, _LEAST_DEVIATIONS = 0.25, 30.0


class GrowingTree:
    """Begins with independent nodes.

    However large the noise is against the number of rows, the beliefs stay distributions: finite, and
    positive in sum.

    Args:
        margins: Counts of each node, all with one sum; the model meets them.
        limit: Bound on the cells of all cliques together, those of the triangulation included.
    """

    def __init__(self, margins: Sequence[FloatArray], *, limit: int) -> None:
        self._margins = [_positive(margin) for margin in margins]
        self._total = float(self._margins[0].sum())
        self._noisy: dict[Nodes, tuple[FloatArray, float]] = {}
        self._triangulation = Triangulation([len(margin) for margin in margins], limit=limit)
        self._tree = self._triangulation.tree()
        self._begin()

    @property
    def total(self) -> float:
        """The number of rows."""
        return self._total

    @property
    def tree(self) -> JunctionTree:
        """The cliques."""
        return self._tree

    @property
    def beliefs(self) -> Beliefs:
        """Counts for each clique."""
        return self._beliefs

    @property
    def noisy(self) -> Mapping[Nodes, tuple[FloatArray, float]]:
        """What was added, with the standard deviation of a cell; what was added twice as a mean."""
        return self._noisy

    def admits(self, nodes: Nodes) -> bool:
        """Whether a tree with a clique that holds `nodes` stays within the limit."""
        return self._triangulation.admits(nodes)

    def expectation(self, sets: Iterable[Nodes] | None = None) -> Expectation:
        """What the model expects of `sets` of nodes, or of all pairs and larger sets."""
        return Expectation(self._tree, self._beliefs, sets)

    def add(self, nodes: Nodes, counts: FloatArray, sigma: float) -> None:
        """Take noisy counts of nodes that are admitted. Call `fit` afterwards."""
        if nodes in self._noisy:
            before, deviation = self._noisy[nodes]
            counts, variance = combine([(before, deviation**2), (counts, sigma**2)])
            sigma = variance**0.5
        self._noisy[nodes] = counts, sigma
        self._triangulation.add(nodes)
        if self._tree.home(nodes) is None:
            self._tree = self._triangulation.tree()
            with np.errstate(all="ignore"):
                self._beliefs = calibrated(self._tree, self._factors, self._total)
            if not self._sound():
                self._begin()

    def fit(self, *, sweeps: int, margins: Sequence[FloatArray] | None = None) -> None:
        """Pull the model towards all that was added; `margins` replace those to be met."""
        if margins is not None:
            self._margins = [_positive(margin) for margin in margins]
        for _ in range(2):
            with np.errstate(all="ignore"):
                refine(self._tree, self._beliefs, self._tables(), self._factors, sweeps=sweeps)
            if self._sound():
                return
            self._begin()

    def _begin(self) -> None:
        """Independent nodes, on the present tree."""
        self._factors: Factors = {(node,): margin / margin.max() for node, margin in enumerate(self._margins)}
        self._beliefs = calibrated(self._tree, self._factors, self._total)

    def _sound(self) -> bool:
        """Whether nothing overflowed or died out: many sweeps of mere noise multiply."""
        return all(bool(np.isfinite(belief).all()) and belief.sum() > 0 for belief in self._beliefs)

    def _tables(self) -> list[NoisyTable]:
        noisy = [
            NoisyTable(nodes=nodes, values=counts, variance=_doubt(sigma, self._total))
            for nodes, (counts, sigma) in self._noisy.items()
        ]
        exact = [
            NoisyTable(nodes=(node,), values=margin, variance=0.0)
            for node, margin in enumerate(self._margins)
        ]
        return [*noisy, *exact]


def _doubt(sigma: float, total: float) -> float:
    """The noise variance, but at most the number of rows: noisier tables still have a say.

    Their say is little where the noise is of the size of the table, because each sweep adds it once more.
    Nor is any table taken for exact: a fit that is pulled hard in two directions multiplies without end.
    """
    return max(min(sigma**2, max(total, _LEAST_DEVIATIONS * sigma)), _LEAST_VARIANCE)


def _positive(margin: FloatArray) -> FloatArray:
    """No code is impossible: a margin that is met exactly would rule it out for all later answers."""
    floored = np.maximum(margin, _LEAST * margin.sum())
    scaled: FloatArray = floored * (margin.sum() / floored.sum())
    return scaled
