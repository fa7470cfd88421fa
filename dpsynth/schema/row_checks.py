"""Which rows of a table break the rules of a schema, and which rules do not fit its columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError, SchemaError
from dpsynth.schema.column import Column
from dpsynth.schema.columns import Boolean, Categorical
from dpsynth.schema.formula_column import Formula, expression_tree
from dpsynth.schema.formula_values import formula_missed
from dpsynth.schema.formulas import Facts, Values, columns_of, facts_of, violated
from dpsynth.schema.group_totals import check_group_totals, totals_missed
from dpsynth.schema.numeric import Datetime, NumericColumn
from dpsynth.schema.row_rules import (
    GroupTotal,
    Implication,
    InequalityChain,
    NullTogether,
    OneHot,
    PlainRule,
    RowRule,
    conditions_tree,
)
from dpsynth.schema.row_values import formulas, known_facts, read_columns

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema

__all__ = ["adherence", "chain_broken", "check_rules", "is_set", "rule_broken", "violations"]

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


def adherence(schema: Schema, frame: pd.DataFrame) -> dict[str, float]:
    """The share of rows of `frame` that meets each rule and each formula of `schema`.

    Args:
        schema: Has the rules.
        frame: A table of its columns, in any physical types that the schema reads.

    Returns:
        By the text of the rule. Of a synthetic table it is public; of private rows it is as private as they.

    Raises:
        DataError: A column that rules use is not there.
    """
    rows = len(frame)
    return {
        text: float((~broken).mean()) if rows else 1.0 for text, broken in violations(schema, frame).items()
    }


def violations(schema: Schema, frame: pd.DataFrame, *, totals: bool = True) -> dict[str, BoolArray]:
    """Which rows break each rule and each formula.

    Of rows with one key, all but the first break it; of a group that misses its total, all. Where a group
    with a listed total does not occur, no row of the table meets the rule.

    Args:
        schema: Has the rules.
        frame: A table of its columns.
        totals: Whether rules about totals are looked at.
    """
    rules = [rule for rule in schema.rules if totals or not isinstance(rule, GroupTotal)]
    used = {name for rule in rules for name in rule.columns}
    for formula in formulas(schema):
        used |= {formula.name, *columns_of(expression_tree(formula))}
    columns, rows = read_columns(schema, frame, used), len(frame)
    broken = {f"{f.name} = {f.expression}": formula_missed(f, columns, rows) for f in formulas(schema)}
    for rule in rules:
        if isinstance(rule, GroupTotal):
            broken[str(rule)] = totals_missed(schema, rule, columns, rows)
        else:
            broken[str(rule)] = rule_broken(rule, columns, rows)
    return broken


def rule_broken(rule: PlainRule, columns: Mapping[str, Values], rows: int) -> BoolArray:
    """Which rows break one rule."""
    if isinstance(rule, Implication):
        return np.asarray(violated(conditions_tree(rule), columns, rows))
    parts = [columns[name] for name in rule.columns]
    data = np.array([part.data for part in parts], dtype=np.float64).reshape(len(parts), rows)
    gaps = np.array([part.gaps for part in parts], dtype=bool).reshape(len(parts), rows)
    if isinstance(rule, InequalityChain):
        return chain_broken(data, gaps, strict=rule.strict)
    if isinstance(rule, NullTogether):
        return np.asarray(gaps.any(axis=0) & ~gaps.all(axis=0))
    if isinstance(rule, OneHot):
        count = (is_set(data) & ~gaps).sum(axis=0)
        return np.asarray((count > 1) | ((count == 0) & ~gaps.any(axis=0)))
    whole = ~gaps.any(axis=0)
    twice = np.zeros(rows, dtype=bool)
    twice[whole] = pd.DataFrame(data.T[whole]).duplicated().to_numpy()
    return twice


def chain_broken(data: np.ndarray[Any, Any], gaps: BoolArray, *, strict: bool) -> BoolArray:
    """Which rows (along the second axis) do not rise; gaps are passed over."""
    broken = np.zeros(data.shape[1], dtype=bool)
    last = np.full(data.shape[1], -np.inf)
    for values, missing in zip(data, gaps, strict=True):
        falls = values <= last if strict else values < last
        broken |= falls & ~missing
        last = np.where(missing, last, values)
    return broken


def is_set(data: np.ndarray[Any, Any]) -> BoolArray:
    """Which truth values, or numbers 0 and 1, mean yes."""
    return np.asarray(data == 1)


def check_rules(schema: Schema) -> None:
    """Refuse rules and formulas that do not fit the columns of `schema`.

    Raises:
        SchemaError: Names the rule or the column, and the remedy.
    """
    known = known_facts(schema) if schema.rules or formulas(schema) else {}
    for rule in schema.rules:
        if not isinstance(rule, RowRule):
            raise SchemaError(f"Expected nothing but rules about rows, got {rule!r}.")
        for name in rule.columns:
            if name not in known:
                column = schema.column(name)
                _refuse(rule, f"column {name!r} is {column.kind}, which rules cannot use; take it out")
        if isinstance(rule, Implication):
            try:
                facts_of(conditions_tree(rule), known, where=f"Rule {rule}")
            except ConfigurationError as error:
                raise SchemaError(str(error)) from error
        else:
            _check_columns(schema, rule, [known[name] for name in rule.columns])
    check_group_totals(schema, known)
    texts = [str(rule) for rule in schema.rules]
    if len(set(texts)) < len(texts):
        raise SchemaError("Expected different rules; one of them is declared twice.")


def _check_columns(schema: Schema, rule: RowRule, facts: list[Facts]) -> None:
    columns = [schema.column(name) for name in rule.columns]
    kinds = {fact.kind for fact in facts}
    if isinstance(rule, InequalityChain) and (len(kinds) > 1 or not kinds <= {"number", "date"}):
        _refuse(rule, "expected columns that are all numbers or all dates")
    if isinstance(rule, OneHot) and not all(map(_is_flag, columns)):
        _refuse(rule, "expected truth values, or numbers of which 0 and 1 are all that occur")
    if isinstance(rule, NullTogether):
        never = [column.name for column in columns if column.required or isinstance(column, Formula)]
        if never:
            _refuse(rule, f"{never} cannot be emptied: a value is required there, or a formula gives it")


def _is_flag(column: Column) -> bool:
    if isinstance(column, Categorical):
        numbers = all(not isinstance(category, str) for category in column.known_categories)
        return numbers and column.other_code is None and set(column.known_categories) == {0, 1}
    if isinstance(column, NumericColumn) and not isinstance(column, Datetime):
        return column.complete and column.lattice.points == 2 and (column.minimum, column.maximum) == (0, 1)
    return isinstance(column, Boolean) or (isinstance(column, Formula) and column.result == "truth")


def _refuse(rule: RowRule, message: str) -> NoReturn:
    raise SchemaError(f"Rule {rule}: {message}.")
