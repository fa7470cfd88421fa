"""Which pairs a junction tree keeps, and the fit: post-processing of one release of all pairs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dpsynth.graphical.calibration import Beliefs, Factors, NoisyTable, calibrated, refine
from dpsynth.graphical.consistency import FloatArray, rake
from dpsynth.graphical.junction_tree import Edge, JunctionTree, grow, join_cliques, junction_tree
from dpsynth.graphical.low_rank import denoised
from dpsynth.graphical.pairs import all_pairs
from dpsynth.graphical.reconciled import constraint_edges, reconciled, sliced, zero_factors
from dpsynth.graphical.zeros import AllowedTable, BoolArray

__all__ = ["Layer", "NoisyPairs", "fit_junction_tree", "stacked", "target_tables", "with_zeros"]

NoisyPairs = Mapping[Edge, tuple[FloatArray, float]]
"""For pairs (i, j), i < j: noisy counts and the standard deviation of a cell."""

_AT_A_TIME = 6
_ATTEMPTS = 40
_SIGNIFICANT = 2.0
_THRIFT = 0.5
_SWEEPS_BETWEEN = 4
_LAST_SWEEPS = 15
_LEAST = 1e-8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Layer:
    """What is known about the rows of one class, or about all rows.

    Attributes:
        margins: Counts of each node, all with one sum; the model meets them.
        pairs: Noisy counts of pairs.
        zeros: Combinations that no row has. Margins must not contradict them (see `reconciled`).
    """

    margins: tuple[FloatArray, ...]
    pairs: NoisyPairs
    zeros: tuple[AllowedTable, ...] = ()

    @property
    def total(self) -> float:
        """The number of rows."""
        return float(self.margins[0].sum())


def with_zeros(
    layers: Sequence[Layer], tables: Sequence[AllowedTable], *, classes: int | None
) -> tuple[list[Layer], BoolArray]:
    """The layers with their structural zeros, and which of them can have rows.

    Args:
        layers: The classes.
        tables: Over all columns, buckets as in `layers` and one for each class.
        classes: The column whose codes are the classes; None if there is one layer of all rows.

    Returns:
        Layers whose margins agree with the zeros. One that can have no rows is as it was.
    """
    found = []
    possible = np.ones(len(layers), dtype=bool)
    for c, layer in enumerate(layers):
        own = tuple(tables) if classes is None else sliced(tables, classes, c)
        margins = reconciled(layer.margins, own) if own else layer.margins
        possible[c] = margins is not None
        found.append(layer if margins is None else replace(layer, margins=margins, zeros=own))
    return found, possible


class _Fit:
    """One layer while the tree grows."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        bound = {node for table in layer.zeros for node in table.nodes}
        self.margins = [
            margin if node in bound else _positive(margin) for node, margin in enumerate(layer.margins)
        ]
        self.factors: Factors = {(node,): margin / margin.max() for node, margin in enumerate(self.margins)}
        # Every step of the fit multiplies, so what is zero at first is zero in the end.
        for nodes, factor in zero_factors(layer.zeros).items():
            self.factors[nodes] = self.factors.get(nodes, 1.0) * factor
        self.beliefs: Beliefs = []

    def settle(self, tree: JunctionTree) -> None:
        self.beliefs = calibrated(tree, self.factors, self.layer.total)

    def refine(self, tree: JunctionTree, edges: Sequence[Edge], *, sweeps: int) -> None:
        """The measured pairs, then the margins, so that these are met."""
        total = self.layer.total
        fitting = [
            NoisyTable(nodes=pair, values=noisy, variance=_strength(sigma, total))
            for pair, (noisy, sigma) in self.layer.pairs.items()
            if pair in edges
        ]
        exact = [NoisyTable(nodes=(i,), values=margin, variance=0.0) for i, margin in enumerate(self.margins)]
        refine(tree, self.beliefs, [*fitting, *exact], self.factors, sweeps=sweeps)


def fit_junction_tree(layers: Sequence[Layer], *, limit: int) -> tuple[JunctionTree, list[Beliefs]]:
    """Add the pairs that the model misses most, a few at a time, and fit in between.

    Args:
        layers: The classes; they share one tree, and the columns of their zeros.
        limit: Bound on the cells of all cliques of all layers together.
    """
    fits = [_Fit(layer) for layer in layers]
    sizes = [len(margin) for margin in layers[0].margins]
    edges = constraint_edges(next((layer.zeros for layer in layers if layer.zeros), ()))
    refused: set[Edge] = set()
    room = limit // len(fits)
    at_a_time = max(_AT_A_TIME, len(sizes) // 6)
    tree = junction_tree(sizes, edges)
    for fit in fits:
        fit.settle(tree)
    while True:
        ranked = _ranked(tree, fits, edges, refused)
        chosen = grow(sizes, edges, ranked, limit=room, most=at_a_time, attempts=_ATTEMPTS, refused=refused)
        edges += chosen
        if chosen:
            tree = junction_tree(sizes, edges)
            for fit in fits:
                fit.settle(tree)
                fit.refine(tree, edges, sweeps=_SWEEPS_BETWEEN)
            continue
        # Pairs that were not chosen, but lie in a clique, are not in the way of another tree any more.
        edges = [pair for pair in layers[0].pairs if tree.home(pair) is not None]
        for fit in fits:
            fit.refine(tree, edges, sweeps=_LAST_SWEEPS)
            fit.refine(tree, (), sweeps=_SWEEPS_BETWEEN)
        return tree, [fit.beliefs for fit in fits]


def target_tables(
    tree: JunctionTree, beliefs: Sequence[Beliefs], layers: Sequence[Layer]
) -> list[dict[Edge, FloatArray]]:
    """For each layer, what the counts of every measured pair should be.

    The mean of two estimates that take the noise out of all pairs together: one of what is added to
    independent columns, one of what is added to the fitted tree. The first knows nothing of the tree's
    mistakes, the second starts closer; what they have wrong differs. On Adult and the NIST excerpts their
    mean was better than each, at all noise levels that were tried; with much noise it need not be.
    With several layers there is a third: what is added to the association in all layers together.
    """
    fitted = [all_pairs(tree, own, layer.pairs) for own, layer in zip(beliefs, layers, strict=True)]
    noisy = [layer.pairs for layer in layers]
    possible = [
        {pair: table > 0 for pair, table in own.items()} if layer.zeros else {}
        for own, layer in zip(fitted, layers, strict=True)
    ]
    products = [_product(layer) for layer in layers]
    plain = [
        _met(own, layer, mask) if mask else own
        for own, layer, mask in zip(products, layers, possible, strict=True)
    ]
    starts = [plain, fitted]
    if len(layers) > 1:
        pooled = _pooled(layers)
        whole = {pair: np.sum([own[pair] for own in fitted], axis=0) for pair in fitted[0]}
        common = _met(
            _mean([denoised([pooled.pairs], [start])[0] for start in (_product(pooled), whole)]), pooled
        )
        starts.append([_met(common, layer, mask) for layer, mask in zip(layers, possible, strict=True)])
    estimates = [denoised(noisy, expected) for expected in starts]
    return [
        _met(_mean([estimate[number] for estimate in estimates]), layer, possible[number])
        for number, layer in enumerate(layers)
    ]


def _product(layer: Layer) -> dict[Edge, FloatArray]:
    """The measured pairs if all columns were independent."""
    return {(i, j): np.outer(layer.margins[i], layer.margins[j]) / layer.total for i, j in layer.pairs}


def _mean(estimates: Sequence[Mapping[Edge, FloatArray]]) -> dict[Edge, FloatArray]:
    return {pair: np.mean([estimate[pair] for estimate in estimates], axis=0) for pair in estimates[0]}


def _met(
    tables: Mapping[Edge, FloatArray], layer: Layer, possible: Mapping[Edge, BoolArray] | None = None
) -> dict[Edge, FloatArray]:
    """Not negative, with the margins of the layer, and zero where nothing is `possible`."""
    masks = possible or {}
    return {
        (i, j): rake(np.maximum(table, 0.0), layer.margins[i], layer.margins[j], allowed=masks.get((i, j)))
        for (i, j), table in tables.items()
    }


def _pooled(layers: Sequence[Layer]) -> Layer:
    """All classes together: their counts and the variances of their noise add up."""
    return Layer(
        margins=tuple(
            np.sum(margins, axis=0) for margins in zip(*(layer.margins for layer in layers), strict=True)
        ),
        pairs={
            pair: (
                np.sum([layer.pairs[pair][0] for layer in layers], axis=0),
                math.hypot(*(layer.pairs[pair][1] for layer in layers)),
            )
            for pair in layers[0].pairs
        },
    )


def _ranked(
    tree: JunctionTree, fits: Sequence[_Fit], edges: Sequence[Edge], refused: Collection[Edge]
) -> list[Edge]:
    """The pairs that differ from the model by more than noise, the best first.

    The best has the largest difference for the root of its cells: a large table that joins the tree
    leaves less room for all others.
    """
    surplus: dict[Edge, float] = {}
    known = {*edges, *refused}
    candidates = [pair for pair in fits[0].layer.pairs if pair not in known]
    for fit in fits:
        expected = all_pairs(tree, fit.beliefs, candidates)
        for pair in candidates:
            noisy, sigma = fit.layer.pairs[pair]
            gain = _surplus(noisy, sigma, expected[pair]) / math.pow(noisy.size, _THRIFT)
            surplus[pair] = surplus.get(pair, 0.0) + max(gain, 0.0)
    return sorted((pair for pair in surplus if surplus[pair] > 0), key=lambda pair: -surplus[pair])


def _surplus(noisy: FloatArray, sigma: float, expected: FloatArray) -> float:
    """The L1 distance beyond what noise explains: its mean and two standard deviations."""
    noise = sigma * math.sqrt(2 / math.pi) * noisy.size
    deviation = sigma * math.sqrt((1 - 2 / math.pi) * noisy.size)
    return float(np.abs(noisy - expected).sum()) - noise - _SIGNIFICANT * deviation


def _strength(sigma: float, total: float) -> float:
    """The noise variance, but at most the number of rows: noisier tables still have a say.

    With fewer rows than sigma that say would be all of the noise.
    """
    return min(sigma**2, max(total, sigma))


def _positive(margin: FloatArray) -> FloatArray:
    """No code is impossible: a margin that is met exactly would rule it out for all later answers."""
    floored = np.maximum(margin, _LEAST * margin.sum())
    scaled: FloatArray = floored * (margin.sum() / floored.sum())
    return scaled


def stacked(tree: JunctionTree, beliefs: Sequence[Beliefs], node: int) -> tuple[JunctionTree, Beliefs]:
    """One tree over all nodes from the layers of the classes of `node`.

    Args:
        tree: The tree of the layers, in which `node` has one code.
        beliefs: For each class the counts of its rows.
        node: Joins every clique, with one code for each layer.
    """
    sizes = [len(beliefs) if i == node else size for i, size in enumerate(tree.sizes)]
    rest = {clique for clique in tree.cliques if clique != (node,)} or {(node,)}
    joined = {tuple(sorted({*clique, node})): clique for clique in tree.cliques if clique in rest}
    whole = join_cliques(sizes, list(joined))
    tables = []
    for clique in whole.cliques:
        at = tree.cliques.index(joined[clique])
        axis = clique.index(node)
        shape = tuple(1 if i == node else tree.sizes[i] for i in clique)
        tables.append(np.concatenate([own[at].reshape(shape) for own in beliefs], axis=axis))
    return whole, tables
