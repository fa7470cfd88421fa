"""Rows from a distribution: whole numbers of rows for each cell, right in expectation, and evenly dealt.

*Systematic rounding.* A group of n rows gets codes with probabilities p. With one uniform number u for
the group, code k receives the integers in [n P(k-1) - u, n P(k) - u), P being the cumulated
probabilities. Its count is n p(k) on average and differs from that by less than one.

*No invented correlation* (pitfall U05). The codes that came out of the rounding, in ascending order, are
dealt to the rows of their group along a lattice: the i-th row takes place (s + i m) mod n. The shift s is
uniform and drawn afresh for each group and column, so every row has every code with its probability,
whatever codes it has already: columns are independent given their group.

*Low discrepancy.* The step m is near n times a number whose continued fraction ends in ones (like that of
the golden ratio) and has no common factor with n. Then any run of consecutive rows takes its places almost
evenly (Niederreiter, 1992). Rows of a group stand in the order of the columns drawn last, so those who share
a code there are such a run: the pair of that column and the new one is off by much less than by chance,
though nothing ties the two. Neither does the rest come out worse: measured on pairs, triples and quadruples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dpsynth._compiled import kernel

__all__ = ["Codes", "Numbers", "RowSampler", "deal", "sample_network", "sample_tree", "whole_counts"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]
Codes = np.ndarray[Any, np.dtype[np.int32]]
Numbers = np.ndarray[Any, Any]

_GOLDEN = (np.sqrt(5.0) - 1) / 2
_COMPILED_ROWS = 2**17


class RowSampler:
    """Gives rows their codes, one column after another.

    The rows are numbered at random from the start, so that none of the orders in here shows in the result.

    Args:
        rows: How many rows.
        rng: Source of the draws.
    """

    def __init__(self, rows: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._order = rng.permutation(np.arange(rows, dtype=np.int32 if rows < 2**31 else np.int64))

    def draw(self, groups: Numbers, probabilities: FloatArray) -> Numbers:
        """A code for each row.

        Args:
            groups: For each row the number of its group.
            probabilities: For each group those of the codes; not negative, with a sum of one.
        """
        many, width = probabilities.shape
        sizes = np.bincount(groups, minlength=many)
        counts = whole_counts(probabilities, sizes, self._rng)
        codes = np.empty(len(groups), _narrow(width))
        groups = np.ascontiguousarray(groups, _narrow(many))
        step = deal.form(worthwhile=len(groups) > _COMPILED_ROWS)
        self._order = step(self._order, groups, counts, _lattices(sizes, self._rng), codes)
        return codes


def whole_counts(probabilities: FloatArray, sizes: IntArray, rng: np.random.Generator) -> IntArray:
    """How many rows of each group get each code: whole numbers with the sums `sizes`.

    Args:
        probabilities: One row for each group, not negative, each with a sum of one.
        sizes: How many rows each group has.
        rng: Draws one number for each group.
    """
    cumulated = np.cumsum(probabilities, axis=1)
    edges = np.ceil(cumulated * sizes[:, None] - rng.random(len(probabilities))[:, None])
    # The last code that is possible takes what rounding left over: it is not always the last code.
    edges = np.where(cumulated == cumulated[:, -1:], sizes[:, None], edges)
    counts: IntArray = np.clip(edges, 0, sizes[:, None]).astype(np.int64)
    counts[:, 1:] -= counts[:, :-1].copy()
    return counts


def _lattices(sizes: IntArray, rng: np.random.Generator) -> IntArray:
    """For each group a first place, uniform, and a step of low discrepancy that reaches all places."""
    places = np.maximum(sizes, 1)
    ratios = np.full(len(sizes), _GOLDEN)
    for term in rng.integers(1, 4, (2, len(sizes))):
        ratios = 1 / (term + ratios)
    steps = np.rint(ratios * places).astype(np.int64)
    while (short := np.gcd(steps, places) > 1).any():
        steps[short] += 1
    return np.stack([rng.integers(0, places), steps % places], axis=1)


def _narrow(bound: int) -> type[np.uint16] | type[np.int64]:
    """A type for numbers below `bound`: two choices, so that a kernel is compiled for few types."""
    return np.uint16 if bound <= 2**16 else np.int64


def _deal_in_numpy(
    order: Numbers, groups: Numbers, counts: IntArray, lattices: IntArray, codes: Numbers
) -> Numbers:
    (many, width), sizes = counts.shape, counts.sum(axis=1)
    starts = np.cumsum(sizes) - sizes
    here = groups[order].astype(np.int64)
    seen = np.empty(len(order), np.int64)
    seen[_stable_order(here, many)] = np.arange(len(order)) - np.repeat(starts, sizes)
    places = starts[here] + (lattices[here, 0] + seen * lattices[here, 1]) % sizes[here]
    cells = np.repeat(np.arange(counts.size), counts.ravel())[places]
    codes[order] = cells % width
    return order[_stable_order(cells, counts.size)]


def _stable_order(keys: IntArray, bound: int) -> IntArray:
    """The places of ascending keys. Numpy sorts narrow ones by radix."""
    return np.argsort(keys.astype(_narrow(bound)), kind="stable")


@kernel(vectorised=_deal_in_numpy)
def deal(order: Numbers, groups: Numbers, counts: IntArray, lattices: IntArray, codes: Numbers) -> Numbers:
    """Deal codes to the rows of each group along its lattice.

    Args:
        order: The numbers of the rows in the order in which they are served.
        groups: The group of each row.
        counts: For each group how many of its rows get each code.
        lattices: For each group the place of the row that is served first, and how far the next one is on.
        codes: Where the code of each row goes.

    Returns:
        The rows by group, by code, and then in `order`.
    """
    many, width = counts.shape
    ascending = np.empty_like(codes)
    begins = np.empty(counts.size, np.int64)
    walks = np.empty((many, 4), np.int64)
    start = end = 0
    for group in range(many):
        for code in range(width):
            begins[group * width + code] = end
            for _ in range(counts[group, code]):
                ascending[end] = code
                end += 1
        walks[group, 0] = start + lattices[group, 0]
        walks[group, 1] = lattices[group, 1]
        walks[group, 2] = end
        walks[group, 3] = end - start
        start = end
    # One walk that did everything would take several times as long as these three: its stores would
    # wait for loads that miss the cache.
    cells = np.empty(order.size, np.int32)
    for i in range(order.size):
        here = np.int64(groups[order[i]])
        place = walks[here, 0]
        cells[i] = here * width + np.int64(ascending[place])
        place += walks[here, 1]
        walks[here, 0] = place - walks[here, 3] if place >= walks[here, 2] else place
    onward = np.empty_like(order)
    for i in range(order.size):
        onward[begins[cells[i]]] = order[i]
        begins[cells[i]] += 1
    for i in range(order.size):
        codes[onward[i]] = ascending[i]
    return onward


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
    sampler = RowSampler(rows, rng)
    codes: dict[str, Codes] = {}
    for name, parents in order:
        table = tables[name]
        groups = np.zeros(rows, np.int32)
        for parent, size in zip(parents, table.shape, strict=False):
            groups *= size
            groups += codes[parent]
        codes[name] = sampler.draw(groups, table.reshape(-1, table.shape[-1])).astype(np.int32)
    return codes
