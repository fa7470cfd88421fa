"""The columns of a schema that declare what rules give."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from dpsynth.generators.rules.columns import CategoryRule, ColumnRule, KeyRule, NumberRule
from dpsynth.generators.rules.derived import DerivedRule
from dpsynth.generators.rules.parts import refuse
from dpsynth.schema.columns import Boolean, Categorical, Column, Datetime, Identifier, Integer, Real, Text
from dpsynth.schema.formulas.facts import Facts

__all__ = ["decimals_of", "schema_column"]


def schema_column(rule: ColumnRule, facts: Facts, *, bounded: bool = True) -> Column:
    """The column of a schema that declares what a rule gives.

    Args:
        rule: The rule.
        facts: What it gives.
        bounded: Whether bounds are wanted; without, the column can only read values.

    Raises:
        ConfigurationError: Bounds are wanted and there are none.
    """
    name, required = rule.name, not facts.gaps
    if isinstance(rule, KeyRule):
        return Identifier(name=name, pattern=rule.pattern, required=True)
    if facts.kind == "free":
        return Text(name=name)
    if facts.kind == "truth":
        return Boolean(name=name, required=required)
    if isinstance(rule, CategoryRule):
        return Categorical(name=name, categories=rule.values, ordered=rule.ordered, required=required)
    if facts.kind == "text":
        return Categorical(name=name, categories=facts.texts, required=required)
    return _ordered_column(rule, facts, required, bounded=bounded)


def decimals_of(rule: ColumnRule) -> int:
    """Digits after the point of a rule that gives numbers."""
    if isinstance(rule, NumberRule):
        return rule.places
    return rule.decimals if isinstance(rule, DerivedRule) else 0


def _ordered_column(rule: ColumnRule, facts: Facts, required: bool, *, bounded: bool) -> Column:
    if bounded and not math.isfinite(facts.high - facts.low):
        refuse(rule.name, "a schema needs bounds and its values have none; give it a minimum and a maximum")
    if facts.kind == "date":
        return _date_column(rule.name, facts, required, bounded=bounded)
    low, high = (facts.low, facts.high) if bounded else (None, None)
    places = decimals_of(rule)
    if places == 0:
        step = int(rule.stride) if isinstance(rule, NumberRule) else 1
        ends = [None if end is None else int(end) for end in (low, high)]
        return Integer(name=rule.name, minimum=ends[0], maximum=ends[1], step=step, required=required)
    return Real(name=rule.name, minimum=low, maximum=high, precision=places, required=required)


def _date_column(name: str, facts: Facts, required: bool, *, bounded: bool) -> Datetime:
    unit: Literal["D", "s"] = "D" if facts.resolution in "YMD" else "s"
    ends = [_iso(end, unit) if bounded else None for end in (facts.low, facts.high)]
    return Datetime(
        name=name,
        minimum=ends[0],
        maximum=ends[1],
        resolution=facts.resolution,  # type: ignore[arg-type]
        temporal="date" if unit == "D" else "datetime",
        required=required,
    )


def _iso(seconds: float, unit: Literal["D", "s"]) -> str:
    return str(np.datetime64(math.floor(seconds), "s").astype(f"datetime64[{unit}]"))
