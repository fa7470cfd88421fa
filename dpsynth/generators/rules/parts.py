"""What several kinds of columns have in common: gaps, and rules that depend on earlier columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.schema.formulas.evaluation import Values
from dpsynth.schema.formulas.facts import Facts, facts_of
from dpsynth.schema.formulas.syntax import Node, parse

__all__ = ["Case", "Given", "Missing", "cases_of", "condition", "listed", "quoted", "refuse", "weights_of"]

Array = np.ndarray[Any, Any]
Scalar = str | int | float | bool | None
_MOST_PARENTS = 2


def refuse(name: str, message: str) -> NoReturn:
    """Raise a `ConfigurationError` that names the column."""
    raise ConfigurationError(f"Column {name!r}: {message}.")


def quoted(name: str) -> str:
    """A column as formulas write it, whatever its name is."""
    return f"col({json.dumps(name, ensure_ascii=False)})"


def listed(name: str, argument: str, values: object) -> tuple[Any, ...]:
    """`values` as a tuple of plain values; a text is no list."""
    if isinstance(values, (str, Mapping)) or not isinstance(values, Sequence | np.ndarray):
        refuse(name, f"expected {argument} to be a list, got {values!r}")
    return tuple(value.item() if isinstance(value, np.generic) else value for value in values)


def weights_of(name: str, weights: object, count: int) -> tuple[float, ...]:
    """Weights >= 0, one for each category, not all zero."""
    checked = tuple(
        _validate.non_negative(f"every weight of column {name!r}", weight)
        for weight in listed(name, "weights", weights)
    )
    if len(checked) != count or not 0 < sum(checked) < float("inf"):
        refuse(name, f"expected {count} weights, one for each category and not all of them 0, got {checked}")
    return checked


def condition(name: str, text: str, known: Mapping[str, Facts]) -> Node:
    """A condition over known columns."""
    node, where = parse(text, where=f"Column {name!r}"), f"Column {name!r}"
    if facts_of(node, known, where=where).kind != "truth":
        refuse(name, f"expected a condition such as 'age >= 18', got {text!r}")
    return node


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """How often values are missing.

    Attributes:
        share: The share of rows without a value, where the condition holds.
        when: A condition over earlier columns and the column itself; None means everywhere.
        otherwise: The share where the condition does not hold or is not known.
    """

    share: float
    when: str | None = None
    otherwise: float = 0.0

    def __post_init__(self) -> None:
        for field in ("share", "otherwise"):
            if not 0 <= _validate.number(f"missing: {field}", getattr(self, field)) <= 1:
                raise ConfigurationError(
                    f"Expected missing: {field} from 0 to 1, got {getattr(self, field)}."
                )
        if self.when is not None:
            parse(self.when, where="The condition of missing values")

    @property
    def possible(self) -> bool:
        """Whether there can be a gap at all."""
        return self.share > 0 or (self.when is not None and self.otherwise > 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What holds for some values of earlier columns.

    Attributes:
        values: One value for each of the columns of `Given`; None is a missing value.
        weights: For categories, the weights instead of those of the column.
        parameters: For numbers, parameters of the distribution that replace those of the column.
    """

    values: tuple[Scalar, ...] | Scalar
    weights: tuple[float, ...] | None = None
    parameters: Mapping[str, float] | tuple[tuple[str, float], ...] | None = None

    def __post_init__(self) -> None:
        given = self.values if isinstance(self.values, tuple | list) else (self.values,)
        object.__setattr__(self, "values", tuple(given))
        if self.weights is not None:
            object.__setattr__(self, "weights", tuple(self.weights))
        if self.parameters is not None:
            object.__setattr__(self, "parameters", tuple(sorted(dict(self.parameters).items())))
        if (self.weights is None) == (self.parameters is None):
            raise ConfigurationError(f"Expected weights or parameters in the case of {list(self.key)!r}.")

    @property
    def key(self) -> tuple[Scalar, ...]:
        """The values of the earlier columns."""
        return self.values if isinstance(self.values, tuple) else (self.values,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """A table of rules by the values of one or two earlier columns.

    Rows that no case names follow the column's own weights or parameters: that is the default.

    Attributes:
        columns: Earlier columns of categories, truth values or numbers.
        cases: Different values, and what holds for them.
    """

    columns: tuple[str, ...] | str
    cases: tuple[Case, ...]

    def __post_init__(self) -> None:
        columns = (self.columns,) if isinstance(self.columns, str) else tuple(self.columns)
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "cases", tuple(self.cases))
        if not 1 <= len(set(columns)) == len(columns) <= _MOST_PARENTS or not self.cases:
            raise ConfigurationError(
                f"Expected one or two different columns and at least one case, got {list(columns)}; "
                "for more columns, derive one column from them first."
            )
        keys = [case.key for case in self.cases]
        if any(len(key) != len(columns) for key in keys) or len(set(keys)) < len(keys):
            raise ConfigurationError(
                f"Expected one value of {list(columns)} in each case, and no case twice."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The earlier columns."""
        return tuple(self.columns)

    def check(self, name: str, known: Mapping[str, Facts]) -> None:
        """Refuse columns that do not come before, and values that they cannot have."""
        for place, column in enumerate(self.names):
            facts = known.get(column)
            if facts is None or facts.kind not in ("text", "number", "truth"):
                refuse(
                    name,
                    f"its rules are given {column!r}, which is no earlier column of categories or numbers; "
                    f"reorder the columns, or choose from {list(known)}",
                )
            for value in (case.key[place] for case in self.cases):
                if value is not None and not _can_be(value, facts):
                    refuse(
                        name,
                        f"its case {value!r} of column {column!r} can never occur there; correct the value",
                    )


def _can_be(value: Scalar, facts: Facts) -> bool:
    if facts.kind == "text":
        return isinstance(value, str) and value in facts.texts
    if facts.kind == "truth":
        return isinstance(value, bool)
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and facts.low <= value <= facts.high
    )


def cases_of(given: Given | None, columns: Mapping[str, Values], rows: int) -> Array:
    """The number of the case of each row; -1 where the default holds."""
    found = np.full(rows, -1, dtype=np.int64)
    for number, case in enumerate(() if given is None else given.cases):
        matches = np.ones(rows, dtype=bool)
        for column, value in zip(given.names if given else (), case.key, strict=True):
            matches &= _equal(columns[column], value)
        found[matches] = number
    return found


def _equal(values: Values, wanted: Scalar) -> Array:
    if wanted is None:
        return values.gaps
    if values.kind == "text":
        wanted = values.texts.index(str(wanted))
    return np.asarray((values.data == wanted) & ~values.gaps)
