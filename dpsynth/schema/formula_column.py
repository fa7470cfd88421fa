"""A column that a formula gives: never measured, computed for each synthetic row."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from dpsynth.errors import ConfigurationError
from dpsynth.schema.canonical import seconds_of
from dpsynth.schema.column import Column, refuse, require_one_of, set_field
from dpsynth.schema.formulas.evaluation import floor_to
from dpsynth.schema.formulas.syntax import Node, parse
from dpsynth.schema.numeric import Resolution

__all__ = ["Formula", "Result", "expression_tree", "formula_bounds"]

Result = Literal["number", "date", "truth"]
_Outside = Literal["redraw", "clip", "missing"]
_LARGEST_PRECISION = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Formula(Column):
    """A number, a date or a truth value that follows from other columns. Never modelled, so it costs nothing.

    A column of the table can be declared so; its private values are not looked at. Synthetic rows get what
    the formula gives for their values: numbers rounded to `precision`, dates cut to `resolution`. Where a
    value that it needs is missing, or the result is no finite number (a division by zero) or no date of the
    years 1 to 9999, it is missing; with `required` such a row is drawn again.

    Attributes:
        expression: For example `"unit_price * quantity"`: arithmetic, comparisons, `and`, `or`, `not`,
            `where`, `min`, `max`, `round`, `missing`, names of modelled columns and of formulas before
            this one. A column whose name is no Python name is `col("its name")`. A date takes a number of
            days, as in `"admitted + stay"` or `"admitted + hours(36)"`.
        result: What it gives: a `number`, a `date`, or a `truth` value such as `"age >= 18"`.
        precision: Of numbers, the digits after the point; 0 makes whole numbers.
        resolution: Of dates: years, months, days, hours, minutes or seconds; finer parts are cut off.
        minimum: No number or date (ISO 8601) is below; truth values have no bounds.
        maximum: No number or date is above.
        out_of_domain: What becomes of a result outside the bounds: `redraw` draws the row again, so that
            the formula holds exactly; `clip` writes the nearest bound; `missing` writes none.

    Example:
        Sales are price times quantity, and an invoice is due in a month::

            Formula(name="sales", expression="unit_price * quantity", precision=2)
            Formula(name="due", expression="add_months(sent, 1)", result="date")
            Formula(name="late", expression="paid > due", result="truth")
    """

    kind: ClassVar[str] = "formula"
    expression: str
    result: Result = "number"
    precision: int = 2
    resolution: Resolution = "D"
    minimum: float | str | None = None
    maximum: float | str | None = None
    out_of_domain: _Outside = "redraw"

    def __post_init__(self) -> None:
        Column.__post_init__(self)
        require_one_of(self, "result", self.result, get_args(Result))
        require_one_of(self, "resolution", self.resolution, get_args(Resolution))
        require_one_of(self, "out_of_domain", self.out_of_domain, get_args(_Outside))
        if isinstance(self.precision, bool) or self.precision not in range(_LARGEST_PRECISION + 1):
            refuse(self, f"expected a precision from 0 to {_LARGEST_PRECISION}, got {self.precision!r}")
        if (self.result != "number" and self.precision != 2) or (
            self.result != "date" and self.resolution != "D"
        ):
            refuse(self, "precision is for numbers and resolution for dates; leave out what does not apply")
        for name in ("minimum", "maximum"):
            set_field(self, name, self._bound(getattr(self, name)))
        low, high = formula_bounds(self)
        if low > high:
            refuse(self, f"expected minimum <= maximum, got {self.minimum!r} and {self.maximum!r}")
        try:
            expression_tree(self)
        except ConfigurationError as error:
            refuse(self, str(error).partition(": ")[2].rstrip("."))

    def _bound(self, bound: Any) -> float | str | None:
        """A bound in its canonical type: it is a value that can be written."""
        if bound is None:
            return None
        if self.result == "truth":
            refuse(self, f"truth values have no bounds, got {bound!r}")
        if self.result == "date":
            return self._moment(bound)
        number = isinstance(bound, (int, float)) and not isinstance(bound, bool) and math.isfinite(bound)
        if not number or round(bound, self.precision) != bound:
            refuse(self, f"expected bounds with at most {self.precision} decimals, got {bound!r}")
        return float(bound) if isinstance(bound, float) else int(bound)

    def _moment(self, bound: Any) -> str:
        text = bound.isoformat() if isinstance(bound, dt.date) else bound
        seconds = seconds_of(text) if isinstance(text, str) else math.inf
        if not math.isfinite(seconds):
            refuse(self, f"expected bounds that are dates in ISO 8601, such as '2024-12-31', got {bound!r}")
        if floor_to(np.array([seconds]), self.resolution)[0] != seconds:
            refuse(self, f"expected bounds at the resolution {self.resolution!r}, got {bound!r}")
        return str(text)


def expression_tree(column: Formula) -> Node:
    """The expression of a column as a tree."""
    return parse(column.expression, where=f"Column {column.name!r}")


def formula_bounds(column: Formula) -> tuple[float, float]:
    """The bounds as numbers, or for dates as seconds from 1970; infinite where there are none."""
    low, high = (
        seconds_of(bound) if isinstance(bound, str) else bound for bound in (column.minimum, column.maximum)
    )
    return (-math.inf if low is None else low, math.inf if high is None else high)
