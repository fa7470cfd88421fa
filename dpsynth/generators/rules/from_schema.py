"""Simple rules for a declared schema: every value as frequent as any other."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

from dpsynth.errors import ConfigurationError
from dpsynth.generators.rules.columns import (
    CategoryRule,
    ColumnRule,
    KeyRule,
    NumberRule,
    TextRule,
)
from dpsynth.generators.rules.dates import DateRule
from dpsynth.generators.rules.declared import schema_column
from dpsynth.generators.rules.from_formula import derived_rule, formula_conditions, in_order_of_use
from dpsynth.generators.rules.parts import refuse
from dpsynth.generators.rules.specification import Rules
from dpsynth.schema.columns import Boolean, Categorical, Column, Datetime, Identifier, Integer, Real, Text
from dpsynth.schema.constraints import Constraint, FunctionalDependency
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.row_rules import Implication, InequalityChain, NullTogether, OneHot, UniqueKey
from dpsynth.schema.row_values import formulas
from dpsynth.schema.schema import Schema

__all__ = ["rules_from_schema"]

_SIGNS = "#?[]\\"
_ROW_RULES = (InequalityChain, OneHot, NullTogether, Implication, UniqueKey)


def rules_from_schema(schema: Schema, *, missing: float = 0.05) -> Rules:
    """Rules whose samples fit `schema`, and meet its formulas, constraints and rules about rows."""
    _refuse_unknown(schema)
    ordered = in_order_of_use(schema.columns)
    columns = [rule for column in ordered if (rule := _rule(schema, column, missing)) is not None]
    if not columns:
        raise ConfigurationError(
            "The schema has no column that rules could make; all are texts that are left out."
        )
    rules = Rules(
        name=schema.name,
        description=schema.description,
        columns=tuple(columns),
        constraints=tuple(text for column in formulas(schema) for text in formula_conditions(column)),
    )
    return dataclasses.replace(rules, obeys=_obeyed(schema, rules))


def _refuse_unknown(schema: Schema) -> None:
    """A rule that nothing here enforces must not be dropped in silence."""
    for rule in (*schema.constraints, *schema.rules):
        if not isinstance(rule, (*get_args(Constraint), *_ROW_RULES)):
            kind = getattr(rule, "kind", type(rule).__name__)
            raise ConfigurationError(
                f"Rules made from a schema cannot meet {str(rule)!r}, of the kind {kind!r}. Take it out of "
                "the schema, and write the rules of its columns yourself."
            )


def _obeyed(schema: Schema, rules: Rules) -> Schema | None:
    """The constraints and the rules about rows, with the columns that they speak about."""
    used = {name for rule in (*schema.constraints, *schema.rules) for name in rule.columns}
    if not used:
        return None
    made = {rule.name: rule for rule in rules.columns}
    columns = tuple(
        # The formula itself stands in the rules; here its column is one to be read.
        schema_column(made[column.name], rules.facts[column.name], bounded=False)
        if isinstance(column, Formula)
        else column
        for column in schema.columns
        if column.name in used
    )
    return Schema(
        name=schema.name,
        columns=columns,
        constraints=schema.constraints,
        rules=schema.rules,
        missing_values=schema.missing_values,
    )


def _rule(schema: Schema, column: Column, missing: float) -> ColumnRule | None:  # noqa: PLR0911 - one case for each kind
    _require_declared(column)
    share = None if column.required or missing == 0 else missing
    match column:
        case Categorical():
            return CategoryRule(
                name=column.name,
                categories=_categories(schema, column),
                ordered=column.ordered,
                missing=share,
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
        case Formula():
            return derived_rule(column)
        case Identifier():
            return KeyRule(name=column.name, pattern=column.pattern)
        case Text() if column.rule == "regenerate":
            return TextRule(
                name=column.name, pattern="".join(f"\\{c}" if c in _SIGNS else c for c in column.filler)
            )
    return None


def _require_declared(column: Column) -> None:
    if not column.complete:
        refuse(column.name, "its categories or bounds are not known; declare them in the schema first")
    if column.origin != "declared":
        source = "read from the rows" if column.origin == "assumed" else "bought from a budget"
        refuse(
            column.name,
            f"its categories or bounds were {source}, so rows made from them would not be free of data. "
            "Correct them from public knowledge and set the origin to 'declared'",
        )


def _categories(schema: Schema, column: Categorical) -> tuple[Any, ...]:
    """Those of the column; with "other" only where a dependency may lead to it."""
    follows = any(
        isinstance(constraint, FunctionalDependency) and constraint.dependent == column.name
        for constraint in schema.constraints
    )
    other = (column.other_label,) if follows and column.other_code is not None else ()
    return (*column.known_categories, *other)
