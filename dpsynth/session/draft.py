"""Draft a schema by looking at the rows. What it guesses is marked: it was read from private data.

Privacy: a draft is *not* differentially private. Every column of it has the origin `assumed`, and a
    run on it can never be certified until a person has declared the column, or a budget has bought
    it (pitfalls P02, P03).
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pandas as pd

from dpsynth.schema.canonical import seconds_of
from dpsynth.schema.columns import Boolean, Categorical, Column, Datetime, Identifier, Integer, Real, Text
from dpsynth.schema.lattice import LARGEST_LATTICE
from dpsynth.schema.schema import Schema
from dpsynth.session.reading import Source, read_raw

__all__ = ["draft_schema"]

_TOKENS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")
_MOST_CATEGORIES = 200
_MOST_DECIMALS = 6
_FEW = 12
_INTEGER = re.compile(r"[+-]?\d{1,15}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?")


def draft_schema(source: Source) -> Schema:
    """Guess a schema for `source`; every guess is marked as assumed.

    Args:
        source: A path or a frame.

    Returns:
        A schema to be read, corrected and declared by a person who knows the code book.
    """
    raw = read_raw(source)
    name = Path(source).name.split(".")[0] if isinstance(source, (str, Path)) else "table"
    texts = {column: _as_text(values) for column, values in raw.items()}
    found = {token for values in texts.values() for token in _TOKENS if (values == token).any()}
    columns = tuple(_guess(column, values[~values.isin(_TOKENS)]) for column, values in texts.items())
    return Schema(
        columns=columns,
        name=name,
        missing_values=tuple(token for token in _TOKENS if token == "" or token in found),
    )


def _as_text(values: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_float_dtype(values):
        # 3.0 in a float column is an integer that shares its column with a missing value.
        return values.map(lambda v: "" if pd.isna(v) else f"{v:.15g}").astype(str)
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.map(lambda v: "" if pd.isna(v) else v.isoformat()).astype(str)
    return values.map(lambda v: "" if pd.isna(v) else str(v).strip()).astype(str)


def _all(pattern: re.Pattern[str], values: pd.Series[Any]) -> bool:
    return bool(values.map(lambda v: pattern.fullmatch(v) is not None).all())


def _guess(name: str, values: pd.Series[Any]) -> Column:
    """The first kind that all values fit; text if none does."""
    if len(values):
        for guess in (_boolean, _identifier, _integer, _real, _moment, _categorical):
            column = guess(name, values)
            if column is not None:
                return column
    return Text(name=name, origin="assumed")


def _boolean(name: str, values: pd.Series[Any]) -> Column | None:
    truth = {value.lower() for value in set(values)} <= {"true", "false"}
    return Boolean(name=name, origin="assumed") if truth else None


def _identifier(name: str, values: pd.Series[Any]) -> Column | None:
    named = re.search(r"(^|_|\b)id$", name, re.IGNORECASE) is not None
    return Identifier(name=name, origin="assumed") if named and values.nunique() == len(values) > 20 else None


def _integer(name: str, values: pd.Series[Any]) -> Column | None:
    if not _all(_INTEGER, values):
        return None
    numbers = values.astype("int64")
    if numbers.nunique() <= _FEW:
        distinct = tuple(sorted(int(number) for number in set(numbers)))
        return Categorical(name=name, origin="assumed", categories=distinct)
    return Integer(name=name, origin="assumed", minimum=int(numbers.min()), maximum=int(numbers.max()))


def _real(name: str, values: pd.Series[Any]) -> Column | None:
    if not _all(_NUMBER, values):
        return None
    numbers = values.astype("float64")
    decimals = values.map(lambda v: len(v.partition(".")[2]) if "e" not in v.lower() else _MOST_DECIMALS)
    precision = min(int(decimals.max()), _MOST_DECIMALS)
    low, high = float(numbers.min()), float(numbers.max())
    while precision > 0 and max(abs(low), abs(high)) * 10**precision >= LARGEST_LATTICE:
        precision -= 1
    units = 10**precision
    if max(abs(low), abs(high)) * units >= LARGEST_LATTICE:
        return None
    return Real(
        name=name,
        origin="assumed",
        minimum=round(math.floor(low * units) / units, precision),
        maximum=round(math.ceil(high * units) / units, precision),
        precision=precision,
    )


def _moment(name: str, values: pd.Series[Any]) -> Column | None:
    day = _all(_DATE, values)
    if not (day or _all(_DATETIME, values)):
        return None
    if not values.map(lambda v: math.isfinite(seconds_of(v))).all():  # 2020-13-45 looks like a date
        return None
    first, last = min(values).replace(" ", "T"), max(values).replace(" ", "T")
    return Datetime(
        name=name,
        origin="assumed",
        minimum=first,
        maximum=last,
        resolution="D" if day else "s",
        temporal="date" if day else "datetime",
    )


def _categorical(name: str, values: pd.Series[Any]) -> Column | None:
    distinct = sorted(set(values))
    if len(distinct) > max(20, min(_MOST_CATEGORIES, len(values) // 5)):
        return None
    return Categorical(name=name, origin="assumed", categories=tuple(distinct))
