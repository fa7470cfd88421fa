"""One physical value in, one canonical value out: the ground on which all codecs stand.

A table carries the same value in many physical forms: 1, 1.0 (because a neighbour is missing), "1"
(from a text file), a numpy scalar. Each function here looks at one value alone, so that no other row
can change what a value means (pitfall P39), and none of them raises on any value (P06).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
import pandas as pd

__all__ = ["UNREADABLE", "Lookup", "number_of", "seconds_of", "text_of"]

UNREADABLE = math.inf
"""Stands for a value that is there but cannot be read as the declared kind (NaN stands for missing)."""

_FOREIGN = "\0"  # the text of an object that is no scalar: no category and no number reads like this
_LARGEST_BITS = 1024  # an integer beyond the range of floats is infinite, hence missing, in any form
_TRUTH = {"True": 1.0, "true": 1.0, "TRUE": 1.0, "False": 0.0, "false": 0.0, "FALSE": 0.0}
_ISO_PADDING = {4: "-01-01", 7: "-01"}  # "2020" and "2020-03" name their first day
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def text_of(value: object) -> str | None:
    """The canonical text of `value`, or None if it is missing (None, NA, NaT, NaN, infinite, blank).

    Text is stripped; a whole number has no decimal point whatever type carries it; a date is ISO 8601.
    """
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, (float, np.floating)):
        return _text_of_float(float(value))
    if isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.timedelta64)):
        return _text_of_integer(int(value))
    return _text_of_rare(value)


def _text_of_integer(value: int) -> str | None:
    return str(value) if value.bit_length() <= _LARGEST_BITS else None


def _text_of_float(value: float) -> str | None:
    if not math.isfinite(value):
        return None
    return str(int(value)) if value.is_integer() else repr(value)


def _text_of_rare(value: object) -> str | None:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, Decimal):
        return _text_of_float(float(value)) if value.is_finite() else None
    if isinstance(value, dt.date):  # also datetime and Timestamp
        return value.isoformat()
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    return _FOREIGN


def number_of(text: str) -> float:
    """The number that `text` means: 1 and 0 for truth values, else the one that it spells.

    NaN if it spells NaN or infinity, `UNREADABLE` if it spells no number.
    """
    return _TRUTH[text] if text in _TRUTH else _spelled(text)


def _spelled(text: str) -> float:
    if "_" in text:  # Python's digit separator, not that of any table
        return UNREADABLE
    try:
        number = float(text)
    except ValueError:
        return UNREADABLE
    return number if math.isfinite(number) else math.nan


def seconds_of(text: str, pattern: str | None = None) -> float:
    """Whole seconds from 1970 (UTC) to the moment that `text` names, rounded down; else `UNREADABLE`.

    Args:
        text: Read by `pattern` if there is one, and failing that as ISO 8601.
        pattern: A `strptime` pattern.
    """
    moment = _moment_by_pattern(text, pattern) if pattern else None
    try:
        moment = moment or dt.datetime.fromisoformat(text + _ISO_PADDING.get(len(text), ""))
    except ValueError:
        return UNREADABLE
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return float((aware - _EPOCH) // dt.timedelta(seconds=1))


def _moment_by_pattern(text: str, pattern: str) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(text, pattern)
    except ValueError:
        return None


class Lookup:
    """Finds the code of a text: by its exact spelling first, then by the number that it spells.

    "1.0" finds the entry "1", and 1 finds "1.0", unless both are entries. A number that entries of
    two codes spell, as "01" and "001" may, finds neither, unless one spells it plainly, as "1" does.
    A code is a number; NaN means missing.
    """

    __slots__ = ("_numbers", "_texts")

    def __init__(self, entries: Iterable[tuple[str, float]]) -> None:
        self._texts: dict[str | None, float] = dict(entries)
        self._numbers: dict[float, float | None] = {}
        for text, code in self._texts.items():
            number = _spelled(text or "")
            known = self._numbers.get(number, code)
            self._numbers[number] = code if known is code or known == code else None

    def find(self, text: str) -> float | None:
        """The code of `text`, or None if no entry is meant."""
        if text in self._texts:
            return self._texts[text]
        number = _spelled(text)
        if not math.isfinite(number):
            return None
        return self._texts.get(_text_of_float(number), self._numbers.get(number))
