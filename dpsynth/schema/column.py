"""What all columns have in common, and the checks that they share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NoReturn, get_args

import numpy as np

from dpsynth.errors import SchemaError

__all__ = [
    "MOST_CELLS",
    "Column",
    "ModelledColumn",
    "Origin",
    "OutOfDomain",
    "check_cell_count",
    "plain_tuple",
    "refuse",
    "require_one_of",
    "set_field",
]

Origin = Literal["declared", "dp", "assumed"]
OutOfDomain = Literal["clip", "missing", "other", "drop"]

MOST_CELLS = 65_535


def refuse(column: Column, message: str) -> NoReturn:
    """Raise a `SchemaError` that names the column."""
    raise SchemaError(f"Column {column.name!r}: {message}.")


def require_one_of(column: Column, argument: str, value: object, allowed: Iterable[object]) -> None:
    """Refuse a `value` that is not among `allowed`."""
    choices = list(allowed)
    if value not in choices:
        refuse(column, f"expected {argument} to be one of {choices}, got {value!r}")


def check_cell_count(column: Column, count: object) -> None:
    """Refuse a number of cells that is not between 1 and `MOST_CELLS`."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_CELLS:
        refuse(column, f"expected between 1 and {MOST_CELLS} cells or categories, got {count!r}; merge some")


def plain_tuple(column: Column, argument: str, values: object) -> tuple[Any, ...]:
    """`values` as a tuple of plain Python values, so that a column is hashable and writes to JSON."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        refuse(column, f"expected {argument} to be a list, got {values!r}")
    return tuple(value.item() if isinstance(value, np.generic) else value for value in values)


def set_field(column: Column, field: str, value: object) -> None:
    """Store the canonical form of a field; only `__post_init__` may call this on a frozen column."""
    object.__setattr__(column, field, value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """What every column has.

    Attributes:
        name: Name of the column in the table.
        title: A short heading for people.
        description: What the column means.
        required: No value may be missing: the column has no code for missing values, and a row
            without a value is dropped (or counted as "other" where the column has that code).
        origin: Where categories or bounds come from: `declared` from public knowledge, `dp` bought
            from the budget, `assumed` from a look at the data, which bars certification.
        missing_values: Texts that mean "missing" here; None takes those of the schema.
    """

    kind: ClassVar[str] = ""
    name: str
    title: str = ""
    description: str = ""
    required: bool = False
    origin: Origin = "declared"
    missing_values: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise SchemaError(f"Expected every column to have a name that is not empty, got {self.name!r}.")
        require_one_of(self, "origin", self.origin, get_args(Origin))
        if self.missing_values is not None:
            set_field(self, "missing_values", plain_tuple(self, "missing_values", self.missing_values))

    @property
    def complete(self) -> bool:
        """Whether everything is declared that modelling needs."""
        return True


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelledColumn(Column):
    """A column that has codes.

    Attributes:
        out_of_domain: What becomes of a value outside the declared domain: `clip` to the nearest
            bound, count as `missing`, count as `other`, or `drop` the row. A value that cannot be
            read at all is missing, unless the rule is `other` or `drop`. Every rule looks at one row.
    """

    rules: ClassVar[tuple[OutOfDomain, ...]] = ("missing", "drop")
    out_of_domain: OutOfDomain = "missing"

    def __post_init__(self) -> None:
        Column.__post_init__(self)
        require_one_of(self, "out_of_domain", self.out_of_domain, self.rules)

    @property
    @abstractmethod
    def cell_count(self) -> int:
        """How many codes stand for values of the domain.

        Raises:
            SchemaError: Categories or bounds are not known yet.
        """

    @property
    def other_code(self) -> int | None:
        """The code of values outside the domain, if there is one."""
        return self.cell_count if self.out_of_domain == "other" else None

    @property
    def missing_code(self) -> int | None:
        """The code of missing values, the last one; None if a value is required."""
        return None if self.required else self.cell_count + (self.out_of_domain == "other")

    @property
    def size(self) -> int:
        """How many codes there are."""
        return self.cell_count + (self.out_of_domain == "other") + (not self.required)
