"""From values to codes, one row at a time. Trusted: sensitivity rests on this file.

Privacy: the code of a row is a function of that row's value and of the public column alone (pitfall
    P39). So adding, removing or changing one record adds, removes or changes one row of codes and no
    other; a row that a rule drops is dropped for its own value. Physical types are no obstacle: each
    value is made canonical by itself before anything is compared. No data value raises an error or a
    warning (P06); a physical type can, and that is a property of the file's columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dpsynth.errors import DataError
from dpsynth.schema.canonical import UNREADABLE, Lookup, number_of, seconds_of, text_of
from dpsynth.schema.column import Column, ModelledColumn
from dpsynth.schema.columns import Boolean, Categorical
from dpsynth.schema.numeric import Datetime, NumericColumn

__all__ = [
    "encode_column",
    "identity_codes",
    "physical_kind_fits",
    "read_labels",
    "read_values",
    "readable",
]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_FARTHEST = 2.0**53  # seconds; beyond any calendar, and exact as a float


def physical_kind_fits(column: Column, values: pd.Series[Any]) -> None:
    """Refuse a column whose physical type cannot hold the declared kind.

    Raises:
        DataError: Dates or durations came where the schema declares none; names column and remedy.
    """
    allowed = (
        "biufOUSTM" if isinstance(column, Datetime) or not isinstance(column, ModelledColumn) else "biufOUST"
    )
    if values.dtype.kind not in allowed:
        raise DataError(
            f"Column {column.name!r} is declared as {column.kind}, but the table holds it as {values.dtype}. "
            "Declare it as a date or moment (Datetime), or convert it to text or numbers first."
        )


def encode_column(
    column: ModelledColumn, values: pd.Series[Any], missing_values: Sequence[str] = ("",)
) -> np.ndarray[Any, np.dtype[np.int32]]:
    """The code of each value, or -1 where the row is to be dropped.

    Args:
        column: A modelled column that is complete.
        values: The column of the table, in whatever physical type it came.
        missing_values: The schema's texts for "missing"; the column's own take precedence.

    Raises:
        SchemaError: Categories or bounds of the column are not known yet.
        DataError: The physical type cannot hold the declared kind.

    Privacy: row-wise, see the head of this module. A dropped row counts as absent, which changes
        neighbours by at most that same row: all sensitivities stand.
    """
    other, missing = column.other_code, column.missing_code
    if missing is None:
        missing = -1 if other is None else other
    foreign = -1 if column.out_of_domain == "drop" else missing if other is None else other
    readings = read_values(column, values, missing_values)
    codes = np.where(np.isnan(readings), missing, foreign).astype(np.int32)
    found = np.isfinite(readings)
    if isinstance(column, NumericColumn):
        codes[found] = _cells(column, readings[found], foreign)
    else:
        codes[found] = readings[found]
    return codes


def _cells(column: NumericColumn, readings: Floats, foreign: int) -> np.ndarray[Any, Any]:
    """The cell of each reading. What lies outside is clipped or foreign, never a sliver (U03)."""
    lattice = column.lattice
    index = column.index_of(readings)
    cells = lattice.cell_of(np.clip(index, 0, lattice.points - 1))
    outside = (index < 0) | (index >= lattice.points)
    return cells if column.out_of_domain == "clip" else np.where(outside, foreign, cells)


def readable(column: Column, values: pd.Series[Any], missing_values: Sequence[str] = ("",)) -> bool:
    """False if there are values that are not missing and none of them can be read as declared.

    Privacy: not differentially private. It answers the owner of the data, before anything is spent
        and outside any release, that the schema does not fit the table.
    """
    if not isinstance(column, ModelledColumn) or (isinstance(column, Categorical) and not column.complete):
        return True
    readings = read_values(column, values, missing_values)
    return bool(np.isnan(readings).all() or np.isfinite(readings).any())


def read_values(
    column: ModelledColumn, values: pd.Series[Any], missing_values: Sequence[str] = ("",)
) -> Floats:
    """Read each value as the declared kind, without regard to bounds.

    Returns:
        For integers and decimals the number, for dates the seconds from 1970 in UTC, for categories
        and truth values the code; NaN where missing, infinity where it cannot be read as declared.

    Privacy: row-wise. The result is private.
    """
    physical_kind_fits(column, values)
    tokens = _tokens(column, missing_values)
    if isinstance(column, Datetime) and values.dtype.kind == "M":
        return _without_tokens(_seconds(values), [seconds_of(token, column.format) for token in tokens])
    if isinstance(column, NumericColumn) and not isinstance(column, Datetime) and values.dtype.kind in "biuf":
        return _without_tokens(_numbers(values), [number_of(token) for token in tokens])
    places, texts = _texts(values)
    readings: Floats = np.append(_read_texts(column, texts, tokens), np.nan)[places]
    return readings


def _read_texts(column: ModelledColumn, texts: Sequence[str], tokens: frozenset[str]) -> Floats:
    """Read canonical texts, each by itself."""
    if isinstance(column, (Categorical, Boolean)):
        find = column.lookup(tokens).find
        codes = (find(text) for text in texts)
        return np.array([UNREADABLE if code is None else code for code in codes], dtype=np.float64)
    if isinstance(column, Datetime):
        # A whole-number token such as "-1" is also met as "-1.0", where a reader made floats of it.
        marks = Lookup((token, math.nan) for token in tokens)
        return np.array(
            [seconds_of(text, column.format) if marks.find(text) is None else np.nan for text in texts],
            dtype=np.float64,
        )
    readings = np.array([np.nan if text in tokens else number_of(text) for text in texts], dtype=np.float64)
    return _without_tokens(readings, [number_of(token) for token in tokens])


def read_labels(
    column: ModelledColumn, values: pd.Series[Any], missing_values: Sequence[str] = ("",)
) -> np.ndarray[Any, np.dtype[np.object_]]:
    """The canonical text of each value, None where missing: what discovery of categories counts.

    Privacy: row-wise. The result is private.
    """
    tokens = _tokens(column, missing_values)
    places, texts = _texts(values)
    kept = np.array([*(None if text in tokens else text for text in texts), None], dtype=object)
    labels: np.ndarray[Any, np.dtype[np.object_]] = kept[places]
    return labels


def identity_codes(
    values: pd.Series[Any], missing_values: Sequence[str] = ("",)
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A whole number for each row, equal for rows of one unit of privacy.

    Rows without an identity, or with one that is no scalar, count as one unit together. The numbers
    themselves mean nothing and depend on the table; only their equality is used, and it is decided
    by the values of the two rows alone.

    Privacy: the result is private.
    """
    tokens = frozenset(token.strip() for token in missing_values)
    places, texts = _texts(values)
    codes = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    numbers = [-1 if text in tokens else codes[text] for text in texts]
    identities: np.ndarray[Any, np.dtype[np.int64]] = np.array([*numbers, -1], dtype=np.int64)[places] + 1
    return identities


def _tokens(column: Column, shared: Sequence[str]) -> frozenset[str]:
    own = shared if column.missing_values is None else column.missing_values
    return frozenset(token.strip() for token in own)


def _without_tokens(readings: Floats, marks: Sequence[float]) -> Floats:
    """Readings that equal a finite mark become missing: 99 and 99.0 are the token "99"."""
    finite = [mark for mark in marks if np.isfinite(mark)]
    return np.where(np.isin(readings, finite), np.nan, readings)


def _numbers(values: pd.Series[Any]) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _seconds(values: pd.Series[Any]) -> Floats:
    moments = values.to_numpy(dtype="datetime64[s]")
    seconds = np.clip(moments.astype(np.int64).astype(np.float64), -_FARTHEST, _FARTHEST)
    return np.where(np.isnat(moments), np.nan, seconds)


def _texts(values: pd.Series[Any]) -> tuple[np.ndarray[Any, Any], Sequence[str]]:
    """Distinct canonical texts, and for each row the place of its own; the place -1 is missing.

    Objects are made canonical before they are told apart: True, 1 and 1.0 are equal in Python, and
    which of them a hash table keeps would depend on the order of the rows.
    """
    distinct: Iterable[object]
    if isinstance(values.dtype, pd.CategoricalDtype):
        first, distinct = np.asarray(values.cat.codes, dtype=np.int64), values.cat.categories
    elif values.dtype.kind in "biuf" or isinstance(values.dtype, pd.StringDtype):
        first, found = pd.factorize(values)
        distinct = np.asarray(found, dtype=object)
    else:
        raw = [text_of(value) for value in np.asarray(values, dtype=object)]
        places, known = pd.factorize(np.array(raw, dtype=object))
        return places, list(known)
    texts = [text_of(value) for value in distinct]
    places = np.array(
        [*(-1 if text is None else place for place, text in enumerate(texts)), -1], dtype=np.int64
    )
    return places[first], [text or "" for text in texts]
