"""Rows from a tree: whole numbers of rows for each cell, right in expectation, no cell off by one or more.

*Systematic rounding.* A group of n rows gets codes with probabilities p. With one uniform number u for
the group, code k receives the integers in [n P(k-1) - u, n P(k) - u), P being the cumulated
probabilities. Its count is n p(k) on average and differs from that by less than one.

*No invented correlation* (pitfall U05). Codes come out of the rounding in ascending order. They are
dealt to the rows of their group in an order that is drawn afresh for every column, so two children of
one parent are independent given the parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["Codes", "deal", "grouped_order", "sample_network", "sample_tree"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
Codes = np.ndarray[Any, np.dtype[np.int32]]


def deal(probabilities: FloatArray, sizes: np.ndarray[Any, Any], rng: np.random.Generator) -> Codes:
    """Codes for consecutive groups of rows, ascending inside each group.

    Args:
        probabilities: One row for each group, not negative, each with a sum of one.
        sizes: How many rows each group has.
        rng: Draws one number for each group.
    """
    groups, width = probabilities.shape
    cumulated = np.cumsum(probabilities, axis=1)
    edges = np.ceil(cumulated * sizes[:, None] - rng.random(groups)[:, None])
    # The last code that is possible takes what rounding left over: it is not always the last code.
    edges = np.where(cumulated == cumulated[:, -1:], sizes[:, None], edges)
    edges = np.clip(edges, 0, sizes[:, None]).astype(np.int64)
    counts = np.diff(edges, axis=1, prepend=0)
    return np.repeat(np.tile(np.arange(width, dtype=np.int32), groups), counts.ravel())


def sample_tree(
    order: Sequence[tuple[str, str | None]],
    tables: Mapping[str, FloatArray],
    rows: int,
    rng: np.random.Generator,
) -> dict[str, Codes]:
    """Ancestral sampling along a tree.

    Args:
        order: Columns with their parents, parents first.
        tables: For a root its distribution; for a child one distribution for each code of its parent.
        rows: How many rows.
        rng: Source of the draws.
    """
    network = [(name, () if parent is None else (parent,)) for name, parent in order]
    return sample_network(network, tables, rows, rng)


def sample_network(
    order: Sequence[tuple[str, tuple[str, ...]]],
    tables: Mapping[str, FloatArray],
    rows: int,
    rng: np.random.Generator,
) -> dict[str, Codes]:
    """Ancestral sampling along a network.

    Args:
        order: Columns with their parents, parents first.
        tables: For each column its distributions: one axis for each parent, then its own.
        rows: How many rows.
        rng: Source of the draws.
    """
    codes: dict[str, Codes] = {}
    for name, parents in order:
        table = tables[name]
        groups = np.zeros(rows, np.int64)
        for parent, size in zip(parents, table.shape, strict=False):
            groups = groups * size + codes[parent]
        table = table.reshape(-1, table.shape[-1])
        sizes = np.bincount(groups, minlength=len(table))
        drawn = np.empty(rows, np.int32)
        drawn[grouped_order(groups, rng)] = deal(table, sizes, rng)
        codes[name] = drawn
    return codes


def grouped_order(groups: np.ndarray[Any, Any], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """The row numbers, group after group, in random order inside each group."""
    shuffled = rng.permutation(len(groups))
    keys = groups[shuffled]
    if len(keys) and keys.max() < 2**16:
        keys = keys.astype(np.uint16)  # numpy sorts 16-bit keys by radix
    return shuffled[np.argsort(keys, kind="stable")]
