"""Rules about the values of one row, a group of rows or all, that synthetic tables obey without exception.

Beside constraints (see `constraints`), which speak about codes and are held inside a model, rules speak about
values: a date before another, a condition on amounts. They are enforced on the rows that a model draws,
whatever the method: by redrawing values inside their cells, by small repairs, and by drawing rows again.
That is post-processing of a model that is paid for; it costs nothing.

People declare rules from public knowledge; nothing here is ever learned from rows. The rows of the private
table are not checked against them: they are counted as they are.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, ClassVar, Literal

import numpy as np

from dpsynth.errors import ConfigurationError, SchemaError
from dpsynth.schema.formulas.syntax import Node, columns_of, parse

__all__ = [
    "GroupTotal",
    "Implication",
    "InequalityChain",
    "Key",
    "NullTogether",
    "OneHot",
    "PlainRule",
    "RowRule",
    "UniqueKey",
    "conditions_tree",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class InequalityChain:
    """Numbers or dates that rise from column to column: `a <= b <= c`. Missing values are passed over.

    Attributes:
        columns: Two or more columns, all of numbers or all of dates.
        strict: Values rise (`a < b < c`); otherwise neighbours may be equal.
        repair: What becomes of a row whose cells are out of order: `sort` exchanges its values where their
            columns can hold them, `redraw` draws the row again.
        description: Why, for people.
    """

    kind: ClassVar[str] = "inequalityChain"
    columns: tuple[str, ...]
    strict: bool = False
    repair: Literal["sort", "redraw"] = "sort"
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", _names(self, self.columns, least=2))
        if self.repair not in ("sort", "redraw"):
            raise SchemaError(f"{self}: expected repair to be 'sort' or 'redraw', got {self.repair!r}.")

    def __str__(self) -> str:
        return (" < " if self.strict else " <= ").join(map(str, self.columns))


@dataclass(frozen=True, kw_only=True, slots=True)
class OneHot:
    """Exactly one of some columns is set. Where values are missing, at most one is.

    Attributes:
        columns: Two or more columns of truth values, or of the numbers 0 and 1.
        description: Why, for people.
    """

    kind: ClassVar[str] = "oneHot"
    columns: tuple[str, ...]
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", _names(self, self.columns, least=2))

    def __str__(self) -> str:
        return f"exactly one of {', '.join(map(str, self.columns))}"


@dataclass(frozen=True, kw_only=True, slots=True)
class NullTogether:
    """Some columns are missing in the same rows. Where one is missing, the others are emptied.

    Attributes:
        columns: Two or more modelled columns that are not required.
        description: Why, for people.
    """

    kind: ClassVar[str] = "nullTogether"
    columns: tuple[str, ...]
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", _names(self, self.columns, least=2))

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.columns))} missing together"


@dataclass(frozen=True, kw_only=True, slots=True)
class Implication:
    """Where one condition is true, another is not false. Both are written as in `Formula`.

    As with a CHECK in SQL, a missing value breaks nothing: `age < 15` is neither true nor false where the age
    is missing. To speak about missing values, use `missing(age)`.

    Attributes:
        when: A condition, for example `"age < 15"`; `"True"` for all rows.
        then: A condition, for example `"missing(income)"`.
        repair: What becomes of a row that breaks the rule: `write` makes `then` true where it says what to
            write (`missing(a)`, `a == 0`, or several of these joined by `and`), which keeps what `when` is
            about as frequent as the model has it; `redraw` draws the row again.
        description: Why, for people.
    """

    kind: ClassVar[str] = "implication"
    when: str
    then: str
    repair: Literal["write", "redraw"] = "write"
    description: str = ""

    def __post_init__(self) -> None:
        conditions_tree(self)
        if self.repair not in ("write", "redraw"):
            raise SchemaError(f"Rule {self}: expected repair to be 'write' or 'redraw', got {self.repair!r}.")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of both conditions."""
        return tuple(dict.fromkeys(columns_of(conditions_tree(self))))

    def __str__(self) -> str:
        return f"{self.then} when {self.when}"


@dataclass(frozen=True, kw_only=True, slots=True)
class UniqueKey:
    """No two rows have the same values in some columns. Rows with a missing value there are not compared.

    A single column that names rows is an `Identifier` and needs no rule.

    Attributes:
        columns: One or more modelled columns.
        description: Why, for people.
    """

    kind: ClassVar[str] = "uniqueKey"
    columns: tuple[str, ...]
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", _names(self, self.columns, least=1))

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.columns))}) unique"


Key = tuple[str | int | float | bool | None, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupTotal:
    """The numbers of a column add up, over the rows of each group, to a total that everybody knows.

    Control totals of a census, seats of a district, shares that add up to 100. After rows are drawn, the
    numbers of a group are moved on the steps of their column and within its bounds, as little as the total
    allows. Missing numbers stay missing and add nothing. Rows with a missing value in `by` belong to no
    group, unless that key is listed.

    Privacy: totals are declared from public knowledge: published figures, laws, the way a form works. A
        total that somebody computed from the private table is private, and no budget pays for it here.

    Attributes:
        column: A column of numbers (`Integer` or `Real`) with declared bounds.
        by: The columns whose values make a group; none for one group of all rows.
        totals: What groups add up to, by key: `{("north",): 12}`, or pairs of key and total. A key of one
            column needs no tuple; dates are ISO 8601, None is missing.
        total: What each group that is not listed adds up to; None leaves those groups as they are.
        repair: How numbers move: `scale` by their size, so that zeros stay while others can move; `shift`
            all by the same amount.
        description: Why, for people.

    Example:
        Districts have so many seats, and shares of a household add up to 100::

            GroupTotal(column="seats", by=("district",), totals={"north": 12, "south": 9})
            GroupTotal(column="share", by=("household",), total=100)
    """

    kind: ClassVar[str] = "groupTotal"
    column: str
    by: tuple[str, ...] = ()
    totals: Mapping[Any, Any] | Sequence[tuple[Any, Any]] = ()
    total: int | float | None = None
    repair: Literal["scale", "shift"] = "scale"
    description: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.column, str):
            raise SchemaError(f"GroupTotal: expected the name of a column, got {self.column!r}.")
        object.__setattr__(self, "by", _names(self, self.by, least=0))
        if self.column in self.by:
            raise SchemaError(
                f"GroupTotal: column {self.column!r} cannot make the groups that it adds up in."
            )
        object.__setattr__(self, "totals", _totals(self))
        if self.total is not None:
            object.__setattr__(self, "total", _finite(self, self.total))
        elif not self.totals:
            raise SchemaError(
                "GroupTotal: expected `totals` of groups, or one `total` for each, got neither."
            )
        if self.repair not in ("scale", "shift"):
            raise SchemaError(f"{self}: expected repair to be 'scale' or 'shift', got {self.repair!r}.")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that make groups, and last the one that is added up."""
        return (*self.by, self.column)

    def __str__(self) -> str:
        known = "known totals" if self.totals else f"{self.total}"
        return f"{self.column} adds up to {known}" + (
            f" by {', '.join(map(str, self.by))}" if self.by else ""
        )


PlainRule = InequalityChain | OneHot | NullTogether | Implication | UniqueKey
"""A rule that single rows, or rows with one key, break."""

RowRule = PlainRule | GroupTotal
"""A rule about values. All have `columns`, a `description`, and a text for people (`str`)."""


def conditions_tree(rule: Implication) -> Node:
    """Both conditions of an implication as one tree."""
    try:
        parts = (parse(rule.when, where="Condition `when`"), parse(rule.then, where="Condition `then`"))
    except ConfigurationError as error:
        raise SchemaError(f"Rule {rule}: {error}") from error
    return Node(op="implies", parts=parts)


def _totals(rule: GroupTotal) -> tuple[tuple[Key, int | float], ...]:
    """Pairs of a key and a total, in plain values."""
    given: Any = rule.totals.items() if isinstance(rule.totals, Mapping) else rule.totals
    pairs = [tuple(pair) for pair in given] if isinstance(given, Iterable) and not _text(given) else [()]
    if not all(len(pair) == 2 for pair in pairs):
        raise SchemaError("GroupTotal: expected totals as {key: total}, or as pairs of a key and a total.")
    found = tuple((_key(rule, key), _finite(rule, total)) for key, total in pairs)
    if len({key for key, _ in found}) < len(found):
        raise SchemaError("GroupTotal: expected each key once in totals.")
    return found


def _key(rule: GroupTotal, given: Any) -> Key:
    parts = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    plain = tuple(_plain(part) for part in parts)
    if len(plain) != len(rule.by) or not all(isinstance(p, (str, int, float, NoneType)) for p in plain):
        raise SchemaError(
            f"GroupTotal: expected keys with a plain value for each of {list(rule.by)}, got {given!r}."
        )
    return plain


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return value.isoformat() if isinstance(value, dt.date) else value


def _finite(rule: GroupTotal, total: Any) -> int | float:
    total = _plain(total)
    if isinstance(total, bool) or not isinstance(total, (int, float)) or not math.isfinite(total):
        raise SchemaError(f"GroupTotal of {rule.column!r}: expected totals that are numbers, got {total!r}.")
    return total


def _text(given: object) -> bool:
    return isinstance(given, (str, bytes))


def _names(rule: object, given: object, *, least: int) -> tuple[str, ...]:
    names = tuple(given) if isinstance(given, Iterable) and not _text(given) else (None,)
    if not all(isinstance(n, str) for n in names) or len(set(names)) != len(names) or len(names) < least:
        raise SchemaError(
            f"{type(rule).__name__}: expected {least} or more different columns, got {given!r}."
        )
    return names
