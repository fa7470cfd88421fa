"""Formulas over columns of values, many rows at a time.

A missing value makes a number, a text or a date missing. Truth values follow Kleene's logic: `False and
missing` is false. A result that is no finite number (a division by zero) is missing. Numbers are equal
if they agree in 13 digits: 0.1 + 0.2 equals 0.3, as people expect of rounded amounts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.schema.formulas.facts import EARLIEST, LATEST, Kind
from dpsynth.schema.formulas.syntax import Node

__all__ = ["Values", "evaluate", "floor_to", "holds", "violated"]

Array = np.ndarray[Any, Any]
_DAY = 86_400.0
_TOLERANCE = 1e-13
_ONE_DAY = np.timedelta64(86_400, "s")
_MOST_MONTHS = 12 * 10_000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Values:
    """Values of one column or formula.

    Attributes:
        kind: What they are.
        data: Numbers as floats, dates as seconds from 1970, truth values as booleans, texts as places
            in `texts`, free texts as they are.
        gaps: Where a value is missing; what `data` holds there means nothing.
        texts: The texts that `data` points to.
    """

    kind: Kind
    data: Array
    gaps: Array
    texts: tuple[str, ...] = ()


def evaluate(node: Node, columns: Mapping[str, Values], rows: int) -> Values:
    """The values of a formula that `facts_of` has accepted."""
    with np.errstate(all="ignore"):
        found = _evaluate(node, columns)
    data, gaps = np.broadcast_to(found.data, rows), np.broadcast_to(found.gaps, rows)
    return Values(kind=found.kind, data=data, gaps=gaps, texts=found.texts)


def holds(node: Node, columns: Mapping[str, Values], rows: int) -> Array:
    """Where a condition is known to be true."""
    found = evaluate(node, columns, rows)
    return np.asarray(found.data & ~found.gaps)


def violated(node: Node, columns: Mapping[str, Values], rows: int) -> Array:
    """Where a condition is known to be false. Like a CHECK in SQL, a missing value violates nothing."""
    found = evaluate(node, columns, rows)
    return np.asarray(~found.data & ~found.gaps)


def floor_to(seconds: Array, resolution: str) -> Array:
    """Seconds from 1970, cut to whole years, months, days, hours, minutes or seconds."""
    moments = np.floor(seconds).astype(np.int64).astype("datetime64[s]")
    cut: Array = moments.astype(f"datetime64[{resolution}]").astype("datetime64[s]").astype(np.int64)
    return cut.astype(np.float64)


def _evaluate(node: Node, columns: Mapping[str, Values]) -> Values:  # noqa: PLR0911 - a table of cases
    if node.op == "column":
        return columns[str(node.value)]
    if node.op == "text":
        return Values(kind="text", data=np.array(0), gaps=np.array(False), texts=(str(node.value),))
    if node.op in ("number", "truth", "date"):
        return Values(kind=node.op, data=np.array(node.value), gaps=np.array(False))  # type: ignore[arg-type]
    parts = [_evaluate(part, columns) for part in node.parts]
    if node.op in _SPECIAL:
        return _SPECIAL[node.op](parts)
    if node.op == "in":
        return _inside(node, parts[0])
    if node.op in _COMPARED:
        return _compare(node.op, *parts)
    if node.op in ("+", "-") and any(part.kind == "date" for part in parts):
        return _calendar(node.op, *parts)
    data = _ARITHMETIC[node.op](*(part.data for part in parts))
    return Values(kind="number", data=data, gaps=_any_gap(parts) | ~np.isfinite(data))


def _any_gap(parts: list[Values]) -> Array:
    gaps = parts[0].gaps
    for part in parts[1:]:
        gaps = gaps | part.gaps
    return gaps


def _round(numbers: Array, places: Array | None = None) -> Array:
    """Halves go to the even digit, as in Python; the digits are those of the decimal text."""
    rounded: Array = np.round(numbers, 0 if places is None else int(places))
    return rounded + 0.0  # no negative zero


_ARITHMETIC: dict[str, Callable[..., Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "//": np.floor_divide,
    "%": np.mod,
    "**": np.power,
    "neg": np.negative,
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "round": _round,
    "sqrt": np.sqrt,
    "log": np.log,
    "exp": np.exp,
}


def _calendar(op: str, left: Values, right: Values) -> Values:
    gaps = left.gaps | right.gaps
    if left.kind == right.kind:
        return Values(kind="number", data=(left.data - right.data) / _DAY, gaps=gaps)
    date, days = (left, right) if left.kind == "date" else (right, left)
    moved = date.data + np.rint(days.data * (_DAY if op == "+" else -_DAY))  # dates are whole seconds
    return _dated(moved, gaps)


def _add_months(parts: list[Values]) -> Values:
    """So many whole months later, at the same time; on the last day of a month that has no such day."""
    date, months = parts
    far = ~(np.abs(months.data) < _MOST_MONTHS)
    count = np.where(far, 0.0, np.floor(months.data)).astype(np.int64)
    moments = np.floor(date.data).astype(np.int64).astype("datetime64[s]")
    first = moments.astype("datetime64[M]")
    target = first + count.astype("timedelta64[M]")
    longest = (target + 1).astype("datetime64[s]") - target.astype("datetime64[s]") - _ONE_DAY
    into = moments - first.astype("datetime64[s]")
    whole_days = into - into % _ONE_DAY
    moved = target.astype("datetime64[s]") + np.minimum(whole_days, longest) + into % _ONE_DAY
    return _dated(moved.astype(np.int64).astype(np.float64), date.gaps | months.gaps | far)


def _dated(seconds: Array, gaps: Array) -> Values:
    outside = ~((seconds >= EARLIEST) & (seconds <= LATEST))
    return Values(kind="date", data=np.where(outside, 0.0, seconds), gaps=gaps | outside)


# ---------------------------------------------------------------- truth


def _and(parts: list[Values]) -> Values:
    false = np.array(False)
    for part in parts:
        false = false | (~part.data & ~part.gaps)
    return Values(kind="truth", data=~false, gaps=~false & _any_gap(parts))


def _not(parts: list[Values]) -> Values:
    return Values(kind="truth", data=~parts[0].data, gaps=parts[0].gaps)


def _or(parts: list[Values]) -> Values:
    return _not([_and([_not([part]) for part in parts])])


def _implies(parts: list[Values]) -> Values:
    return _or([_not(parts[:1]), parts[1]])


def _missing(parts: list[Values]) -> Values:
    return Values(kind="truth", data=parts[0].gaps, gaps=np.array(False))


def _inside(node: Node, part: Values) -> Values:
    choices = node.value if isinstance(node.value, tuple) else ()
    if part.kind == "text":
        data = np.array([text in choices for text in part.texts])[part.data]
    else:
        data = np.isin(part.data, np.array(choices))
    return Values(kind="truth", data=data, gaps=part.gaps)


_COMPARED = ("==", "!=", "<", "<=", ">", ">=")


def _compare(op: str, left: Values, right: Values) -> Values:
    gaps = left.gaps | right.gaps
    if left.kind == "text":
        known = {text: place for place, text in enumerate(left.texts)}
        places = np.array([known.get(text, -1) for text in right.texts])
        equal = left.data == places[right.data]
    elif left.kind == "number":
        scale = np.maximum(np.maximum(np.abs(left.data), np.abs(right.data)), 1.0)
        equal = np.abs(left.data - right.data) <= _TOLERANCE * scale
    else:
        equal = left.data == right.data
    if op in ("==", "!="):
        return Values(kind="truth", data=equal if op == "==" else ~equal, gaps=gaps)
    below = (left.data < right.data) & ~equal
    data = {"<": below, "<=": below | equal, ">": ~(below | equal), ">=": ~below}[op]
    return Values(kind="truth", data=data, gaps=gaps)


# ---------------------------------------------------------------- choices


def _where(parts: list[Values]) -> Values:
    condition, yes, no = parts
    if yes.kind == "text":
        yes, no = _same_texts(yes, no)
    data = np.where(condition.data, yes.data, no.data)
    gaps = condition.gaps | np.where(condition.data, yes.gaps, no.gaps)
    return Values(kind=yes.kind, data=data, gaps=gaps, texts=yes.texts)


def _same_texts(left: Values, right: Values) -> tuple[Values, Values]:
    texts = tuple(dict.fromkeys((*left.texts, *right.texts)))
    place = {text: number for number, text in enumerate(texts)}
    moved = [
        Values(
            kind="text", data=np.array([place[t] for t in side.texts])[side.data], gaps=side.gaps, texts=texts
        )
        for side in (left, right)
    ]
    return moved[0], moved[1]


def _extreme(choose: Callable[[Array, Array], Array]) -> Callable[[list[Values]], Values]:
    def extreme(parts: list[Values]) -> Values:
        data = parts[0].data
        for part in parts[1:]:
            data = choose(data, part.data)
        return Values(kind=parts[0].kind, data=data, gaps=_any_gap(parts))

    return extreme


def _year(parts: list[Values]) -> Values:
    return _from_calendar(parts[0], lambda moments: moments.astype("datetime64[Y]").astype(np.int64) + 1970)


def _month(parts: list[Values]) -> Values:
    return _from_calendar(parts[0], lambda moments: moments.astype("datetime64[M]").astype(np.int64) % 12 + 1)


def _weekday(parts: list[Values]) -> Values:
    """Monday is 0; the first of January 1970 was a Thursday."""
    return _from_calendar(
        parts[0], lambda moments: (moments.astype("datetime64[D]").astype(np.int64) + 3) % 7
    )


def _from_calendar(part: Values, read: Callable[[Array], Array]) -> Values:
    moments = np.floor(part.data).astype(np.int64).astype("datetime64[s]")
    return Values(kind="number", data=read(moments).astype(np.float64), gaps=part.gaps)


_SPECIAL: dict[str, Callable[[list[Values]], Values]] = {
    "and": _and,
    "or": _or,
    "not": _not,
    "implies": _implies,
    "missing": _missing,
    "where": _where,
    "min": _extreme(np.minimum),
    "max": _extreme(np.maximum),
    "add_months": _add_months,
    "year": _year,
    "month": _month,
    "weekday": _weekday,
}
