"""Where the rows are. Nothing outside `session` may import this module (import-linter).

A `PrivateTable` is an empty shell: its content lives in a table that is keyed by the shell and known
to this module only. Python cannot stop a determined insider; this stops accidents, and makes a bypass
visible in review.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakKeyDictionary

import numpy as np

from dpsynth.errors import DataError, RawAccessError
from dpsynth.mechanisms.contribution import bounded_rows
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.mechanisms.partition import LabelledColumn
from dpsynth.schema.encode import encode_column, identity_codes, physical_kind_fits, read_labels, readable
from dpsynth.schema.layout import Domain
from dpsynth.session.reading import Source, read_raw

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dpsynth.schema.columns import ModelledColumn
    from dpsynth.schema.schema import Schema

__all__ = ["PrivateTable", "content_of"]


class PrivateTable:
    """A private table behind its schema. It answers to a `Session` only.

    Privacy: loading encodes each row by itself with the public schema, then keeps at most k rows of
    each unit, chosen at random (`Unit.contributions`). No data value can make loading fail, except
    that a column of which *nothing* can be read as its declared type is refused: that error goes to
    the owner of the data before anything is spent, and is no release.
    """

    __slots__ = ("__weakref__", "schema")

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    @classmethod
    def load(cls, source: Source, schema: Schema) -> PrivateTable:
        """Read and encode a table.

        Args:
            source: A path to a CSV, TSV, Parquet or Arrow file, or a pandas, polars or Arrow table.
            schema: What the table may hold. Columns that still need discovery are allowed.

        Raises:
            DataError: The columns do not match the schema, or a column cannot be of its declared
                type; the message names the column and the remedy.
        """
        raw = read_raw(source)
        _require_matching_columns(list(raw), schema)
        for column in schema.columns:
            physical_kind_fits(column, raw[column.name])
            if not readable(column, raw[column.name], schema.missing_values):
                raise DataError(
                    f"No value of column {column.name!r} can be read as {column.kind}. "
                    "Check the type that the schema declares, its format and its missing-value tokens."
                )
        table = cls(schema)
        _CONTENTS[table] = _bounded(raw, schema)
        return table

    def __repr__(self) -> str:
        return f"PrivateTable({len(self.schema.columns)} columns, rows private)"

    def _refuse(self, *_: object) -> NoReturn:
        raise RawAccessError("A private table shows nothing. Open a Session on it and measure.")

    __len__ = __iter__ = __getitem__ = __contains__ = __array__ = __copy__ = __deepcopy__ = _refuse
    __reduce__ = __reduce_ex__ = __dataframe__ = __arrow_c_stream__ = _refuse


@dataclass(frozen=True, kw_only=True, slots=True)
class _Content:
    raw: dict[str, pd.Series[Any]]
    units: np.ndarray[Any, np.dtype[np.int64]] | None
    missing_values: tuple[str, ...]
    latest: dict[tuple[ModelledColumn, ...], EncodedTable] = field(default_factory=dict)

    def labels(self, column: ModelledColumn) -> LabelledColumn:
        """The canonical texts of one column, for the mechanism that buys its categories."""
        texts = read_labels(column, self.raw[column.name], self.missing_values)
        return LabelledColumn(np.asarray(texts, dtype=object), self.units)

    def encode(self, columns: Sequence[ModelledColumn]) -> EncodedTable:
        """Encode with `columns`, row by row; rows that a column's rule drops are left out."""
        coded = {c.name: encode_column(c, self.raw[c.name], self.missing_values) for c in columns}
        rows = len(next(iter(self.raw.values())))
        kept = np.ones(rows, dtype=bool)
        for codes in coded.values():
            kept &= codes >= 0
        domain = Domain(columns=tuple(coded), sizes=tuple(column.size for column in columns))
        return EncodedTable(
            domain, {name: codes[kept] for name, codes in coded.items()}, rows=int(kept.sum())
        )

    def table(self, columns: tuple[ModelledColumn, ...]) -> EncodedTable:
        """The encoded table of a run. The latest is kept with all that it counted.

        Privacy: the code of a row follows from that row and `columns`, so a run on a kept table gives
            what it would give on a fresh one.
        """
        kept = self.latest.get(columns)
        if kept is None:
            kept = self.encode(columns)
            self.latest.clear()
            self.latest[columns] = kept
        return kept


_CONTENTS: WeakKeyDictionary[PrivateTable, _Content] = WeakKeyDictionary()


def content_of(table: PrivateTable) -> _Content:
    """The rows behind `table`. For `session` only."""
    return _CONTENTS[table]


def _require_matching_columns(found: list[str], schema: Schema) -> None:
    lacking = [name for name in schema.names if name not in found]
    if lacking:
        raise DataError(
            f"The schema declares columns that the table lacks: {lacking}. "
            "Remove them from the schema, or correct their names."
        )
    extra = [name for name in found if name not in schema.names]
    if extra:
        raise DataError(
            f"The table has columns that the schema does not declare: {extra}. "
            'Declare them; to leave one out, declare it as text with the rule "drop".'
        )


def _bounded(raw: dict[str, pd.Series[Any]], schema: Schema) -> _Content:
    """Keep at most k rows of each unit, a uniformly random choice made for each unit by itself."""
    if schema.unit.id_column is None:
        return _Content(raw=raw, units=None, missing_values=schema.missing_values)
    identifier = schema.column(schema.unit.id_column)
    tokens = schema.missing_values if identifier.missing_values is None else identifier.missing_values
    units = identity_codes(raw[identifier.name], tokens)
    kept = bounded_rows(units, schema.unit.contributions)
    rows = {name: values[kept].reset_index(drop=True) for name, values in raw.items()}
    return _Content(raw=rows, units=units[kept], missing_values=schema.missing_values)
