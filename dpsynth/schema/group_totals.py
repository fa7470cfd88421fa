"""Groups of rows and the totals that they have to meet, in whole units of their column.

A column of numbers is counted in units: ones, or powers of ten. Sums are sums of Python's whole numbers, so
a total is met exactly or not at all, whatever the size of the table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dpsynth.errors import SchemaError
from dpsynth.schema.canonical import seconds_of
from dpsynth.schema.column import ModelledColumn
from dpsynth.schema.formula_column import Formula, expression_tree
from dpsynth.schema.formulas import Facts, Values, columns_of
from dpsynth.schema.formulas.evaluation import floor_to
from dpsynth.schema.numeric import Integer, NumericColumn, Real
from dpsynth.schema.row_rules import GroupTotal, Key
from dpsynth.schema.row_values import known_facts

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema

__all__ = ["Group", "Units", "check_group_totals", "group_totals", "groups_of", "summed", "totals_missed"]

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
_Place = tuple[float | None, ...]
_FARTHEST = 2.0**62


@dataclass(frozen=True, kw_only=True, slots=True)
class Units:
    """How the values of a column are counted: `first + index * stride` units of `10 ** -decimals`."""

    decimals: int
    stride: int
    first: int

    @classmethod
    def of(cls, column: NumericColumn) -> Units:
        """The units of a column whose bounds are known."""
        decimals = column.precision if isinstance(column, Real) else 0
        first = round(Fraction(column.minimum) * 10**decimals)
        return cls(decimals=decimals, stride=column.step if isinstance(column, Integer) else 1, first=first)

    def total(self, number: float) -> int:
        """A declared total in units."""
        units: int = round(Fraction(number) * 10**self.decimals)
        return units

    def read(self, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Numbers of a table in units."""
        return np.rint(np.clip(numbers * 10.0**self.decimals, -_FARTHEST, _FARTHEST)).astype(np.int64)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Group:
    """One group of rows.

    Attributes:
        rows: Their places in the table; none where a listed group does not occur.
        total: What its numbers add up to, in units.
        key: The key as it was declared; None for a group that is not listed.
    """

    rows: np.ndarray[Any, Any]
    total: int
    key: Key | None


def group_totals(schema: Schema) -> tuple[GroupTotal, ...]:
    """The rules of `schema` about totals, in order."""
    return tuple(rule for rule in schema.rules if isinstance(rule, GroupTotal))


def summed(schema: Schema, rule: GroupTotal) -> NumericColumn:
    """The column that a rule adds up."""
    column = schema.column(rule.column)
    assert isinstance(column, NumericColumn)  # noqa: S101 - others are refused with the schema
    return column


def groups_of(schema: Schema, rule: GroupTotal, columns: Mapping[str, Values], rows: int) -> list[Group]:
    """All groups that have a total: those that occur, and those that are listed and do not."""
    units, known = Units.of(summed(schema, rule)), known_facts(schema)
    facts = [known[name] for name in rule.by]
    listed = {_place(rule, key, facts): (key, total) for key, total in rule.totals}
    found = []
    for place, members in _occurring([columns[name] for name in rule.by], rows):
        key, total = listed.pop(place, (None, None if None in place else rule.total))
        if total is not None:
            found.append(Group(rows=members, total=units.total(total), key=key))
    nobody = np.zeros(0, dtype=np.int64)
    absent = [Group(rows=nobody, total=units.total(total), key=key) for key, total in listed.values()]
    return [*found, *absent]


def totals_missed(schema: Schema, rule: GroupTotal, columns: Mapping[str, Values], rows: int) -> BoolArray:
    """The rows of groups that miss their total; all rows where a listed group does not occur."""
    missed = np.zeros(rows, dtype=bool)
    numbers = columns[rule.column]
    units = np.where(numbers.gaps, 0, Units.of(summed(schema, rule)).read(numbers.data))
    for group in groups_of(schema, rule, columns, rows):
        if sum(units[group.rows].tolist()) != group.total:
            missed[group.rows if len(group.rows) else slice(None)] = True
    return missed


def _occurring(by: Sequence[Values], rows: int) -> Iterator[tuple[_Place, np.ndarray[Any, Any]]]:
    """The different values of some columns, and the rows that have them."""
    if not by or not rows:
        yield from [((), np.arange(rows))] if not by else []
        return
    data = np.array([np.where(part.gaps, 0.0, part.data) for part in by], dtype=np.float64)
    gaps = np.array([part.gaps for part in by], dtype=np.float64)
    different, group = np.unique(np.concatenate([data, gaps]), axis=1, return_inverse=True)
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group.ravel(), minlength=different.shape[1]))
    for column, members in zip(different.T.tolist(), np.split(order, ends[:-1]), strict=True):
        values, missing = column[: len(by)], column[len(by) :]
        yield tuple(None if gap else value for value, gap in zip(values, missing, strict=True)), members


def _place(rule: GroupTotal, key: Key, facts: Sequence[Facts]) -> _Place:
    """A declared key as the numbers that stand for its values.

    Raises:
        SchemaError: No row can have such a value.
    """
    found = tuple(_number(part, known) for part, known in zip(key, facts, strict=True))
    if any(number is not None and math.isnan(number) for number in found):
        _refuse(rule, f"no row can have the key {key!r}; write values of {list(rule.by)}, None for missing")
    return found


def _number(part: Any, known: Facts) -> float | None:
    """The number that stands for a value of a column; NaN where it cannot occur."""
    if part is None:
        return None if known.gaps else math.nan
    if known.kind == "text":
        return float(known.texts.index(str(part))) if str(part) in known.texts else math.nan
    if known.kind == "truth":
        return float(part) if isinstance(part, bool) else math.nan
    if known.kind == "date":
        seconds = seconds_of(part) if isinstance(part, str) else math.inf
        number = (
            float(floor_to(np.array([seconds]), known.resolution)[0]) if math.isfinite(seconds) else math.nan
        )
    else:
        number = math.nan if isinstance(part, (str, bool)) else float(part)
    return number if known.low <= number <= known.high else math.nan


# ---------------------------------------------------------------- whether a rule fits its schema


def check_group_totals(schema: Schema, known: Mapping[str, Facts]) -> None:
    """Refuse rules about totals that no table could meet, or that contradict one another.

    Raises:
        SchemaError: Names the rule, and the remedy.
    """
    rules = group_totals(schema)
    moving = [rule.column for rule in rules]
    for rule in rules:
        _check_column(schema, rule)
        if moving.count(rule.column) > 1:
            _refuse(
                rule, f"column {rule.column!r} has another rule of totals; keep one, by all columns together"
            )
        for name in rule.by:
            column = schema.column(name)
            if known[name].kind == "free" or (isinstance(column, ModelledColumn) and not column.complete):
                _refuse(
                    rule, f"the values of column {name!r} are not known; declare them, as they make groups"
                )
            shared = _needs(schema, name) & set(moving)
            if shared:
                _refuse(rule, f"its groups would change as {sorted(shared)} meets a total; take {name!r} out")
        facts = [known[name] for name in rule.by]
        if len({_place(rule, key, facts) for key, _ in rule.totals}) < len(rule.totals):
            _refuse(rule, "two of its keys mean the same group; give each once")


def _check_column(schema: Schema, rule: GroupTotal) -> None:
    column = schema.column(rule.column)
    if not isinstance(column, (Integer, Real)) or not column.complete:
        _refuse(rule, f"expected {rule.column!r} to be an Integer or a Real with declared bounds")
    units, low, high = Units.of(column), float(column.minimum or 0), float(column.maximum or 0)
    step = math.gcd(units.stride, units.first)
    for total in [total for _, total in rule.totals] + ([] if rule.total is None else [rule.total]):
        whole = units.total(total)
        written = Fraction(whole, 10**units.decimals)
        if (written if isinstance(total, int) else float(written)) != total or whole % step:
            _refuse(
                rule, f"no numbers of {rule.column!r} add up to {total}; correct it, or the step or precision"
            )
        if (total < 0 <= low) or (total > 0 >= high):
            _refuse(rule, f"no numbers of {rule.column!r} add up to {total}; correct it, or the bounds")


def _needs(schema: Schema, name: str) -> set[str]:
    """A column and all that its formula uses, over several formulas."""
    column = schema.column(name)
    used = set(columns_of(expression_tree(column))) if isinstance(column, Formula) else set()
    return {name}.union(*(_needs(schema, other) for other in used))


def _refuse(rule: GroupTotal, message: str) -> NoReturn:
    raise SchemaError(f"Rule {rule}: {message}.")
