"""What rows obey for reasons known beforehand: values exclude each other, columns follow from others.

People declare constraints from public knowledge (a code book, a law of nature, the way a form is filled in);
nothing here is ever learned from rows. A constraint is about codes: a range of numbers stands for the cells
inside it, and a range that cuts a cell in two is refused.

Privacy: rows that violate a constraint are counted as they are. Each code stays a function of its row alone
(pitfalls P07, P39); it is the model that never produces such rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, ClassVar, NoReturn

import numpy as np

from dpsynth import _validate
from dpsynth.errors import SchemaError

__all__ = [
    "Choice",
    "Combination",
    "Constraint",
    "Entry",
    "FunctionalDependency",
    "ImpossibleCombinations",
    "Scalar",
    "refuse_constraint",
]

Scalar = str | int | float | bool
"""A value: a category, a number, a date in ISO 8601, or the label of "other"."""

Choice = Scalar | tuple[Scalar | None, Scalar | None] | None
Entry = Choice | EllipsisType | frozenset[Choice]
"""What a constraint says about one column: a value; None for missing; a pair (low, high) for the numbers or
dates from `low` to `high`, both included, where None leaves an end open; a set of these for any of them; or
`...` for every code of the column, missing and "other" included. A list is read as a set."""

Combination = tuple[Entry, ...]

_MOST_COLUMNS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class ImpossibleCombinations:
    """Values of two to four columns that cannot occur together: structural zeros.

    Attributes:
        columns: Names of modelled columns.
        combinations: What cannot be: each a tuple with one `Entry` for each column.
        allowed: Instead of `combinations`, all that can be.
        description: Why, for people.

    Example:
        Nobody under 15 has a marital status, so theirs is missing::

            ImpossibleCombinations(columns=("age", "status"), allowed=[((0, 14), None), ((15, None), ...)])
    """

    kind: ClassVar[str] = "impossibleCombinations"
    columns: tuple[str, ...]
    combinations: Sequence[Any] | None = None
    allowed: Sequence[Any] | None = None
    description: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", _names(self.columns, least=2, most=_MOST_COLUMNS))
        if (self.combinations is None) == (self.allowed is None):
            refuse_constraint(
                self.columns, "expected either `combinations` that cannot be, or all `allowed` ones"
            )
        for field in ("combinations", "allowed"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, _combinations(self.columns, getattr(self, field)))


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionalDependency:
    """A column whose value follows from those of others.

    The mapping is total: it says, in its lines or by its default, what every combination of codes of the
    determinants leads to. Codes for missing values and for "other" are no exception: they are named, as None
    and by the label of "other", or left to the default.

    Attributes:
        determinants: One to three modelled columns whose values fix the dependent one.
        dependent: The modelled column that follows.
        mapping: For combinations of values of the determinants, one entry for each, the value of the
            dependent: a category, None for missing, a number or date that is alone in its cell, or a pair
            (low, high) that is one cell. Given as a mapping, or as pairs, which is how it is kept. With one
            determinant the entry may stand without the tuple around it. Lines may overlap if they agree.
        default: The value for all that no line names; `...` declares none.
        description: Why, for people.

    Example:
        A city lies in one state::

            FunctionalDependency(determinants=("city",), dependent="state",
                                 mapping={"Boston": "MA", "Salem": "MA", "Reno": "NV"}, default=None)
    """

    kind: ClassVar[str] = "functionalDependency"
    determinants: tuple[str, ...]
    dependent: str
    mapping: Mapping[Any, Any] | Sequence[tuple[Any, Any]]
    default: Choice | EllipsisType = ...
    description: str = ""

    def __post_init__(self) -> None:
        names = _names(self.determinants, least=1, most=_MOST_COLUMNS - 1)
        object.__setattr__(self, "determinants", names)
        if not isinstance(self.dependent, str) or self.dependent in names:
            refuse_constraint(names, f"expected one other column as the dependent, got {self.dependent!r}")
        lines = _lines(self.columns, self.mapping)
        keys = _combinations(names, [_wrapped(key, len(names)) for key, _ in lines])
        values = [_choice(self.columns, value) for _, value in lines]
        object.__setattr__(self, "mapping", tuple(zip(keys, values, strict=True)))
        if self.default is not ...:
            object.__setattr__(self, "default", _choice(self.columns, self.default))

    @property
    def columns(self) -> tuple[str, ...]:
        """The determinants, then the dependent."""
        return (*self.determinants, self.dependent)


Constraint = ImpossibleCombinations | FunctionalDependency
"""Structural zeros, or a column that follows from others. Both have `columns`."""


def refuse_constraint(columns: Sequence[str], message: str) -> NoReturn:
    """Raise a `SchemaError` that names the columns of a constraint."""
    raise SchemaError(f"Constraint on {list(columns)}: {message}.")


def _names(given: object, *, least: int, most: int) -> tuple[str, ...]:
    names = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else ()
    texts = all(isinstance(name, str) for name in names)
    if not texts or len(set(names)) != len(names) or not least <= len(names) <= most:
        raise SchemaError(f"Expected {least} to {most} different columns in a constraint, got {given!r}.")
    return names


def _lines(columns: Sequence[str], given: Any) -> list[tuple[Any, Any]]:
    listed = isinstance(given, Iterable) and not isinstance(given, str)
    lines: list[Any] = list(given.items() if isinstance(given, Mapping) else given) if listed else [None]
    if not all(isinstance(line, (tuple, list)) and len(line) == 2 for line in lines):
        refuse_constraint(columns, "expected a mapping from combinations to values")
    return lines


def _wrapped(key: Any, columns: int) -> Any:
    """A key of a mapping as a combination: (low, high) alone is the range of one determinant."""
    return key if columns > 1 or (isinstance(key, (tuple, list)) and len(key) == 1) else (key,)


def _combinations(columns: Sequence[str], given: Any) -> tuple[Combination, ...]:
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        refuse_constraint(columns, f"expected a list of combinations, got {given!r}")
    combinations = []
    for combination in given:
        if not isinstance(combination, (tuple, list)) or len(combination) != len(columns):
            refuse_constraint(columns, f"expected one entry for each column, got {combination!r}")
        combinations.append(tuple(_entry(columns, entry) for entry in combination))
    return tuple(combinations)


def _entry(columns: Sequence[str], entry: Any) -> Entry:
    if entry is ...:
        return ...
    if isinstance(entry, (list, set, frozenset)):
        if not entry:
            refuse_constraint(columns, "expected at least one value in a list")
        return frozenset(_choice(columns, item) for item in entry)
    return _choice(columns, entry)


def _choice(columns: Sequence[str], value: Any) -> Choice:
    if isinstance(value, tuple):
        if len(value) != 2:
            refuse_constraint(columns, f"expected (low, high) as a range, or a list of values, got {value!r}")
        low, high = (_scalar(columns, end) for end in value)
        return (low, high)
    return _scalar(columns, value)


def _scalar(columns: Sequence[str], value: Any) -> Scalar | None:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, dt.date):  # also datetime
        return plain.isoformat()
    if isinstance(plain, (int, float)) and _validate.finite(plain):
        return plain
    if plain is not None and not isinstance(plain, str):
        refuse_constraint(columns, f"expected a text, a finite number, a date or None, got {value!r}")
    return plain
