"""Columns that follow from others by a formula."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, get_args

import numpy as np

from dpsynth import _validate
from dpsynth.generators.rules.columns import MOST_DECIMALS, ColumnRule
from dpsynth.generators.rules.parts import refuse
from dpsynth.schema.formulas.evaluation import Values, floor_to
from dpsynth.schema.formulas.facts import Facts, facts_of
from dpsynth.schema.formulas.syntax import parse
from dpsynth.schema.numeric import Resolution

__all__ = ["LARGEST_UNITS", "DerivedRule", "written"]

LARGEST_UNITS = 2.0**53
"""Beyond, whole numbers are not exact as floats: such a result is missing, as in a schema's formulas."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DerivedRule(ColumnRule):
    """A column that follows from earlier ones by a formula; missing where what it needs is missing.

    Attributes:
        formula: For example `price * quantity * (1 - discount)`, or `where(age < 18, "child", "adult")`.
        decimals: Digits after the point, for numbers.
        minimum: No number is below: rows that break this are drawn again.
        maximum: No number is above.
        resolution: Of dates; finer parts are cut off. None leaves that of the formula.
    """

    kind: ClassVar[str] = "derived"
    formula: str
    decimals: int = 2
    minimum: float | None = None
    maximum: float | None = None
    resolution: Resolution | None = None

    def __post_init__(self) -> None:
        ColumnRule.__post_init__(self)
        parse(self.formula, where=f"Column {self.name!r}")
        if self.decimals not in range(MOST_DECIMALS + 1):
            refuse(self.name, f"expected decimals from 0 to {MOST_DECIMALS}, got {self.decimals!r}")
        if self.resolution not in (None, *get_args(Resolution)):
            refuse(
                self.name, f"expected a resolution of {list(get_args(Resolution))}, got {self.resolution!r}"
            )
        for field in ("minimum", "maximum"):
            value = getattr(self, field)
            if (
                value is not None
                and round(_validate.number(f"{field} of column {self.name!r}", value), self.decimals) != value
            ):
                refuse(self.name, f"expected a {field} with at most {self.decimals} decimals, got {value}")

    def _facts(self, known: Mapping[str, Facts]) -> Facts:
        where = f"Column {self.name!r}"
        found = facts_of(parse(self.formula, where=where), known, where=where)
        if found.kind == "free":
            refuse(self.name, "a key or a free text cannot be copied by a formula")
        if found.kind != "number":
            if self.minimum is not None or self.maximum is not None:
                refuse(self.name, "minimum and maximum are for formulas that give numbers; use a constraint")
            if self.resolution is None:
                return found
            if found.kind != "date":
                refuse(self.name, "a resolution is for formulas that give dates; leave it out")
            return replace(found, resolution=self.resolution)
        scale = 10.0**self.decimals
        low, high = (
            turn(round(end * scale, 3)) / scale if math.isfinite(end) else end
            for end, turn in ((found.low, math.floor), (found.high, math.ceil))
        )
        low = low if self.minimum is None else max(low, self.minimum)
        high = high if self.maximum is None else min(high, self.maximum)
        if low > high:
            refuse(
                self.name, f"its formula gives values from {found.low} to {found.high}, outside its bounds"
            )
        exact = max(abs(low), abs(high)) * scale <= LARGEST_UNITS
        return replace(found, low=low, high=high, gaps=found.gaps or not exact)


def written(rule: DerivedRule, facts: Facts, found: Values) -> Values:
    """The result of a formula as it stands in the table: rounded, or cut to its resolution."""
    data, gaps, scale = found.data, found.gaps, 10.0**rule.decimals
    if found.kind == "number":
        with np.errstate(all="ignore"):
            gaps = gaps | ~(np.abs(data) * scale <= LARGEST_UNITS)
            data = np.rint(np.where(gaps, 0.0, data) * scale) / scale + 0.0
    elif found.kind == "date":
        data = floor_to(np.where(found.gaps, 0.0, data), facts.resolution)
    elif found.kind == "text":  # a formula may name its texts in another order than the schema
        data = np.array([facts.texts.index(text) for text in found.texts])[data]
    return Values(kind=found.kind, data=data, gaps=gaps, texts=facts.texts)
