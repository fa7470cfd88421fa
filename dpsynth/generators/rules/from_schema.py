"""Simple rules for a declared schema: every value as frequent as any other."""

from __future__ import annotations

import json
from types import EllipsisType
from typing import Any

from dpsynth.errors import ConfigurationError
from dpsynth.generators.rules.columns import (
    CategoryRule,
    ColumnRule,
    KeyRule,
    NumberRule,
    TextRule,
)
from dpsynth.generators.rules.dates import DateRule
from dpsynth.generators.rules.parts import refuse
from dpsynth.generators.rules.specification import Rules
from dpsynth.schema.columns import Boolean, Categorical, Column, Datetime, Identifier, Integer, Real, Text
from dpsynth.schema.constraints import Constraint, FunctionalDependency, ImpossibleCombinations
from dpsynth.schema.schema import Schema

__all__ = ["rules_from_schema"]

_SIGNS = "#?[]\\"


def rules_from_schema(schema: Schema, *, missing: float = 0.05) -> Rules:
    """Rules whose samples fit `schema`, its structural zeros included."""
    columns = [rule for column in schema.columns if (rule := _rule(column, missing)) is not None]
    if not columns:
        raise ConfigurationError(
            "The schema has no column that rules could make; all are texts that are left out."
        )
    return Rules(
        name=schema.name,
        description=schema.description,
        columns=tuple(columns),
        constraints=tuple(_condition(schema, constraint) for constraint in schema.constraints),
    )


def _rule(column: Column, missing: float) -> ColumnRule | None:  # noqa: PLR0911 - one case for each kind
    if not column.complete:
        refuse(column.name, "its categories or bounds are not known; declare them in the schema first")
    if column.origin != "declared":
        source = "read from the rows" if column.origin == "assumed" else "bought from a budget"
        refuse(
            column.name,
            f"its categories or bounds were {source}, so rows made from them would not be free of data. "
            "Correct them from public knowledge and set the origin to 'declared'",
        )
    share = None if column.required or missing == 0 else missing
    match column:
        case Categorical():
            return CategoryRule(
                name=column.name, categories=column.known_categories, ordered=column.ordered, missing=share
            )
        case Boolean():
            return CategoryRule(name=column.name, categories=(False, True), missing=share)
        case Integer():
            step = None if column.step == 1 else column.step
            return NumberRule(
                name=column.name,
                minimum=column.minimum,
                maximum=column.maximum,
                step=step,
                decimals=0,
                missing=share,
            )
        case Real():
            return NumberRule(
                name=column.name,
                minimum=column.minimum,
                maximum=column.maximum,
                decimals=column.precision,
                missing=share,
            )
        case Datetime():
            return DateRule(
                name=column.name,
                minimum=str(column.minimum),
                maximum=str(column.maximum),
                resolution=column.resolution,
                missing=share,
            )
        case Identifier():
            return KeyRule(name=column.name, pattern=column.pattern)
        case Text() if column.rule == "regenerate":
            return TextRule(
                name=column.name, pattern="".join(f"\\{c}" if c in _SIGNS else c for c in column.filler)
            )
    return None


def _condition(schema: Schema, constraint: Constraint) -> str:
    """Structural zeros as a condition on a row."""
    if isinstance(constraint, FunctionalDependency):
        raise ConfigurationError(
            f"Column {constraint.dependent!r} follows from {list(constraint.determinants)} in the schema. "
            "Remove that constraint, and write `given` or a formula for the column into the rules."
        )
    return _zeros(schema, constraint)


def _zeros(schema: Schema, constraint: ImpossibleCombinations) -> str:
    listed = constraint.combinations if constraint.allowed is None else constraint.allowed
    columns = [schema.column(name) for name in constraint.columns]
    rows = []
    for combination in listed or ():
        parts = [_entry(column, entry) for column, entry in zip(columns, combination, strict=True)]
        rows.append("(" + (" and ".join(part for part in parts if part) or "True") + ")")
    return f"not ({' or '.join(rows)})" if constraint.allowed is None else " or ".join(rows)


def _entry(column: Column, entry: Any) -> str:
    if isinstance(entry, EllipsisType):
        return ""
    if isinstance(entry, frozenset):
        return "(" + " or ".join(sorted(_entry(column, item) for item in entry)) + ")"
    name = f"col({json.dumps(column.name, ensure_ascii=False)})"
    if entry is None:
        return f"missing({name})"
    low, high = entry if isinstance(entry, tuple) else (entry, entry)
    if isinstance(column, (Categorical, Boolean)):
        test = _equals(column, name, entry)
    else:
        ends = [(">=", low), ("<=", high)]
        test = " and ".join(
            f"{name} {sign} {_constant(column, end)}" for sign, end in ends if end is not None
        )
    return f"(not missing({name}) and {test or 'True'})"


def _equals(column: Categorical | Boolean, name: str, entry: Any) -> str:
    if isinstance(column, Boolean):
        return f"{name} == {entry if isinstance(entry, bool) else str(entry) in column.true_values}"
    values = {str(category): category for category in column.known_categories}
    if str(entry) not in values:  # "other", which simple rules never give
        return "False"
    value = values[str(entry)]
    literal = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    return f"{name} == {literal}"


def _constant(column: Column, value: Any) -> str:
    return f'date("{value}")' if isinstance(column, Datetime) else repr(value)
