"""Columns that hold an ordered quantity: integers, decimals, dates.

Each kind counts its values in whole *units* (ones, powers of ten, days ...), so that bounds, edges and
codes are decided in exact integers.
"""

from __future__ import annotations

import datetime as dt
import math
from abc import abstractmethod
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from dpsynth import _validate
from dpsynth.schema.canonical import seconds_of
from dpsynth.schema.column import (
    ModelledColumn,
    OutOfDomain,
    check_cell_count,
    plain_tuple,
    refuse,
    require_one_of,
    set_field,
)
from dpsynth.schema.lattice import (
    LARGEST_LATTICE,
    IntegerArray,
    Lattice,
    equal_cells,
    graded_cells,
    lattice,
)

__all__ = ["Datetime", "Integer", "NumericColumn", "Real", "Resolution"]

Array = np.ndarray[Any, Any]
Resolution = Literal["Y", "M", "D", "h", "m", "s"]

_DEFAULT_CELLS = 128  # so many values get a cell each by default
_LARGEST_PRECISION = 15
_BEYOND = 4 * LARGEST_LATTICE  # outside any bounds, and exact as a float


@dataclass(frozen=True, kw_only=True, slots=True)
class NumericColumn(ModelledColumn):
    """An ordered quantity in cells.

    Attributes:
        cells: Number of equal cells between the bounds. By default each value has a cell if there are at
            most 128. More get about 128 cells: half of equal widths, half finer near zero, with zero and
            both bounds alone; dates, and numbers whose bounds leave out zero, get equal widths.
        edges: m + 1 increasing edges of m cells, from the minimum to the maximum, instead of `cells`.
            A cell holds its lower edge and not its upper one, which only the last cell holds.
    """

    rules: ClassVar[tuple[OutOfDomain, ...]] = ("clip", "missing", "drop")
    default_cells: ClassVar[int] = _DEFAULT_CELLS
    out_of_domain: OutOfDomain = "clip"
    cells: int | None = None
    edges: tuple[Any, ...] | None = None
    minimum: Any = None
    maximum: Any = None
    _lattice: Lattice | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ModelledColumn.__post_init__(self)
        for bound in ("minimum", "maximum"):
            if getattr(self, bound) is not None:
                set_field(self, bound, self._exact(getattr(self, bound), bound))
        if self.edges is not None:
            edges = plain_tuple(self, "edges", self.edges)
            set_field(self, "edges", tuple(self._exact(edge, "every edge") for edge in edges))
        if self.cells is not None:
            check_cell_count(self, self.cells)
        if self.complete:
            set_field(self, "_lattice", self._build_lattice())
        elif self.edges is not None:
            refuse(self, "edges need a minimum and a maximum")

    def _build_lattice(self) -> Lattice:
        first, last = self._unit_of(self.minimum), self._unit_of(self.maximum)
        if first > last:
            refuse(self, f"expected minimum <= maximum, got {self.minimum!r} and {self.maximum!r}")
        if max(abs(first), abs(last)) > LARGEST_LATTICE:
            refuse(self, "expected bounds below 2^50 in units of the precision; lower the precision")
        if (last - first) % self._stride:
            refuse(
                self,
                f"expected a maximum that is a whole number of steps of {self._stride} above the minimum",
            )
        points = (last - first) // self._stride + 1
        if self.cells is not None and (self.edges is not None or self.cells > points):
            refuse(
                self, f"expected either edges or cells, and cells <= {points} values, got {self.cells} cells"
            )
        if self.edges is not None:
            units = [self._unit_of(edge) for edge in self.edges]
            self._check_edges(units, first, last)
            return lattice([(unit - first) // self._stride for unit in units[:-1]], points)
        if self.cells is not None or points <= self.default_cells:
            return equal_cells(points, self.cells or points)
        inside = self._has_zero and first <= 0 <= last and first % self._stride == 0
        zero = -first // self._stride if inside else None
        return graded_cells(points, zero, self.default_cells)

    def _check_edges(self, units: list[int], first: int, last: int) -> None:
        check_cell_count(self, len(units) - 1)
        # A maximum that is given twice has a cell of its own, as a top code needs.
        rising = units[:-1] if len(units) > 2 and units[-1] == units[-2] else units
        if any(later <= earlier for earlier, later in pairwise(rising)):
            refuse(self, "expected edges that increase (only the last one may be given twice)")
        if (units[0], units[-1]) != (first, last):
            refuse(self, f"expected edges from the minimum {self.minimum!r} to the maximum {self.maximum!r}")
        if any((unit - first) % self._stride for unit in units):
            refuse(self, f"expected edges that are whole steps of {self._stride} above the minimum")

    @property
    def complete(self) -> bool:
        """Whether both bounds are known."""
        return self.minimum is not None and self.maximum is not None

    @property
    def cell_count(self) -> int:
        """How many cells there are."""
        return self.lattice.cells

    @property
    def lattice(self) -> Lattice:
        """The admissible values, numbered from 0, in their cells.

        Raises:
            SchemaError: The bounds are not known yet.
        """
        if self._lattice is None:
            refuse(self, "its minimum and maximum are not known yet; declare them or buy them by discovery")
        return self._lattice

    def index_of(self, numbers: Array) -> Array:
        """The index in the lattice of each finite reading (see `encode.read_values`).

        It is negative below the minimum, and at least `lattice.points` above the maximum. A value
        between two admissible ones counts for the lower one.
        """
        with np.errstate(over="ignore"):  # an overflow is beyond the bounds, like any other large number
            units = np.clip(self._units(numbers), -_BEYOND, _BEYOND)
        index: Array = np.floor_divide(units - self._unit_of(self.minimum), self._stride)
        return index

    def values_at(self, index: IntegerArray) -> Array:
        """The values that have these indices."""
        return self._values(index * self._stride + self._unit_of(self.minimum))

    @property
    def _stride(self) -> int:
        return 1

    _has_zero: ClassVar[bool] = True

    @abstractmethod
    def _exact(self, value: Any, argument: str) -> Any:
        """A bound in its canonical type, or a SchemaError."""

    @abstractmethod
    def _unit_of(self, value: Any) -> int:
        """A bound in units, exactly."""

    @abstractmethod
    def _units(self, numbers: Array) -> Array:
        """Finite readings in whole units."""

    @abstractmethod
    def _values(self, units: IntegerArray) -> Array:
        """The values of whole units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Integer(NumericColumn):
    """Whole numbers from `minimum` in steps of `step` to `maximum`. Fractions are rounded."""

    kind: ClassVar[str] = "integer"
    minimum: int | None = None
    maximum: int | None = None
    edges: tuple[int, ...] | None = None
    step: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.step, bool) or not isinstance(self.step, int) or self.step < 1:
            refuse(self, f"expected a step that is an integer >= 1, got {self.step!r}")
        NumericColumn.__post_init__(self)

    @property
    def _stride(self) -> int:
        return self.step

    def _exact(self, value: Any, argument: str) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            refuse(self, f"expected {argument} to be an integer, got {value!r}")
        return int(value)

    def _unit_of(self, value: int) -> int:
        return value

    def _units(self, numbers: Array) -> Array:
        return np.rint(numbers)

    def _values(self, units: IntegerArray) -> Array:
        return units


@dataclass(frozen=True, kw_only=True, slots=True)
class Real(NumericColumn):
    """Decimals with `precision` digits after the point. Finer values are rounded to that."""

    kind: ClassVar[str] = "real"
    minimum: float | None = None
    maximum: float | None = None
    edges: tuple[float, ...] | None = None
    precision: int = 2

    def __post_init__(self) -> None:
        if self.precision not in range(_LARGEST_PRECISION + 1):
            refuse(
                self, f"expected a precision from 0 to {_LARGEST_PRECISION} decimals, got {self.precision!r}"
            )
        NumericColumn.__post_init__(self)

    def _exact(self, value: Any, argument: str) -> float:
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float, np.number))
            or not _validate.finite(float(value) if isinstance(value, np.number) else value)
        ):
            refuse(self, f"expected {argument} to be a finite number, got {value!r}")
        if round(float(value), self.precision) != value:
            refuse(self, f"expected {argument} with at most {self.precision} decimals, got {value!r}")
        return float(value)

    def _unit_of(self, value: float) -> int:
        units: int = round(Fraction(value) * 10**self.precision)
        return units

    def _units(self, numbers: Array) -> Array:
        return np.rint(numbers * 10.0**self.precision)

    def _values(self, units: IntegerArray) -> Array:
        return units / 10.0**self.precision


@dataclass(frozen=True, kw_only=True, slots=True)
class Datetime(NumericColumn):
    """Dates or moments at a resolution. Moments with a time zone are turned into UTC.

    Attributes:
        minimum: First moment, ISO 8601 text.
        maximum: Last moment, ISO 8601 text.
        resolution: Years, months, days, hours, minutes or seconds; finer parts are cut off.
        temporal: Whether the column is written as a date or as a moment.
        format: A `strptime` pattern of the texts; None means ISO 8601, which is always understood.
    """

    kind: ClassVar[str] = "datetime"
    _has_zero: ClassVar[bool] = False
    minimum: str | None = None
    maximum: str | None = None
    edges: tuple[str, ...] | None = None
    resolution: Resolution = "D"
    temporal: Literal["date", "datetime"] = "datetime"
    format: str | None = None

    def __post_init__(self) -> None:
        require_one_of(self, "resolution", self.resolution, get_args(Resolution))
        require_one_of(self, "temporal", self.temporal, ("date", "datetime"))
        if self.format is not None and not _is_pattern(self.format):
            refuse(self, f"expected a strptime pattern such as '%d/%m/%Y', got {self.format!r}")
        NumericColumn.__post_init__(self)

    def _exact(self, value: Any, argument: str) -> str:
        text = value.isoformat() if isinstance(value, dt.date) else value
        if not isinstance(text, str) or not math.isfinite(seconds_of(text)):
            refuse(self, f"expected {argument} to be a date in ISO 8601, such as '2024-12-31', got {value!r}")
        return text

    def _unit_of(self, value: str) -> int:
        return int(self._units(np.array([seconds_of(value)]))[0])

    def _units(self, numbers: Array) -> Array:
        moments = numbers.astype(np.int64).astype("datetime64[s]")
        return moments.astype(f"datetime64[{self.resolution}]").astype(np.int64)

    def _values(self, units: IntegerArray) -> Array:
        return units.astype(f"datetime64[{self.resolution}]").astype("datetime64[s]")


def _is_pattern(pattern: object) -> bool:
    """Whether a moment that is written with `pattern` is read back in its year."""
    example = dt.datetime(2001, 2, 3, 14, 5, 6, tzinfo=dt.UTC)
    if not isinstance(pattern, str):
        return False
    seconds = seconds_of(example.strftime(pattern), pattern)
    return 0 <= seconds - dt.datetime(2001, 1, 1, tzinfo=dt.UTC).timestamp() < 365 * 86_400
