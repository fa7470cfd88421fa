"""From buckets back to codes, without the noise that drawing each code by itself would add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_tree import Edge
from dpsynth.graphical.polish import polish
from dpsynth.graphical.sampling import Codes, RowSampler

__all__ = ["BYTES", "Expansion", "parts"]

_MOST_CELLS = 2_000_000
BYTES = 24 * _MOST_CELLS
"""Of the tables that codes are exchanged for, and what is counted beside them."""

IndexArray = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Expansion:
    """What is inside the buckets of the columns.

    Attributes:
        buckets: For each column the bucket of each code.
        details: For each column the probability of each code within its bucket.
        fine: For each column a finer bucket of each code, none of which spans two buckets.
        refined: Probabilities of some pairs over the finer buckets. All other pairs are independent
            inside a combination of buckets.
    """

    buckets: tuple[IndexArray, ...]
    details: tuple[FloatArray, ...]
    fine: tuple[IndexArray, ...]
    refined: Mapping[Edge, FloatArray]

    def expand(
        self, drawn: Codes, targets: Mapping[Edge, FloatArray], rng: np.random.Generator, *, rounds: int
    ) -> Codes:
        """Codes for rows of buckets.

        Codes that are dealt at random differ from their pair probabilities by sampling noise; they are
        exchanged between rows of one bucket until the counts of pairs of codes are as they should be.

        Args:
            drawn: Buckets, one row for each record.
            targets: Wanted counts of pairs of columns, over buckets.
            rng: Source of the draws.
            rounds: Effort of the exchanges, as in `polish`.
        """
        shown = self._shown(targets)
        levels = {
            node: _Level.of(shown[node], self.buckets[node], detail)
            for node, detail in enumerate(self.details)
        }
        measured = {node for pair in targets for node in pair}
        exchanging = {node: levels[node].parents for node in measured if levels[node].finer}
        cells, sampler = np.empty_like(drawn), RowSampler(len(drawn), rng)
        for node, level in levels.items():
            cells[:, node] = parts(drawn[:, node], level.parents, level.shares, sampler)
        if exchanging:
            wanted = {pair: self._wanted(pair, table, levels) for pair, table in targets.items()}
            sizes = [len(level.parents) for level in levels.values()]
            polish(cells, sizes, wanted, rng, rounds=rounds, within=exchanging)
        for node, level in levels.items():
            if len(level.inside) > len(level.parents):
                cells[:, node] = parts(cells[:, node], shown[node], level.inside, sampler)
        return cells

    def pair(self, pair: Edge, table: FloatArray) -> FloatArray:
        """The counts of a pair over codes, from its counts over buckets."""
        levels = {
            node: _Level.of(np.arange(len(self.buckets[node])), self.buckets[node], self.details[node])
            for node in pair
        }
        return self._wanted(pair, table, levels)

    def _shown(self, targets: Mapping[Edge, FloatArray]) -> list[IndexArray]:
        """For each column the grouping of its codes on which pairs are matched: codes as long as they fit."""
        sizes = [len(own) for own in self.buckets]
        merged = [int(own.max()) + 1 for own in self.fine]

        def cells(limit: int) -> int:
            shape = [size if size <= limit else less for size, less in zip(sizes, merged, strict=True)]
            return sum(shape[i] * shape[j] for i, j in targets)

        finest = max((size for size in set(sizes) if cells(size) <= _MOST_CELLS), default=0)
        return [
            np.arange(size) if size <= finest else own for size, own in zip(sizes, self.fine, strict=True)
        ]

    def _wanted(self, pair: Edge, table: FloatArray, levels: Mapping[int, _Level]) -> FloatArray:
        """The counts of a pair on its levels, from its counts over buckets."""
        left, right = (levels[node] for node in pair)
        if pair not in self.refined:
            return left.spread(right.spread(table.T).T)
        finer = self.refined[pair]
        inner = [_Level.of(self.fine[node], self.buckets[node], self.details[node]) for node in pair]
        sums = np.zeros(table.shape)
        np.add.at(sums, np.ix_(inner[0].parents, inner[1].parents), finer)
        plain = inner[0].spread(inner[1].spread(table.T).T)
        scale = np.divide(table, sums, out=np.zeros(table.shape), where=sums > 0)
        places = np.ix_(inner[0].parents, inner[1].parents)
        matched = np.where(sums[places] > 0, finer * scale[places], plain)
        outer = [
            _Level.of(level.groups, self.fine[node], _within(self.fine[node], self.details[node]))
            for node, level in zip(pair, (left, right), strict=True)
        ]
        return outer[0].spread(outer[1].spread(matched.T).T)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Level:
    """A grouping of the codes of a column that is finer than its buckets, or the same.

    Attributes:
        groups: The group of each code.
        parents: The bucket of each group.
        shares: The probability of each group within its bucket.
        inside: The probability of each code within its group.
    """

    groups: IndexArray
    parents: IndexArray
    shares: FloatArray
    inside: FloatArray

    @classmethod
    def of(cls, groups: IndexArray, buckets: IndexArray, detail: FloatArray) -> _Level:
        """From the probability of each code within its bucket."""
        _, first = np.unique(groups, return_index=True)
        shares = np.bincount(groups, weights=detail).astype(np.float64)
        return cls(
            groups=groups,
            parents=buckets[first],
            shares=shares,
            inside=_within(groups, detail),
        )

    @property
    def finer(self) -> bool:
        """Whether some bucket has several groups."""
        return len(self.parents) > int(self.parents.max()) + 1

    def spread(self, table: FloatArray) -> FloatArray:
        """Divide the rows of a table over buckets among the groups."""
        return table[self.parents] * self.shares[:, None]


def _within(groups: IndexArray, detail: FloatArray) -> FloatArray:
    """The probability of each code within its group; even where its group has none."""
    sums = np.bincount(groups, weights=detail)[groups]
    sizes = np.bincount(groups)[groups]
    return np.where(sums > 0, detail / np.where(sums > 0, sums, 1.0), 1.0 / sizes)


def parts(drawn: np.ndarray[Any, Any], parents: IndexArray, shares: FloatArray, sampler: RowSampler) -> Codes:
    """A part for each whole.

    Args:
        drawn: For each row its whole.
        parents: For each part the whole that it belongs to.
        shares: For each part its probability within its whole, in any unit.
        sampler: Deals them out.
    """
    inside = (np.arange(int(parents.max()) + 1)[:, None] == parents) * shares
    sums = inside.sum(axis=1, keepdims=True)
    even = 1 / len(parents)  # of a whole that no row has
    return sampler.draw(drawn, np.where(sums > 0, inside / np.where(sums > 0, sums, 1.0), even)).astype(
        np.int32
    )
