"""Which pairs a junction tree keeps, and the fit: post-processing of one release of all pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from dpsynth.graphical.calibration import Beliefs, Factors, NoisyTable, calibrated, refine
from dpsynth.graphical.consistency import FloatArray, rake, shrink
from dpsynth.graphical.junction_tree import Edge, JunctionTree, grow, junction_tree
from dpsynth.graphical.pairs import all_pairs

__all__ = ["NoisyPairs", "fit_junction_tree", "target_tables"]

NoisyPairs = Mapping[Edge, tuple[FloatArray, float]]
"""For pairs (i, j), i < j: noisy counts and the standard deviation of a cell."""

_AT_A_TIME = 6
_ATTEMPTS = 40
_SIGNIFICANT = 3.0
_SWEEPS_BETWEEN = 4
_LAST_SWEEPS = 15


def fit_junction_tree(
    margins: Sequence[FloatArray], pairs: NoisyPairs, *, limit: int
) -> tuple[JunctionTree, Beliefs]:
    """Add the pairs that the model misses most, a few at a time, and fit in between.

    Args:
        margins: Counts of each node, all with one sum; the model meets them.
        pairs: Noisy counts of pairs.
        limit: Bound on the cells of all cliques together.
    """
    sizes, total = [len(margin) for margin in margins], float(margins[0].sum())
    factors: Factors = {(node,): margin / margin.max() for node, margin in enumerate(margins)}
    edges: list[Edge] = []
    tree = junction_tree(sizes, edges)
    beliefs = calibrated(tree, factors, total)
    while True:
        ranked = _ranked(all_pairs(tree, beliefs), pairs, edges)
        chosen = grow(sizes, edges, ranked, limit=limit, most=_AT_A_TIME, attempts=_ATTEMPTS)
        edges += chosen
        if chosen:
            tree = junction_tree(sizes, edges)
            beliefs = calibrated(tree, factors, total)
        if not chosen:
            # Pairs that were not chosen, but lie in a clique, are not in the way of another tree any more.
            edges = [pair for pair in pairs if tree.home(pair) is not None]
        tables = _tables(margins, {pair: pairs[pair] for pair in edges}, total)
        refine(tree, beliefs, tables, factors, sweeps=_SWEEPS_BETWEEN if chosen else _LAST_SWEEPS)
        if not chosen:
            refine(tree, beliefs, _tables(margins, {}, total), factors, sweeps=_SWEEPS_BETWEEN)
            return tree, beliefs


def target_tables(
    tree: JunctionTree, beliefs: Beliefs, margins: Sequence[FloatArray], pairs: NoisyPairs
) -> dict[Edge, FloatArray]:
    """What the counts of every measured pair should be.

    A pair that one clique holds was fitted there. Another one is the model's, tilted by its own noisy
    counts where these differ by more than noise would.
    """
    targets = {}
    for pair, expected in all_pairs(tree, beliefs).items():
        if pair not in pairs:
            continue
        noisy, sigma = pairs[pair]
        targets[pair] = expected
        if tree.home(pair) is None and _surplus(noisy, sigma, expected) > 0:
            tilted = shrink(noisy, expected, _strength(sigma, float(margins[0].sum())))
            targets[pair] = rake(tilted, margins[pair[0]], margins[pair[1]])
    return targets


def _ranked(expected: Mapping[Edge, FloatArray], pairs: NoisyPairs, edges: Sequence[Edge]) -> list[Edge]:
    """The pairs that differ from the model by more than noise, the largest difference first."""
    surplus = {
        pair: _surplus(noisy, sigma, expected[pair])
        for pair, (noisy, sigma) in pairs.items()
        if pair not in edges
    }
    return sorted((pair for pair in surplus if surplus[pair] > 0), key=lambda pair: -surplus[pair])


def _surplus(noisy: FloatArray, sigma: float, expected: FloatArray) -> float:
    """The L1 distance beyond what noise explains: its mean and three standard deviations."""
    noise = sigma * math.sqrt(2 / math.pi) * noisy.size
    deviation = sigma * math.sqrt((1 - 2 / math.pi) * noisy.size)
    return float(np.abs(noisy - expected).sum()) - noise - _SIGNIFICANT * deviation


def _tables(margins: Sequence[FloatArray], pairs: NoisyPairs, total: float) -> list[NoisyTable]:
    """The measured pairs, then the margins, so that these are met."""
    fitting = [
        NoisyTable(nodes=pair, values=noisy, variance=_strength(sigma, total))
        for pair, (noisy, sigma) in pairs.items()
    ]
    exact = [NoisyTable(nodes=(i,), values=margin, variance=0.0) for i, margin in enumerate(margins)]
    return [*fitting, *exact]


def _strength(sigma: float, total: float) -> float:
    """The noise variance, but at most the number of rows: noisier tables still have a say."""
    return min(sigma**2, total)
