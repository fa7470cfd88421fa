"""Rules about the values of one row, or of all rows, that synthetic tables obey without exception.

Beside constraints (see `constraints`), which speak about codes and are held inside a model, rules speak about
values: a date before another, a condition on amounts. They are enforced on the rows that a model draws,
whatever the method: by redrawing values inside their cells, by small repairs, and by drawing rows again.
That is post-processing of a model that is paid for; it costs nothing.

People declare rules from public knowledge; nothing here is ever learned from rows. The rows of the private
table are not checked against them: they are counted as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from dpsynth.errors import ConfigurationError, SchemaError
from dpsynth.schema.formulas.syntax import Node, columns_of, parse

__all__ = [
    "Implication",
    "InequalityChain",
    "NullTogether",
    "OneHot",
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


RowRule = InequalityChain | OneHot | NullTogether | Implication | UniqueKey
"""A rule about values. All have `columns`, a `description`, and a text for people (`str`)."""


def conditions_tree(rule: Implication) -> Node:
    """Both conditions of an implication as one tree."""
    try:
        parts = (parse(rule.when, where="Condition `when`"), parse(rule.then, where="Condition `then`"))
    except ConfigurationError as error:
        raise SchemaError(f"Rule {rule}: {error}") from error
    return Node(op="implies", parts=parts)


def _names(rule: object, given: object, *, least: int) -> tuple[str, ...]:
    names = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else ()
    if not all(isinstance(n, str) for n in names) or len(set(names)) != len(names) or len(names) < least:
        raise SchemaError(
            f"{type(rule).__name__}: expected {least} or more different columns, got {given!r}."
        )
    return names
