"""Structural zeros for loops over rows: may this row take that code?

The layout is flat, so that a compiled loop needs nothing but arrays. A loop that looks at one row after
the other, such as the one that polishes, has these lines inside it, with `uses = rules.of(node)`:

    possible = True
    for u in range(uses.shape[0]):
        cell = uses[u, 0] + code * uses[u, 1]
        for k in range(2, uses.shape[1], 2):
            cell += codes[row, uses[u, k]] * uses[u, k + 1]
        possible = possible and allowed[cell]

It costs a few additions for each constraint of the column, and nothing for a column in none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth._compiled import kernel
from dpsynth.graphical.zeros import AllowedTable, BoolArray, IndexArray

__all__ = ["RowRules", "may_take"]

CodeArray = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RowRules:
    """All tables of structural zeros, flat.

    Attributes:
        allowed: The cells of all tables, one table after the other, each in C order.
        uses: One line for each column of each table, sorted by column: where the table starts in
            `allowed`, the stride of the column in it, then in turn another column of the table and its
            stride. Tables with fewer columns than the widest are filled up with zeros, which add nothing.
        first: The lines of column c are `first[c]` to `first[c + 1]`.
    """

    allowed: BoolArray
    uses: IndexArray
    first: IndexArray

    def __post_init__(self) -> None:
        for array in (self.allowed, self.uses, self.first):
            array.setflags(write=False)

    @classmethod
    def of_tables(cls, tables: Sequence[AllowedTable], columns: int) -> RowRules:
        """Lay out `tables` over a domain of so many columns."""
        width = 2 * max((len(table.nodes) for table in tables), default=1)
        lines: list[list[list[int]]] = [[] for _ in range(columns)]
        start = 0
        for table in tables:
            strides = [int(np.prod(table.allowed.shape[axis + 1 :])) for axis in range(table.allowed.ndim)]
            for node, own in zip(table.nodes, strides, strict=True):
                line = [start, own]
                for other, stride in zip(table.nodes, strides, strict=True):
                    line += [] if other == node else [other, stride]
                lines[node].append(line + [0] * (width - len(line)))
            start += table.allowed.size
        return cls(
            allowed=np.concatenate([np.zeros(0, bool), *(table.allowed.ravel() for table in tables)]),
            uses=np.array([line for found in lines for line in found], np.int64).reshape(-1, width),
            first=np.cumsum([0, *map(len, lines)], dtype=np.int64),
        )

    def of(self, node: int) -> IndexArray:
        """The lines of one column: empty if no table has it."""
        return self.uses[self.first[node] : self.first[node + 1]]

    def may_take(self, codes: CodeArray, node: int, rows: IndexArray, taken: CodeArray) -> BoolArray:
        """Whether each of `rows` may have the code `taken` in column `node`, all its other codes given."""
        uses = self.of(node)
        if not len(uses):
            return np.ones(len(rows), dtype=bool)
        return may_take(codes, rows, taken, self.allowed, uses)

    def may_exchange(self, codes: CodeArray, node: int, ours: IndexArray, theirs: IndexArray) -> BoolArray:
        """Whether rows may exchange their codes of column `node`, pair by pair."""
        own, foreign = codes[ours, node], codes[theirs, node]
        return self.may_take(codes, node, ours, foreign) & self.may_take(codes, node, theirs, own)


def _may_take_at_once(
    codes: CodeArray, rows: IndexArray, taken: CodeArray, allowed: BoolArray, uses: IndexArray
) -> BoolArray:
    possible = np.ones(len(rows), dtype=bool)
    for use in uses:
        cells = use[0] + taken * use[1]
        for other, stride in use[2:].reshape(-1, 2):
            cells = cells + codes[rows, other] * stride
        possible &= allowed[cells]
    return possible


@kernel(vectorised=_may_take_at_once)
def may_take(
    codes: CodeArray, rows: IndexArray, taken: CodeArray, allowed: BoolArray, uses: IndexArray
) -> BoolArray:
    """Whether each of `rows` may have the code `taken` in the column whose lines are `uses`."""
    possible = np.ones(rows.size, dtype=np.bool_)
    for i in range(rows.size):
        for u in range(uses.shape[0]):
            cell = uses[u, 0] + taken[i] * uses[u, 1]
            for k in range(2, uses.shape[1], 2):
                cell += codes[rows[i], uses[u, k]] * uses[u, k + 1]
            possible[i] = possible[i] and allowed[cell]
    return possible
