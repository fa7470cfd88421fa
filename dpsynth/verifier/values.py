"""Texts of a table as values: numbers, moments, truth values and categories, each by its declared domain.

A reader turns one text into one value, into None if it means "missing", or into `OUTSIDE` if the column may
not hold it. It looks at that text alone.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection, Mapping
from decimal import Context, Decimal
from typing import Any, Final, TypeAlias

__all__ = ["OUTSIDE", "Reader", "Value", "category", "moment", "number", "surrogate", "text_of", "truth"]

Value: TypeAlias = "Decimal | int | str | bool | None"
Reader: TypeAlias = "Callable[[str], Any]"

OUTSIDE: Final = object()
"""Stands for a text that the column may not hold."""

_LONGEST_NUMBER, _LARGEST_EXPONENT = 60, 300
_EXACT = Context(prec=400, traps=[])
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ISO_PADDING = {4: "-01-01", 7: "-01"}
_SECONDS = {"D": 86_400, "h": 3_600, "m": 60, "s": 1}
_TRUTH = {"True": 1, "true": 1, "TRUE": 1, "False": 0, "false": 0, "FALSE": 0}


def text_of(value: object) -> str:
    """The text of a JSON scalar: whole numbers without a point, truth values as Python writes them."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.strip() if isinstance(value, str) else str(value)


def decimal_of(text: str) -> Decimal | None:
    """The finite number that a text spells, exactly; None if there is none."""
    if len(text) > _LONGEST_NUMBER or "_" in text:
        return None
    value = _EXACT.create_decimal(text)
    return value if value.is_finite() and abs(value.adjusted()) <= _LARGEST_EXPONENT else None


def seconds_of(text: str, pattern: str | None = None) -> int | None:
    """Whole seconds from 1970 (UTC) to the moment that `text` names, by a pattern or in ISO 8601."""
    for read in (_by_pattern(pattern), _by_iso):
        try:
            found = read(text)
        except (ValueError, OverflowError, re.error):  # a pattern may be no pattern at all
            continue
        aware = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
        return (aware - _EPOCH) // dt.timedelta(seconds=1)
    return None


def number(
    *, minimum: Any, maximum: Any, precision: int, step: int, missing: Collection[str], steps_from: Any
) -> Reader:
    """Reads numbers with at most `precision` decimals, within bounds, whole steps from `steps_from`."""
    low, high, start = (
        None if bound is None else Decimal(text_of(bound)) for bound in (minimum, maximum, steps_from)
    )
    gaps = {value for value in (decimal_of(text) for text in missing) if value is not None}

    def read(text: str) -> Any:
        value: Decimal | int | None
        if text.isdecimal() and text.isascii() and len(text) <= _LONGEST_NUMBER:
            value = int(text)  # what most columns hold, ten times as fast
        else:
            value = Decimal(_TRUTH[text]) if text in _TRUTH else decimal_of(text)
        if value is None:
            return None if text.lower() in {"nan", "inf", "-inf"} else OUTSIDE
        if value in gaps:
            return None
        if isinstance(value, Decimal) and not _whole(_EXACT.scaleb(value, precision)):
            return OUTSIDE
        if (low is not None and value < low) or (high is not None and value > high):
            return OUTSIDE
        if step != 1 and start is not None and (value - start) % step:
            return OUTSIDE
        return value

    return read


def _whole(value: Decimal) -> bool:
    return value == _EXACT.to_integral_value(value)


def moment(*, minimum: Any, maximum: Any, resolution: str, pattern: str | None) -> Reader:
    """Reads dates and moments of a resolution, within bounds."""
    bounds = []
    for bound in (minimum, maximum):
        found = None if bound is None else seconds_of(str(bound)) or seconds_of(str(bound), pattern)
        bounds.append(None if found is None else _floor(found, resolution))
    low, high = bounds

    def read(text: str) -> Any:
        value = seconds_of(text, pattern)
        if value is None or _floor(value, resolution) != value:
            return OUTSIDE
        if (low is not None and value < low) or (high is not None and value > high):
            return OUTSIDE
        return value

    return read


def category(categories: Collection[Any] | None, other: str | None) -> Reader:
    """Reads categories by their texts, or by the number that a text spells; any text if none are known."""
    if categories is None:
        return lambda text: text
    texts = {text_of(choice): text_of(choice) for choice in categories}
    for choice in categories:
        if isinstance(choice, bool):
            texts |= {str(choice).lower(): str(choice), str(choice).upper(): str(choice)}
    if other is not None:
        texts[other] = other
    numbers: dict[Decimal, str] = {}
    for text in texts:
        value = decimal_of(text)
        if value is not None:
            numbers.setdefault(value, texts[text])

    def read(text: str) -> Any:
        if text in texts:
            return texts[text]
        value = decimal_of(text)
        return OUTSIDE if value is None else numbers.get(value, OUTSIDE)

    return read


def truth(true_values: Collection[str], false_values: Collection[str]) -> Reader:
    """Reads truth values."""
    known = {"True": True, "False": False}
    known |= dict.fromkeys(map(text_of, false_values), False) | dict.fromkeys(map(text_of, true_values), True)
    return lambda text: known.get(text, OUTSIDE)


def surrogate(pattern: str | None) -> Reader:
    """Reads identifiers as synthetic tables write them: a running number, perhaps inside a pattern."""
    if pattern is None:
        form = re.compile("[1-9][0-9]*")
    else:
        before, _, after = re.sub("#+", "\0", pattern).partition("\0")
        digits = f"[0-9]{{{pattern.count('#')},}}"
        form = re.compile(re.escape(before) + digits + re.escape(after))
    return lambda text: text if form.fullmatch(text) else OUTSIDE


def remembered(read: Reader, missing: Mapping[str, None]) -> Reader:
    """`read` with the texts that mean "missing", and a memory for texts that come again."""
    memory: dict[str, Any] = {**missing}

    def find(text: str) -> Any:
        try:
            return memory[text]
        except KeyError:
            key = text.strip()
        value = memory[key] if key in memory else read(key)
        if len(memory) < 2**20:
            memory[text] = value
        return value

    return find


def _floor(seconds: int, resolution: str) -> int:
    if resolution in _SECONDS:
        return seconds - seconds % _SECONDS[resolution]
    found = _EPOCH + dt.timedelta(seconds=seconds)
    first = dt.datetime(found.year, 1 if resolution == "Y" else found.month, 1, tzinfo=dt.UTC)
    return (first - _EPOCH) // dt.timedelta(seconds=1)


def _by_pattern(pattern: str | None) -> Callable[[str], dt.datetime]:
    def read(text: str) -> dt.datetime:
        return dt.datetime.strptime(text, pattern or "\0")

    return read


def _by_iso(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text + _ISO_PADDING.get(len(text), ""))
