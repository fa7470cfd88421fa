"""A fitted junction tree that takes noisy pairs one at a time, each fit starting from the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dpsynth.graphical.calibration import Beliefs, Factors, NoisyTable, calibrated, refine
from dpsynth.graphical.consistency import FloatArray, combine
from dpsynth.graphical.junction_tree import Edge, JunctionTree, eliminate, junction_tree
from dpsynth.graphical.pairs import all_pairs

__all__ = ["GrowingTree"]

_LEAST = 1e-8


class GrowingTree:
    """Begins with independent nodes.

    Args:
        margins: Counts of each node, all with one sum; the model meets them.
        limit: Bound on the cells of all cliques together, those of the triangulation included.
    """

    def __init__(self, margins: Sequence[FloatArray], *, limit: int) -> None:
        margins = [_positive(margin) for margin in margins]
        self._sizes = [len(margin) for margin in margins]
        self._total = float(margins[0].sum())
        self._limit = limit
        self._factors: Factors = {(node,): margin / margin.max() for node, margin in enumerate(margins)}
        self._noisy: dict[Edge, tuple[FloatArray, float]] = {}
        self._margins = margins
        self._known: dict[Edge, bool] = {}
        self._tree = junction_tree(self._sizes, ())
        self._beliefs = calibrated(self._tree, self._factors, self._total)

    @property
    def tree(self) -> JunctionTree:
        """The cliques."""
        return self._tree

    @property
    def beliefs(self) -> Beliefs:
        """Counts for each clique."""
        return self._beliefs

    @property
    def noisy(self) -> Mapping[Edge, tuple[FloatArray, float]]:
        """What was added, with the standard deviation of a cell; a pair added twice as a mean."""
        return self._noisy

    def admits(self, pair: Edge) -> bool:
        """Whether a tree that holds `pair` stays within the limit. What was refused once stays out."""
        if self._tree.home(pair) is not None:
            return True
        if pair not in self._known:
            cliques = eliminate(self._sizes, [*self._noisy, pair], self._limit)
            self._known[pair] = cliques is not None
        return self._known[pair]

    def pairs(self) -> dict[Edge, FloatArray]:
        """The counts that the model expects, for every pair (i, j), i < j."""
        return all_pairs(self._tree, self._beliefs)

    def add(self, pair: Edge, counts: FloatArray, sigma: float) -> None:
        """Take noisy counts of a pair that is admitted. Call `fit` afterwards."""
        if pair in self._noisy:
            before, deviation = self._noisy[pair]
            counts, variance = combine([(before, deviation**2), (counts, sigma**2)])
            sigma = variance**0.5
        else:
            self._known = {other: fits for other, fits in self._known.items() if not fits}
        self._noisy[pair] = counts, sigma
        if self._tree.home(pair) is None:
            self._tree = junction_tree(self._sizes, list(self._noisy))
            self._beliefs = calibrated(self._tree, self._factors, self._total)

    def fit(self, *, sweeps: int, margins: Sequence[FloatArray] | None = None) -> None:
        """Pull the model towards all that was added; `margins` replace those to be met."""
        if margins is not None:
            self._margins = [_positive(margin) for margin in margins]
        exact = [
            NoisyTable(nodes=(node,), values=margin, variance=0.0)
            for node, margin in enumerate(self._margins)
        ]
        # Tables with more noise than there are rows still have a say, but not with all of that noise.
        noisy = [
            NoisyTable(nodes=pair, values=counts, variance=min(sigma**2, max(self._total, sigma)))
            for pair, (counts, sigma) in self._noisy.items()
        ]
        refine(self._tree, self._beliefs, [*noisy, *exact], self._factors, sweeps=sweeps)


def _positive(margin: FloatArray) -> FloatArray:
    """No code is impossible: a margin that is met exactly would rule it out for all later answers."""
    floored = np.maximum(margin, _LEAST * margin.sum())
    scaled: FloatArray = floored * (margin.sum() / floored.sum())
    return scaled
