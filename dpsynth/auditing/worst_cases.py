"""Small made-up tables on which a mechanism shows as much of one row as it can.

How far two neighbours can be told apart is a matter of the worst pair of tables, so an audit brings its own:
a few columns of two or three codes, few rows, and one row that the neighbour lacks. No private table is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms.base import CodedColumn, IntArray
from dpsynth.privacy.unit import Unit
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable

__all__ = ["Crowd", "MadeUp", "Neighbours", "alone", "balanced", "crowd", "empty_like", "skewed"]

Row = tuple[int, ...]

_ROW = Unit()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MadeUp:
    """A made-up table whose exact counts the auditor knows, by own arithmetic and not by that of the session.

    Attributes:
        sizes: For each column the number of its codes.
        rows: Codes, one column each.
        unit: What neighbours are.
    """

    sizes: tuple[int, ...]
    rows: IntArray
    unit: Unit = _ROW
    _counted: dict[tuple[CodedColumn, ...], IntArray] = field(default_factory=dict, init=False, repr=False)
    _loaded: list[PrivateTable] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.rows.shape != (len(self.rows), len(self.sizes)):
            raise ConfigurationError("Expected rows with one code for each column.")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(f"c{place}" for place in range(len(self.sizes)))

    @property
    def schema(self) -> Schema:
        """What the table may hold: every code of a column is the category of its number."""
        columns = tuple(
            Categorical(
                name=name,
                categories=tuple(f"{code:04d}" for code in range(size)),
                required=True,
                out_of_domain="drop",
            )
            for name, size in zip(self.names, self.sizes, strict=True)
        )
        return Schema(name="made up", columns=columns, unit=self.unit)

    @property
    def table(self) -> PrivateTable:
        """The table as a session takes it; encoded once."""
        if not self._loaded:
            texts = [[f"{code:04d}" for code in column] for column in self.rows.T]
            frame = pd.DataFrame(dict(zip(self.names, texts, strict=True)), dtype="str")
            self._loaded.append(PrivateTable.load(frame, self.schema))
        return self._loaded[0]

    def counts(self, counted: tuple[CodedColumn, ...]) -> IntArray:
        """How many rows have each combination of codes, or of buckets of codes, flat in C order."""
        if counted not in self._counted:
            places, cells = self.places(self.rows, counted)
            self._counted[counted] = np.bincount(places, minlength=cells).astype(np.int64)
        return self._counted[counted]

    def places(self, rows: IntArray, counted: tuple[CodedColumn, ...]) -> tuple[IntArray, int]:
        """For each of some rows the cell in which it counts, and the number of cells."""
        cells, place = 1, np.zeros(len(rows), np.int64)
        for name, group in counted:
            column = self.names.index(name)
            buckets = np.arange(self.sizes[column]) if group is None else np.array(group)
            size = int(buckets.max()) + 1
            cells, place = cells * size, place * size + buckets[rows[:, column]]
        return place, cells


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Neighbours:
    """Two tables that differ in one unit: one question to each release.

    Attributes:
        name: What makes them a worst case.
        without: The table that lacks the row, or has another in its place.
        present: The table with it.
    """

    name: str
    without: MadeUp
    present: MadeUp

    @property
    def questions(self) -> int:
        """How many rows the attacker guesses about."""
        return 1

    @property
    def base(self) -> MadeUp:
        """A table of the game."""
        return self.without

    def table(self, present: np.ndarray[Any, np.dtype[np.bool_]]) -> MadeUp:
        """One of the two."""
        return self.present if present[0] else self.without


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Crowd:
    """Several rows that may each be in or not: as many questions to one release.

    Attributes:
        name: What makes them a worst case.
        base: The table without any of them.
        rows: One for each question.
    """

    name: str
    base: MadeUp
    rows: IntArray
    _made: dict[bytes, MadeUp] = field(default_factory=dict, init=False, repr=False)

    @property
    def questions(self) -> int:
        """How many rows the attacker guesses about."""
        return len(self.rows)

    def table(self, present: np.ndarray[Any, np.dtype[np.bool_]]) -> MadeUp:
        """The table with the rows that are `present`. All of them are kept, encoded."""
        key = present.tobytes()
        if key not in self._made:
            rows = np.concatenate([self.base.rows, self.rows[present]])
            self._made[key] = MadeUp(sizes=self.base.sizes, rows=rows, unit=self.base.unit)
        return self._made[key]


def alone(unit: Unit = _ROW, *, columns: int = 3) -> Neighbours:
    """A row alone in every cell of every table of counts: no other row has any of its codes."""
    return _differing("a row alone in all its cells", [(0,) * columns] * 40, (1,) * columns, 3, unit)


def balanced(unit: Unit = _ROW) -> Neighbours:
    """Three columns that are pairwise dependent to the same degree: a choice among pairs hangs on one row.

    Two columns are equal and the third is their opposite. The row has equal codes everywhere: it strengthens
    one association and weakens the two others, and is alone in its cell of two of the three pairs.
    """
    rows = [(1, 1, 0)] * 200 + [(0, 0, 1)] * 200
    return _differing("three pairs that are dependent to the same degree", rows, (1, 1, 1), 2, unit)


def crowd(unit: Unit = _ROW, *, columns: int = 3, questions: int = 8) -> Crowd:
    """Rows that share no cell with each other, each in a crowd of its equals, so that no method merges them.

    Noise does not depend on what is counted: a row shows as much of itself in a crowd as alone.
    """
    codes = np.arange(questions, dtype=np.int64)
    rows = np.repeat(codes[:, None], columns, axis=1)
    base = MadeUp(sizes=(questions,) * columns, rows=np.repeat(rows, 100, axis=0), unit=unit)
    if unit.id_column is not None or unit.relation != "add_remove":
        raise ConfigurationError("Expected a unit that is one row, added or removed.")
    name = f"{questions} rows that share no cell, each by an independent fair coin"
    return Crowd(name=name, base=base, rows=rows)


def skewed(unit: Unit = _ROW) -> MadeUp:
    """Three columns with empty and full cells, whose pairs differ in how dependent they are."""
    rows = [(0, 0, 0)] * 60 + [(1, 1, 0)] * 40 + [(1, 1, 1)] * 20 + [(2, 2, 2)] * 15 + [(3, 0, 2)] * 5
    return MadeUp(sizes=(5, 5, 4), rows=np.array(rows, np.int64), unit=unit)


def _differing(name: str, rows: Sequence[Row], row: Row, codes: int, unit: Unit) -> Neighbours:
    """Add `row`, or put it in the place of a row that shares no code with it."""
    if unit.id_column is not None:
        raise ConfigurationError("Expected a unit that is one row: audits know no others.")
    other: list[Row] = [] if unit.relation == "add_remove" else [tuple((code + 1) % codes for code in row)]

    def made(all_rows: Sequence[Row]) -> MadeUp:
        return MadeUp(sizes=(codes,) * len(row), rows=np.array(all_rows, np.int64), unit=unit)

    return Neighbours(name=name, without=made([*rows, *other]), present=made([*rows, row]))


def empty_like(made: MadeUp) -> MadeUp:
    """No rows, the same schema."""
    return MadeUp(sizes=made.sizes, rows=np.zeros((0, len(made.sizes)), np.int64), unit=made.unit)
