"""Rows from a calibrated junction tree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from dpsynth.graphical.calibration import sum_to
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_tree import JunctionTree
from dpsynth.graphical.sampling import Numbers, RowSampler

__all__ = ["sample_cliques"]


def sample_cliques(
    tree: JunctionTree, beliefs: Sequence[FloatArray], rows: int, rng: np.random.Generator
) -> Numbers:
    """Ancestral sampling: clique after clique, what is new in it given what it shares with its parent.

    Args:
        tree: The cliques, parents first.
        beliefs: For each clique the table of its nodes, in any unit; parents and children agree.
        rows: How many rows.
        rng: Source of the draws.

    Returns:
        Codes of shape (rows, nodes), in C order.
    """
    sampler = RowSampler(rows, rng)
    drawn = np.zeros((len(tree.sizes), rows), np.min_scalar_type(max(tree.sizes, default=1) - 1))
    for clique, separator, belief in zip(tree.cliques, tree.separators, beliefs, strict=True):
        fresh = [node for node in clique if node not in separator]
        shape = tree.shape(fresh)
        table = sum_to(belief, clique, (*separator, *fresh)).reshape(-1, math.prod(shape))
        cells = sampler.draw(_fused(tree, separator, drawn), _shares(table))
        if len(fresh) == 1:
            drawn[fresh[0]] = cells
            continue
        for node, codes in zip(fresh, np.unravel_index(np.arange(table.shape[1]), shape), strict=True):
            drawn[node] = codes.astype(drawn.dtype)[cells]
    return drawn.T.astype(np.int32, order="C")


def _shares(table: FloatArray) -> FloatArray:
    """Distributions in proportion to the rows of `table`; uniform where a row is empty."""
    sums = table.sum(axis=1, keepdims=True)
    return np.where(sums > 0, table / np.where(sums > 0, sums, 1.0), 1 / table.shape[1])


def _fused(tree: JunctionTree, nodes: Iterable[int], drawn: Numbers) -> Numbers:
    """For each row one number for its codes of `nodes`, in C order."""
    fused = np.zeros(drawn.shape[1], np.int32)
    for node in nodes:
        fused *= tree.sizes[node]
        fused += drawn[node]
    return fused
