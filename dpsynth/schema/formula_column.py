"""A column that a formula gives: never measured, computed for each synthetic row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from dpsynth.errors import ConfigurationError
from dpsynth.schema.column import Column, refuse, require_one_of
from dpsynth.schema.formulas.syntax import Node, parse

__all__ = ["Formula", "expression_tree"]

_Outside = Literal["redraw", "clip", "missing"]
_LARGEST_PRECISION = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Formula(Column):
    """A number that follows from other columns by arithmetic. Never modelled, so it costs nothing.

    A column of the table can be declared so; its private values are not looked at. Synthetic rows get what
    the formula gives for their values, rounded to `precision`. Where a value that it needs is missing, or
    the result is no finite number (a division by zero), it is missing; with `required` such a row is
    drawn again.

    Attributes:
        expression: For example `"unit_price * quantity"`: arithmetic, comparisons, `and`, `or`, `not`,
            `where`, `min`, `max`, `round`, `missing`, names of modelled columns and of formulas before
            this one. A column whose name is no Python name is `col("its name")`.
        precision: Digits after the point; 0 makes whole numbers.
        minimum: No value is below.
        maximum: No value is above.
        out_of_domain: What becomes of a result outside the bounds: `redraw` draws the row again, so that
            the formula holds exactly; `clip` writes the nearest bound; `missing` writes none.

    Example:
        Sales are price times quantity::

            Formula(name="sales", expression="unit_price * quantity", precision=2)
    """

    kind: ClassVar[str] = "formula"
    expression: str
    precision: int = 2
    minimum: float | None = None
    maximum: float | None = None
    out_of_domain: _Outside = "redraw"

    def __post_init__(self) -> None:
        Column.__post_init__(self)
        require_one_of(self, "out_of_domain", self.out_of_domain, get_args(_Outside))
        if isinstance(self.precision, bool) or self.precision not in range(_LARGEST_PRECISION + 1):
            refuse(self, f"expected a precision from 0 to {_LARGEST_PRECISION}, got {self.precision!r}")
        for bound in (self.minimum, self.maximum):
            if bound is not None and not self._writable(bound):
                refuse(self, f"expected bounds with at most {self.precision} decimals, got {bound!r}")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            refuse(self, f"expected minimum <= maximum, got {self.minimum!r} and {self.maximum!r}")
        try:
            expression_tree(self)
        except ConfigurationError as error:
            refuse(self, str(error).partition(": ")[2].rstrip("."))

    def _writable(self, bound: object) -> bool:
        number = isinstance(bound, (int, float)) and not isinstance(bound, bool)
        return number and math.isfinite(bound) and round(bound, self.precision) == bound  # type: ignore[arg-type, call-overload]


def expression_tree(column: Formula) -> Node:
    """The expression of a column as a tree."""
    return parse(column.expression, where=f"Column {column.name!r}")
