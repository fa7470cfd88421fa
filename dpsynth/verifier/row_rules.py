"""Constraints and rules of a schema document, as questions about the values of one row.

What cannot be decided here (conditions of an implication, formulas beyond plain arithmetic) is told, not
passed over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, TypeAlias

from .arithmetic import arithmetic
from .table import Column, TableError
from .values import OUTSIDE, seconds_of, text_of

__all__ = ["Breaks", "Check", "checks_of"]

Json: TypeAlias = "Mapping[str, Any]"
Row: TypeAlias = "Mapping[str, Any]"
Breaks: TypeAlias = "Callable[[Row], bool]"
Check: TypeAlias = "tuple[str, Breaks | None]"
"""What it is called, and whether a row breaks it; None where that cannot be decided here."""


def checks_of(document: Json, columns: Sequence[Column]) -> list[Check]:
    """All constraints, rules and formulas of a schema document.

    Raises:
        TableError: One of them is malformed, or of an unknown kind.
    """
    by_name = {column.name: column for column in columns}
    own = document.get("dpsynth", {})
    try:
        found = [(f"formula of {c.name!r}", _formula(c, by_name)) for c in columns if c.kind == "formula"]
        for kind in ("constraint", "rule"):
            found += [
                (f"{kind} {place} ({given['kind']})", _KINDS[given["kind"]](given, by_name))
                for place, given in enumerate(own.get(f"{kind}s", []), start=1)
            ]
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise TableError("A constraint or rule of the schema cannot be read.") from error
    return found


def _formula(column: Column, columns: Mapping[str, Column]) -> Breaks | None:
    evaluate = arithmetic(column.expression, {name for name in columns if columns[name].kind in _NUMBERS})
    if evaluate is None:
        return None

    def breaks(row: Row) -> bool:
        expected, found = evaluate(row), row[column.name]
        if expected is None or found is None:
            return not (expected is None and found is None)
        return abs(expected - float(found)) > 0.51 * 10.0**-column.precision

    return breaks


def _impossible(rule: Json, columns: Mapping[str, Column]) -> Breaks:
    names = _names(rule["columns"], columns)
    allowed = "allowed" in rule
    tests = [
        _all(names, combination, columns) for combination in rule["allowed" if allowed else "combinations"]
    ]
    if allowed:
        return lambda row: not any(test(row) for test in tests)
    return lambda row: any(test(row) for test in tests)


def _dependency(rule: Json, columns: Mapping[str, Column]) -> Breaks:
    names = _names(rule["determinants"], columns)
    dependent = columns[_names([rule["dependent"]], columns)[0]]
    lines = [(_all(names, line[0], columns), _entry(line[1], dependent)) for line in rule["mapping"]]
    default = _entry(rule["default"], dependent) if "default" in rule else None

    def breaks(row: Row) -> bool:
        value = row[dependent.name]
        for matches, fits in lines:
            if matches(row):
                return not fits(value)
        return default is not None and not default(value)

    return breaks


def _chain(rule: Json, columns: Mapping[str, Column]) -> Breaks:
    names, strict = _names(rule["columns"], columns), bool(rule.get("strict", False))
    kinds = {columns[name].kind for name in names}
    if not (kinds <= set(_NUMBERS) or kinds == {"datetime"}):
        raise ValueError("numbers and dates rise")

    def breaks(row: Row) -> bool:
        values = [row[name] for name in names if row[name] is not None]
        return any(low >= high if strict else low > high for low, high in pairwise(values))

    return breaks


def _one_hot(rule: Json, columns: Mapping[str, Column]) -> Breaks:
    names = _names(rule["columns"], columns)

    def breaks(row: Row) -> bool:
        values = [row[name] for name in names]
        count = sum(value is not None and value in (True, 1, "1", "True") for value in values)
        return count > 1 or (count == 0 and None not in values)

    return breaks


def _together(rule: Json, columns: Mapping[str, Column]) -> Breaks:
    names = _names(rule["columns"], columns)
    return lambda row: len({row[name] is None for name in names}) > 1


def _unique(rule: Json, columns: Mapping[str, Column]) -> Breaks:
    names, seen = _names(rule["columns"], columns), set[tuple[Any, ...]]()

    def breaks(row: Row) -> bool:
        key = tuple(row[name] for name in names)
        if None in key:
            return False
        twice = key in seen
        seen.add(key)
        return twice

    return breaks


def _implication(_: Json, __: Mapping[str, Column]) -> None:
    return None


def _names(given: Sequence[str], columns: Mapping[str, Column]) -> list[str]:
    if not isinstance(given, list) or not all(columns[name].written for name in given):
        raise ValueError("rules are about columns that are written")
    return list(given)


def _all(names: Sequence[str], entries: Sequence[Any], columns: Mapping[str, Column]) -> Breaks:
    if len(names) != len(entries):
        raise ValueError("one entry for each column")
    tests = [(name, _entry(entry, columns[name])) for name, entry in zip(names, entries, strict=True)]
    return lambda row: all(test(row[name]) for name, test in tests)


def _entry(entry: Any, column: Column) -> Callable[[Any], bool]:
    """Whether a value is what an entry of a constraint means."""
    if entry is None:
        return lambda value: value is None
    if isinstance(entry, list):
        tests = [_entry(choice, column) for choice in entry]
        return lambda value: any(test(value) for test in tests)
    if not isinstance(entry, dict):
        wanted = column.read(text_of(entry))
        return lambda value: value is not None and value is not OUTSIDE and value == wanted
    if entry == {"any": True}:
        return lambda _: True
    if not entry or not entry.keys() <= {"from", "to"} or column.kind not in (*_NUMBERS, "datetime"):
        raise ValueError("an unknown entry")
    low, high = (_end(entry.get(key), column, open_end) for key, open_end in _ENDS)
    return lambda value: value is not None and value is not OUTSIDE and low <= value <= high


def _end(bound: Any, column: Column, open_end: Decimal) -> Any:
    if bound is None:
        return open_end
    value = Decimal(text_of(bound)) if column.kind in _NUMBERS else seconds_of(str(bound))
    if value is None:
        raise ValueError("a range has numbers or dates as ends")
    return value


_NUMBERS = ("integer", "real", "formula")
_ENDS = (("from", Decimal(-math.inf)), ("to", Decimal(math.inf)))
_KINDS: dict[str, Callable[[Json, Mapping[str, Column]], Breaks | None]] = {
    "impossibleCombinations": _impossible,
    "functionalDependency": _dependency,
    "inequalityChain": _chain,
    "oneHot": _one_hot,
    "nullTogether": _together,
    "uniqueKey": _unique,
    "implication": _implication,
}
