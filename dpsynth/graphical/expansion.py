"""From buckets back to codes, without the noise that drawing each code by itself would add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_tree import Edge
from dpsynth.graphical.polish import polish
from dpsynth.graphical.sampling import Codes, deal, grouped_order

__all__ = ["expand"]

_MOST_CELLS = 4_000_000
"""Of the tables that codes are polished to: 64 megabytes with what is counted beside them."""

IndexArray = np.ndarray[Any, np.dtype[np.int64]]


def expand(
    drawn: Codes,
    buckets: Sequence[IndexArray],
    details: Sequence[FloatArray],
    targets: Mapping[Edge, FloatArray],
    rng: np.random.Generator,
    *,
    rounds: int,
) -> Codes:
    """Codes for rows of buckets.

    Inside a bucket the codes of a column are independent of everything else. Dealt at random, they would
    differ from that by sampling noise; codes are exchanged between rows of one bucket until the counts of
    pairs of codes are close to what independence says.

    Args:
        drawn: Buckets, one row for each record.
        buckets: For each column the bucket of each code.
        details: For each column the probability of each code within its bucket.
        targets: Wanted counts of pairs of columns, over buckets.
        rng: Source of the draws.
        rounds: Effort of the exchanges, as in `polish`.
    """
    sizes = [len(own) for own in buckets]
    numbers = [int(own.max()) + 1 for own in buckets]
    finest = _finest(sizes, numbers, targets)
    codes = np.empty_like(drawn)
    for node, (own, detail) in enumerate(zip(buckets, details, strict=True)):
        codes[:, node] = _dealt(drawn[:, node], own, detail, rng)
    fine = [size <= finest for size in sizes]
    shapes = [size if chosen else number for chosen, size, number in zip(fine, sizes, numbers, strict=True)]
    measured = {node for pair in targets for node in pair}
    exchanging = {node: buckets[node] for node in measured if fine[node] and sizes[node] > numbers[node]}
    if exchanging:
        shown = np.where(fine, codes, drawn).astype(np.int32)

        def spread(table: FloatArray, node: int) -> FloatArray:
            """The rows of `table`, over codes where the column shows them."""
            return table[buckets[node]] * details[node][:, None] if fine[node] else table

        wanted = {(i, j): spread(spread(table, i).T, j).T for (i, j), table in targets.items()}
        polish(shown, shapes, wanted, rng, rounds=rounds, within=exchanging)
        codes[:, fine] = shown[:, fine]
    return codes


def _finest(sizes: Sequence[int], numbers: Sequence[int], targets: Mapping[Edge, FloatArray]) -> int:
    """The largest size up to which columns can show their codes; larger ones show their buckets."""

    def cells(limit: int) -> int:
        shown = [size if size <= limit else number for size, number in zip(sizes, numbers, strict=True)]
        return sum(shown[i] * shown[j] for i, j in targets)

    return max((size for size in set(sizes) if cells(size) <= _MOST_CELLS), default=0)


def _dealt(drawn: Codes, buckets: IndexArray, detail: FloatArray, rng: np.random.Generator) -> Codes:
    """A code for each bucket, in random order inside the bucket."""
    inside = np.arange(int(buckets.max()) + 1)[:, None] == buckets
    counts = np.bincount(drawn, minlength=len(inside))
    codes = np.empty(len(drawn), np.int32)
    codes[grouped_order(drawn, rng)] = deal(inside * detail, counts, rng)
    return codes
