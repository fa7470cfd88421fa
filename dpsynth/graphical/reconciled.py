"""Structural zeros in a fit: what they ask of a junction tree, and margins that do not contradict them.

Noisy margins, and those of private rows that break a constraint, need not be margins of any table with
the zeros. A fit that has to meet them would run away, so they are made consistent first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from dpsynth.graphical.calibration import Beliefs, Factors, NoisyTable, calibrated, marginal, refine
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_tree import Edge, JunctionTree, junction_tree
from dpsynth.graphical.zeros import AllowedTable

__all__ = ["constraint_edges", "evenly", "reconciled", "sliced", "zero_factors"]

_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)  # shorter and shorter steps end between margins that disagree
_SWEEPS = 30
_EVEN = 1e-6


def constraint_edges(tables: Iterable[AllowedTable]) -> list[Edge]:
    """The pairs of columns that share a table, so that a clique of any triangulation holds each table."""
    return sorted({pair for table in tables for pair in itertools.combinations(sorted(table.nodes), 2)})


def zero_factors(tables: Iterable[AllowedTable]) -> Factors:
    """Tables of zeros and ones, by their nodes in ascending order."""
    factors: Factors = {}
    for table in tables:
        order = sorted(range(len(table.nodes)), key=table.nodes.__getitem__)
        nodes = tuple(table.nodes[axis] for axis in order)
        factors[nodes] = factors.get(nodes, 1.0) * table.allowed.transpose(order).astype(np.float64)
    return factors


def sliced(tables: Iterable[AllowedTable], node: int, code: int) -> tuple[AllowedTable, ...]:
    """What `tables` say about the rows that have `code` in column `node`."""
    return tuple(
        AllowedTable(
            nodes=tuple(other for other in table.nodes if other != node),
            allowed=np.asarray(table.allowed.take(code, axis=table.nodes.index(node)), dtype=bool),
        )
        if node in table.nodes
        else table
        for table in tables
    )


def evenly(sizes: Sequence[int], tables: Sequence[AllowedTable]) -> tuple[JunctionTree, Beliefs] | None:
    """Every combination that `tables` leave possible, equally likely; None if there is none.

    Args:
        sizes: Number of codes of each column.
        tables: Over the same codes.
    """
    tree = junction_tree(sizes, constraint_edges(tables))
    beliefs = calibrated(tree, zero_factors(tables), 1.0)
    return (tree, beliefs) if beliefs[0].sum() > 0 else None


def reconciled(
    margins: Sequence[FloatArray], tables: Sequence[AllowedTable]
) -> tuple[FloatArray, ...] | None:
    """The margins of a distribution that keeps the zeros, near those given; None if there is none.

    Columns in no table stay as they are. Entropic proximal steps from the independent columns, without
    what is impossible, end at such a distribution. A millionth of all that is possible, evenly, is mixed
    in: no possible code gets a zero.

    Args:
        margins: Counts of each column, all with one sum.
        tables: Over the same codes.
    """
    even = evenly([len(margin) for margin in margins], tables)
    if even is None:
        return None
    tree, possible = even
    total = float(margins[0].sum())
    nodes = sorted({node for table in tables for node in table.nodes})
    factors = zero_factors(tables)
    for node in nodes:
        start = np.maximum(margins[node] / total, _EVEN)
        factors[node,] = factors.get((node,), 1.0) * start
    beliefs = calibrated(tree, factors, total)
    for strength in _STRENGTHS:
        wanted = [NoisyTable(nodes=(n,), values=margins[n], variance=strength * total) for n in nodes]
        refine(tree, beliefs, wanted, factors, sweeps=_SWEEPS)
    found = list(margins)
    for node in nodes:
        own, every = marginal(tree, beliefs, (node,)), marginal(tree, possible, (node,))
        assert own is not None and every is not None  # every column is in a clique  # noqa: PT018, S101
        mixed = (1 - _EVEN) * own / own.sum() + _EVEN * every / every.sum()
        found[node] = mixed * (total / mixed.sum())
    return tuple(found)
