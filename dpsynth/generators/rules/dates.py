"""Rules of dates: evenly between two, or some days after another one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from dpsynth import _validate
from dpsynth.generators.rules.columns import ColumnRule
from dpsynth.generators.rules.distributions import Distribution
from dpsynth.generators.rules.parts import Given, refuse
from dpsynth.schema.canonical import seconds_of
from dpsynth.schema.columns import Datetime
from dpsynth.schema.formulas.facts import Facts

__all__ = ["DateRule", "DelayRule"]

_DAY = 86_400.0
_CENTURY = 36_525.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DateRule(ColumnRule):
    """Dates or moments, all equally frequent between two.

    Attributes:
        minimum: First one, ISO 8601.
        maximum: Last one.
        resolution: Years, months, days, hours, minutes or seconds.
        business_days: Mondays to Fridays only.
    """

    kind: ClassVar[str] = "date"
    minimum: str
    maximum: str
    resolution: Literal["Y", "M", "D", "h", "m", "s"] = "D"
    business_days: bool = False

    def __post_init__(self) -> None:
        ColumnRule.__post_init__(self)
        for field in ("minimum", "maximum"):
            value = getattr(self, field)
            object.__setattr__(self, field, value.isoformat() if hasattr(value, "isoformat") else value)
        self.column()  # has the checks of a schema
        if self.business_days and self.resolution != "D":
            refuse(self.name, f"business days have the resolution 'D', got {self.resolution!r}")
        if self.business_days and not len(self.days()):
            refuse(self.name, "there is no business day between its minimum and its maximum; move them apart")

    def column(self) -> Datetime:
        """The column of a schema with these bounds."""
        return Datetime(
            name=self.name, minimum=self.minimum, maximum=self.maximum, resolution=self.resolution
        )

    def days(self) -> np.ndarray[Any, Any]:
        """All business days between the bounds."""
        first, last = (
            np.datetime64(int(seconds_of(end)), "s").astype("datetime64[D]")
            for end in (self.minimum, self.maximum)
        )
        every = np.arange(first, last + 1)
        return every[np.is_busday(every)]

    def _facts(self, known: Mapping[str, Facts]) -> Facts:  # noqa: ARG002 - needs no other column
        column = self.column()
        ends = column.values_at(np.array([0, column.lattice.points - 1])).astype(np.int64)
        return Facts(kind="date", low=float(ends[0]), high=float(ends[1]), resolution=self.resolution)


@dataclass(frozen=True, kw_only=True, slots=True)
class DelayRule(ColumnRule):
    """A date some days after another one; missing where that one is.

    Attributes:
        start: An earlier column of dates.
        days: Distribution of the number of days; fractions are cut to the resolution of `start`.
        minimum: Fewest days.
        maximum: Most days.
        business_days: Days are counted from Monday to Friday, and none ends on another day.
        given: Other parameters for some values of earlier columns.
    """

    kind: ClassVar[str] = "delay"
    start: str
    days: Distribution
    minimum: float = 0.0
    maximum: float | None = None
    business_days: bool = False
    given: Given | None = None

    def __post_init__(self) -> None:
        ColumnRule.__post_init__(self)
        _validate.number(f"minimum of column {self.name!r}", self.minimum)
        if (
            self.maximum is not None
            and _validate.number(f"maximum of column {self.name!r}", self.maximum) < self.minimum
        ):
            refuse(self.name, f"expected minimum <= maximum, got {self.minimum} and {self.maximum}")

    def distributions(self) -> tuple[Distribution, ...]:
        """The distribution of each case, and last the default."""
        cases = self.given.cases if self.given is not None else ()
        return (*(self.days.changed(case.parameters or ()) for case in cases), self.days)

    @property
    def bounds(self) -> tuple[float, float]:
        """Fewest and most days; a distribution that has no end is cut after 100 years."""
        return self.minimum, _CENTURY if self.maximum is None else self.maximum

    def _facts(self, known: Mapping[str, Facts]) -> Facts:
        start = known.get(self.start)
        if start is None or start.kind != "date":
            refuse(
                self.name,
                f"expected an earlier column of dates as start, got {self.start!r}; reorder the columns",
            )
        if self.business_days and start.resolution != "D":
            refuse(self.name, f"business days need a start of resolution 'D', not {start.resolution!r}")
        if self.given is not None:
            if any(case.parameters is None for case in self.given.cases):
                refuse(self.name, "expected `parameters` in each case of `given`")
            self.given.check(self.name, known)
        for law in self.distributions():
            law.check()
            law.quantiles(np.array([0.5]), *self.bounds)
        highest = max(law.support()[1] for law in self.distributions())
        low, high = self.bounds[0], min(self.bounds[1], highest)
        if self.business_days:
            ends = [
                np.busday_offset(
                    np.datetime64(int(end), "s").astype("datetime64[D]"), math.floor(days), roll="forward"
                )
                for end, days in ((start.low, low), (start.high, high))
            ]
            seconds = [float(end.astype("datetime64[s]").astype(np.int64)) for end in ends]
        else:
            seconds = [start.low + low * _DAY, start.high + high * _DAY]
        return replace(start, low=seconds[0], high=seconds[1])
