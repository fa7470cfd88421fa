"""Real and synthetic rows, read alike and cut into the same cells.

An evaluation compares tables that its caller holds. It is no release: what it finds about real rows is
confidential, and every result says so. Nothing here reaches a private table behind a session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from dpsynth import _validate
from dpsynth.errors import DataError
from dpsynth.schema.column import ModelledColumn
from dpsynth.schema.encode import read_values
from dpsynth.schema.numeric import NumericColumn
from dpsynth.schema.schema import Schema

__all__ = ["Cells", "CodeArray", "Rows", "Tables", "generator"]

CodeArray = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

_MOST_VALUES = 50
_MOST_CELLS = 32


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """One table.

    Attributes:
        readings: By column the numbers: values of numeric columns, seconds of dates, codes of categories;
            NaN where missing, infinity where a value is not of the declared kind.
        codes: Cells of all columns, an array of shape (rows, columns); 0 is missing.
    """

    readings: Mapping[str, Floats]
    codes: CodeArray

    def __len__(self) -> int:
        return len(self.codes)

    def in_order(self) -> Rows:
        """The same rows sorted by their values: draws and learners then depend on the rows alone."""
        return self.take(np.lexsort([*self.readings.values()]))

    def take(self, places: np.ndarray[Any, Any]) -> Rows:
        """Some rows, in the given order."""
        return Rows(
            readings={name: values[places] for name, values in self.readings.items()},
            codes=self.codes[places],
        )

    def independent(self, rows: int, rng: np.random.Generator) -> Rows:
        """Rows whose columns are drawn each by itself: every marginal right, every association lost."""
        places = rng.integers(0, len(self), (rows, self.codes.shape[1]))
        columns = range(self.codes.shape[1])
        codes = np.stack([self.codes[places[:, i], i] for i in columns], axis=1)
        drawn = {name: values[places[:, i]] for i, (name, values) in enumerate(self.readings.items())}
        return Rows(readings=drawn, codes=codes)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cells:
    """Into which cells a column is cut, fixed by the real rows.

    Attributes:
        edges: Cuts between cells of a column with many values, else None.
        values: The values that have a cell each, else None.
    """

    edges: Floats | None = None
    values: Floats | None = None

    @classmethod
    def of(cls, readings: Floats, *, numeric: bool) -> Cells:
        """At most 32 cells of equally many real rows where a number has more than 50 values."""
        values = np.unique(readings[np.isfinite(readings)])
        if not numeric or len(values) <= _MOST_VALUES:
            return cls(values=values)
        cuts = np.quantile(readings[np.isfinite(readings)], np.linspace(0, 1, _MOST_CELLS + 1))
        return cls(edges=np.unique(cuts)[1:-1])

    @property
    def size(self) -> int:
        """Codes: missing, the cells, and whatever has none."""
        if self.edges is not None:
            return len(self.edges) + 3
        return len(self.values if self.values is not None else ()) + 2

    def codes(self, readings: Floats) -> CodeArray:
        """0 where missing, the last code where a value has no cell."""
        known = ~np.isnan(readings)
        found = np.zeros(len(readings), np.int64)
        if self.edges is not None:
            found[known] = 1 + np.searchsorted(self.edges, readings[known], side="right")
            found[np.isinf(readings)] = self.size - 1
            return found
        values = np.array(self.values if self.values is not None else [])
        places = np.searchsorted(values, readings[known])
        here = np.append(values, np.nan)[places] == readings[known]
        found[known] = np.where(here, places + 1, self.size - 1)
        return found


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tables:
    """What is compared.

    Attributes:
        schema: Declares the columns; only those that it models are compared.
        columns: Their names, in the order of the codes.
        cells: How each is cut.
        real: Rows that the synthetic ones imitate.
        synthetic: The synthetic rows.
        holdout: Real rows that the generator has not seen, if there are any.
        seed: Of everything that an evaluation draws.
    """

    schema: Schema
    columns: tuple[str, ...]
    cells: tuple[Cells, ...]
    real: Rows
    synthetic: Rows
    holdout: Rows | None = None
    seed: int = 0

    @classmethod
    def read(
        cls,
        real: pd.DataFrame,
        synthetic: pd.DataFrame,
        schema: Schema,
        *,
        holdout: pd.DataFrame | None = None,
        seed: int = 0,
    ) -> Tables:
        """Read the tables. The frames are left as they are; in what order their rows come does not matter.

        Raises:
            DataError: A table has no rows, or lacks a column; names it and says what to do.
        """
        _validate.count("seed", seed, least=0)
        columns = schema.modelled
        frames = {"real": real, "synthetic": synthetic}
        if holdout is not None:
            frames["holdout"] = holdout
        tokens = schema.missing_values
        read = {name: _readings(name, frame, columns, tokens) for name, frame in frames.items()}
        cells = tuple(
            Cells.of(read["real"][column.name], numeric=isinstance(column, NumericColumn))
            for column in columns
        )
        rows = {name: _rows(readings, columns, cells) for name, readings in read.items()}
        names = tuple(column.name for column in columns)
        return cls(schema=schema, columns=names, cells=cells, seed=seed, **rows)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Codes of each column."""
        return tuple(one.size for one in self.cells)

    def numeric(self, name: str) -> bool:
        """Whether a column holds numbers or dates."""
        return isinstance(self.schema.column(name), NumericColumn)

    def place(self, name: str) -> int:
        """The position of a column.

        Raises:
            DataError: There is no such column among those that are compared.
        """
        if name not in self.columns:
            raise DataError(f"The schema models no column {name!r}. It models: {', '.join(self.columns)}.")
        return self.columns.index(name)

    def with_synthetic(self, rows: Rows) -> Tables:
        """The same with other rows in the place of the synthetic ones: for floors and ceilings."""
        return replace(self, synthetic=rows)

    def with_frame(self, synthetic: pd.DataFrame) -> Tables:
        """The same with another synthetic table, for whoever compares many with the same real rows.

        Raises:
            DataError: The table has no rows, or lacks a column.
        """
        columns = self.schema.modelled
        readings = _readings("synthetic", synthetic, columns, self.schema.missing_values)
        return self.with_synthetic(_rows(readings, columns, self.cells))

    def ceiling(self) -> Tables:
        """Two real samples: one of the size of the real table, one of that of the synthetic table.

        Both are drawn from the real rows with replacement, so they differ as two samples of one population.
        """
        rng = generator(self, "ceiling")
        real, size = self.real, len(self.real)
        first, second = (real.take(rng.integers(0, size, n)) for n in (size, len(self.synthetic)))
        return replace(self, real=first, synthetic=second)

    def floor(self) -> Tables:
        """The real rows beside independent columns, as many as there are synthetic rows."""
        rng = generator(self, "floor")
        return self.with_synthetic(self.real.independent(len(self.synthetic), rng))


def generator(tables: Tables, purpose: str) -> np.random.Generator:
    """A source of draws for one purpose, the same in every run of the seed."""
    return np.random.default_rng([tables.seed, *purpose.encode()])


def _rows(readings: Mapping[str, Floats], columns: Sequence[ModelledColumn], cells: Sequence[Cells]) -> Rows:
    codes = [one.codes(readings[column.name]) for one, column in zip(cells, columns, strict=True)]
    return Rows(readings=readings, codes=np.stack(codes, axis=1)).in_order()


def _readings(
    table: str, frame: pd.DataFrame, columns: Sequence[ModelledColumn], tokens: Sequence[str]
) -> dict[str, Floats]:
    if not len(frame):
        raise DataError(f"The {table} table has no rows, so there is nothing to compare.")
    lacking = [column.name for column in columns if column.name not in frame]
    if lacking:
        raise DataError(
            f"The {table} table lacks the columns {lacking}. Add them, or leave them out of the schema."
        )
    return {column.name: read_values(column, frame[column.name], tokens) for column in columns}
