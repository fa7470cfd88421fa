"""Calibrated junction trees: fit noisy tables, read marginals, condition; all in the linear domain.

A tree is calibrated when neighbouring cliques agree on what they share; each clique then holds the
exact marginal of the whole distribution. Calibrated beliefs are the only state of a fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.graphical.consistency import FloatArray, shrink
from dpsynth.graphical.junction_tree import JunctionTree

__all__ = [
    "Beliefs",
    "Factors",
    "NoisyTable",
    "calibrated",
    "conditioned",
    "marginal",
    "ratio",
    "refine",
    "sum_to",
]

_TINY = float(np.finfo(np.float64).tiny)

Beliefs = list[FloatArray]
"""One table for each clique, axes in the order of its nodes."""

Factors = dict[tuple[int, ...], FloatArray]
"""A positive table for each measured set of nodes: the distribution is their product."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoisyTable:
    """What is known about the counts of some nodes.

    Attributes:
        nodes: The axes, ascending.
        values: Counts.
        variance: Noise variance of a cell; zero means that the counts must be met.
    """

    nodes: tuple[int, ...]
    values: FloatArray
    variance: float


def sum_to(table: FloatArray, nodes: Sequence[int], wanted: Sequence[int]) -> FloatArray:
    """Sum a table over `nodes` to the axes `wanted`, in that order."""
    kept = [node for node in nodes if node in wanted]
    summed: FloatArray = table.sum(axis=tuple(i for i, node in enumerate(nodes) if node not in wanted))
    return summed.transpose([kept.index(node) for node in wanted])


def spread(table: FloatArray, nodes: Sequence[int], target: Sequence[int]) -> FloatArray:
    """Turn a table over `nodes` (ascending) so that it broadcasts against one over `target`."""
    shape = iter(table.shape)
    return table.reshape([next(shape) if node in nodes else 1 for node in target])


def calibrated(tree: JunctionTree, factors: Mapping[tuple[int, ...], FloatArray], total: float) -> Beliefs:
    """Multiply `factors` into cliques that hold them and pass messages up and down; the sum is `total`."""
    beliefs = [np.ones(tree.shape(clique)) for clique in tree.cliques]
    for nodes, factor in factors.items():
        home = tree.home(nodes)
        if home is None:
            raise ValueError(f"No clique holds the nodes {nodes}.")
        beliefs[home] *= spread(factor, nodes, tree.cliques[home])
    separators = tree.separators
    upward: list[FloatArray] = [np.ones(())] * len(beliefs)
    for child in range(len(beliefs) - 1, 0, -1):
        parent = tree.parents[child]
        message = sum_to(beliefs[child], tree.cliques[child], separators[child])
        upward[child] = message / max(float(message.max()), _TINY)
        beliefs[parent] *= spread(upward[child], separators[child], tree.cliques[parent])
    beliefs[0] *= total / max(float(beliefs[0].sum()), _TINY)
    for child in range(1, len(beliefs)):
        parent = tree.parents[child]
        message = sum_to(beliefs[parent], tree.cliques[parent], separators[child])
        own = sum_to(beliefs[child], tree.cliques[child], separators[child])
        beliefs[child] *= spread(ratio(message, own), separators[child], tree.cliques[child])
    return beliefs


def refine(
    tree: JunctionTree, beliefs: Beliefs, tables: Sequence[NoisyTable], factors: Factors, *, sweeps: int
) -> None:
    """Entropic proximal sweeps: pull `beliefs` towards `tables`, in place, and keep count in `factors`.

    One step makes a marginal m of the model the solution of m + s log(m / before) = noisy, with s the
    noise variance: the minimiser of (m - noisy)^2 / 2 s + KL(m | before), by which the whole clique is
    scaled. A walk through the tree carries every change along, so each step starts from the exact
    marginal. Repeated, the steps are a proximal point method (Censor and Zenios, 1992) on the weighted
    squares; few sweeps stay close to the maximum-entropy start, which is what the noise asks for.
    """
    at_home: dict[int, list[NoisyTable]] = {}
    for table in tables:
        home = tree.home(table.nodes)
        if home is None:
            raise ValueError(f"No clique holds the nodes {table.nodes}.")
        at_home.setdefault(home, []).append(table)
    walk = _walk(tree)
    separators = tree.separators
    messages = [
        sum_to(belief, clique, separator)
        for belief, clique, separator in zip(beliefs, tree.cliques, separators, strict=True)
    ]
    for _ in range(sweeps):
        for here, came_from in walk:
            if came_from is not None:
                _carry(tree, beliefs, messages, separators, came_from, here)
            if came_from is None or tree.parents[here] == came_from:
                for table in at_home.get(here, []):
                    _step(tree.cliques[here], beliefs[here], table, factors)
    for child in range(1, len(beliefs)):
        _carry(tree, beliefs, messages, separators, tree.parents[child], child)


def marginal(tree: JunctionTree, beliefs: Beliefs, nodes: Sequence[int]) -> FloatArray | None:
    """The table over `nodes` if one clique holds them all."""
    home = tree.home(nodes)
    return None if home is None else sum_to(beliefs[home], tree.cliques[home], nodes)


def conditioned(
    tree: JunctionTree, beliefs: Sequence[FloatArray], given: Mapping[int, FloatArray]
) -> Beliefs | None:
    """The distribution given a weight for each code of some nodes; its sum is one. None if it has none."""
    factors = [np.array(belief, np.float64) for belief in beliefs]
    for node, weights in given.items():
        home = tree.home((node,)) or 0
        factors[home] *= spread(weights, (node,), tree.cliques[home])
    for child, separator in enumerate(tree.separators):
        if child:  # beliefs over separators: the product of these ratios is the distribution
            own = sum_to(beliefs[child], tree.cliques[child], separator)
            factors[child] *= spread(ratio(np.ones_like(own), own), separator, tree.cliques[child])
    beliefs = calibrated(tree, dict(zip(tree.cliques, factors, strict=True)), 1.0)
    return beliefs if beliefs[0].sum() > 0 else None


def ratio(wanted: FloatArray, present: FloatArray) -> FloatArray:
    """Cell by cell `wanted / present`; 0 where `present` is 0."""
    return np.divide(wanted, present, out=np.zeros(wanted.shape), where=present > 0)


def _walk(tree: JunctionTree) -> list[tuple[int, int | None]]:
    """Every edge of the tree down and up, from the root: (clique, the clique that the walk comes from)."""
    children: dict[int, list[int]] = {}
    for child, parent in enumerate(tree.parents):
        children.setdefault(parent, []).append(child)
    walk: list[tuple[int, int | None]] = [(0, None)]
    ahead: list[tuple[int, int]] = [(child, 0) for child in reversed(children.get(0, []))]
    while ahead:
        here, before = ahead.pop()
        walk.append((here, before))
        if tree.parents[here] == before:
            ahead.append((before, here))
            ahead += [(child, here) for child in reversed(children.get(here, []))]
    return walk


def _carry(
    tree: JunctionTree,
    beliefs: Beliefs,
    messages: list[FloatArray],
    separators: Sequence[tuple[int, ...]],
    start: int,
    end: int,
) -> None:
    """Make clique `end` agree with its neighbour `start`."""
    link = end if tree.parents[end] == start else start
    fresh = sum_to(beliefs[start], tree.cliques[start], separators[link])
    beliefs[end] *= spread(ratio(fresh, messages[link]), separators[link], tree.cliques[end])
    messages[link] = fresh


def _step(clique: tuple[int, ...], belief: FloatArray, table: NoisyTable, factors: Factors) -> None:
    before = sum_to(belief, clique, table.nodes)
    after = shrink(table.values, before, table.variance) if table.variance > 0 else table.values
    scale = ratio(after, before)
    # The number of rows is known better than the sum of one noisy table.
    scale *= before.sum() / max(float((scale * before).sum()), _TINY)
    belief *= spread(scale, table.nodes, clique)
    known = factors.get(table.nodes)
    factor = scale if known is None else known * scale
    factors[table.nodes] = factor / max(float(factor.max()), _TINY)
