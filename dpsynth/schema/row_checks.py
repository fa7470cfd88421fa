"""Which rows of a table break the rules of a schema, and what its formulas give."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError, DataError, SchemaError
from dpsynth.schema.canonical import seconds_of
from dpsynth.schema.column import Column, ModelledColumn
from dpsynth.schema.columns import Boolean, Categorical, Category
from dpsynth.schema.encode import read_values
from dpsynth.schema.formula_column import Formula, expression_tree
from dpsynth.schema.formulas import Facts, Values, columns_of, evaluate, facts_of, violated
from dpsynth.schema.numeric import Datetime, NumericColumn
from dpsynth.schema.row_rules import (
    Implication,
    InequalityChain,
    NullTogether,
    OneHot,
    RowRule,
    conditions_tree,
)

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema

__all__ = [
    "adherence",
    "chain_broken",
    "check_rules",
    "formulas",
    "is_set",
    "known_facts",
    "read_columns",
    "rule_broken",
    "violations",
    "with_formulas",
]

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

_LARGEST = 2.0**53  # up to here whole numbers are exact as floats


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


def violations(schema: Schema, frame: pd.DataFrame) -> dict[str, BoolArray]:
    """Which rows break each rule and each formula. Of rows with one key, all but the first break it."""
    used = {name for rule in schema.rules for name in rule.columns}
    for formula in formulas(schema):
        used |= {formula.name, *columns_of(expression_tree(formula))}
    columns, rows = read_columns(schema, frame, used), len(frame)
    broken = {f"{f.name} = {f.expression}": _misses(f, columns, rows) for f in formulas(schema)}
    for rule in schema.rules:
        broken[str(rule)] = rule_broken(rule, columns, rows)
    return broken


def rule_broken(rule: RowRule, columns: Mapping[str, Values], rows: int) -> BoolArray:
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


def formulas(schema: Schema) -> tuple[Formula, ...]:
    """The columns that formulas give, in order."""
    return tuple(column for column in schema.columns if isinstance(column, Formula))


def with_formulas(schema: Schema, frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with the columns that formulas give, computed anew, in the order of the schema."""
    made = formulas(schema)
    if not made:
        return frame
    used = {name for formula in made for name in columns_of(expression_tree(formula))} - {
        f.name for f in made
    }
    columns, known = read_columns(schema, frame, used), known_facts(schema)
    added: dict[str, Any] = {}
    for formula in made:
        columns[formula.name] = found = _written(
            formula, evaluate(expression_tree(formula), columns, len(frame))
        )
        added[formula.name] = _series(formula, found, may_be_missing=known[formula.name].gaps)
    order = [name for name in schema.names if name in frame or name in added]
    given = {name: added[name].set_axis(frame.index) if name in added else frame[name] for name in order}
    return pd.DataFrame(given, index=frame.index)


def read_columns(schema: Schema, frame: pd.DataFrame, names: Iterable[str]) -> dict[str, Values]:
    """The values of some columns, in the form that formulas work on.

    Raises:
        DataError: A column is not there.
    """
    known, found = known_facts(schema), {}
    for name in names:
        if name not in frame:
            raise DataError(f"There is no column {name!r}, which a rule or a formula uses.")
        found[name] = _read(schema, schema.column(name), known[name], frame[name])
    return found


def known_facts(schema: Schema) -> dict[str, Facts]:
    """What is known without any row about each column that rules and formulas may use.

    Raises:
        SchemaError: A formula does not fit the columns that it uses.
    """
    known = {column.name: _facts(column) for column in schema.modelled}
    for formula in formulas(schema):
        try:
            found = facts_of(expression_tree(formula), known, where=f"Column {formula.name!r}")
        except ConfigurationError as error:
            raise SchemaError(str(error)) from error
        if found.kind != "number":
            raise SchemaError(
                f"Column {formula.name!r}: expected a formula for a number, not a {found.kind}."
            )
        least = -math.inf if formula.minimum is None else formula.minimum
        most = math.inf if formula.maximum is None else formula.maximum
        half = 10.0**-formula.precision  # of rounding
        low, high = max(found.low - half, least), min(found.high + half, most)
        if low > high:
            raise SchemaError(f"Column {formula.name!r}: its formula never gives a number within its bounds.")
        gaps = (found.gaps or formula.out_of_domain == "missing") and not formula.required
        known[formula.name] = dataclasses.replace(found, low=low, high=high, gaps=gaps)
    return known


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
    return isinstance(column, Boolean)


def _refuse(rule: RowRule, message: str) -> NoReturn:
    raise SchemaError(f"Rule {rule}: {message}.")


def _facts(column: ModelledColumn) -> Facts:
    gaps = not column.required
    if isinstance(column, Boolean):
        return Facts(kind="truth", gaps=gaps)
    if isinstance(column, Categorical):
        kind, texts = _category_kind(column)
        if kind == "number":
            numbers = [float(category) for category in column.known_categories]
            return Facts(kind="number", low=min(numbers), high=max(numbers), gaps=gaps)
        return Facts(kind=kind, gaps=gaps, texts=texts)  # type: ignore[arg-type]
    if isinstance(column, Datetime):
        low, high = (
            end if bound is None else seconds_of(bound)
            for bound, end in ((column.minimum, -math.inf), (column.maximum, math.inf))
        )
        return Facts(kind="date", low=low, high=high, gaps=gaps, resolution=column.resolution)
    assert isinstance(column, NumericColumn)  # noqa: S101 - there are no other kinds
    low = -math.inf if column.minimum is None else float(column.minimum)
    high = math.inf if column.maximum is None else float(column.maximum)
    return Facts(kind="number", low=low, high=high, gaps=gaps)


def _category_kind(column: Categorical) -> tuple[str, tuple[str, ...]]:
    """Truth values, numbers, or texts; categories of several types, or with an "other", are texts."""
    if column.categories is None:
        return "free", ()
    categories: tuple[Category, ...] = column.known_categories
    kinds = {
        "truth" if isinstance(c, bool) else "text" if isinstance(c, str) else "number" for c in categories
    }
    if kinds == {"truth"} and column.other_code is None and len(categories) == 2:
        return "truth", ()
    if kinds == {"number"} and column.other_code is None:
        return "number", ()
    other = () if column.other_code is None else (column.other_label,)
    return "text", (*map(str, categories), *other)


def _read(schema: Schema, column: Column, facts: Facts, values: pd.Series[Any]) -> Values:
    if isinstance(column, Formula):
        data = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        gaps = ~np.isfinite(data)
        return Values(kind="number", data=np.where(gaps, 0.0, data), gaps=gaps)
    assert isinstance(column, ModelledColumn)  # noqa: S101 - others are refused with the schema
    readings = read_values(column, values, schema.missing_values)
    other = column.other_code
    if other is not None:
        readings = np.where(np.isinf(readings), float(other), readings)
    gaps = ~np.isfinite(readings)
    data = np.where(gaps, 0.0, readings)
    if isinstance(column, NumericColumn):
        return Values(kind=facts.kind, data=data, gaps=gaps)
    codes = data.astype(np.int64)
    if facts.kind == "text":
        return Values(kind="text", data=codes, gaps=gaps, texts=facts.texts)
    if isinstance(column, Categorical):
        numbers = np.array(column.known_categories, dtype=np.float64)[codes]
        return Values(kind=facts.kind, data=numbers == 1 if facts.kind == "truth" else numbers, gaps=gaps)
    return Values(kind="truth", data=codes == 1, gaps=gaps)


def _written(formula: Formula, found: Values) -> Values:
    """The results as they are written: rounded, and dealt with where they are out of bounds."""
    scale = 10.0**formula.precision
    data, gaps = (
        np.asarray(found.data, dtype=np.float64),
        found.gaps | (np.abs(found.data) * scale > _LARGEST),
    )
    data = np.where(gaps, 0.0, np.rint(data * scale) / scale) + 0.0  # no negative zero
    if formula.out_of_domain == "missing":
        gaps = gaps | _outside(formula, data)
    if formula.out_of_domain == "clip":
        data = np.clip(data, formula.minimum, formula.maximum)
    return Values(kind="number", data=data, gaps=gaps)


def _outside(formula: Formula, data: np.ndarray[Any, Any]) -> BoolArray:
    low = -math.inf if formula.minimum is None else formula.minimum
    high = math.inf if formula.maximum is None else formula.maximum
    return np.asarray((data < low) | (data > high))


def _misses(formula: Formula, columns: Mapping[str, Values], rows: int) -> BoolArray:
    """Where a value is not what the formula gives, is beyond the bounds, or lacks although it is required."""
    expected, found = (
        _written(formula, evaluate(expression_tree(formula), columns, rows)),
        columns[formula.name],
    )
    differs = np.abs(expected.data - found.data) > 0.25 * 10.0**-formula.precision  # of the last digit
    wrong = np.where(found.gaps, ~expected.gaps, expected.gaps | differs)
    wrong |= ~found.gaps & _outside(formula, found.data)
    return np.asarray(wrong | found.gaps if formula.required else wrong, dtype=bool)


def _series(formula: Formula, found: Values, *, may_be_missing: bool) -> pd.Series[Any]:
    """The type follows from the schema alone; rows that lack a required value are drawn again."""
    if formula.precision:
        return pd.Series(np.where(found.gaps, np.nan, found.data), name=formula.name)
    whole = np.where(found.gaps, 0.0, found.data).astype(np.int64)
    if may_be_missing or found.gaps.any():
        return pd.Series(pd.arrays.IntegerArray(whole, np.array(found.gaps)), name=formula.name)
    return pd.Series(whole, name=formula.name)
