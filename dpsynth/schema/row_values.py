"""The values that rules and formulas work on, and what is known of each column without any row."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError, DataError, SchemaError
from dpsynth.schema.canonical import seconds_of
from dpsynth.schema.column import Column, ModelledColumn
from dpsynth.schema.columns import Boolean, Categorical, Category
from dpsynth.schema.encode import read_values
from dpsynth.schema.formula_column import Formula, Result, expression_tree, formula_bounds
from dpsynth.schema.formulas import Facts, Values, facts_of
from dpsynth.schema.numeric import Datetime, NumericColumn

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema

__all__ = ["formulas", "known_facts", "read_columns"]

_RESULTS = {"number": "number", "date": "date", "truth": "truth value"}
_SECONDS = {"Y": 366 * 86_400.0, "M": 31 * 86_400.0, "D": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}


def formulas(schema: Schema) -> tuple[Formula, ...]:
    """The columns that formulas give, in order."""
    return tuple(column for column in schema.columns if isinstance(column, Formula))


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
        _check_result(formula, found)
        low, high = formula_bounds(formula)
        slack = _slack(formula)
        low, high = max(found.low - slack, low), min(found.high + slack, high)
        if low > high:
            raise SchemaError(
                f"Column {formula.name!r}: its formula never gives a {formula.result} within its bounds."
            )
        gaps = (found.gaps or formula.out_of_domain == "missing") and not formula.required
        known[formula.name] = dataclasses.replace(
            found, low=low, high=high, gaps=gaps, resolution=formula.resolution
        )
    return known


def _check_result(formula: Formula, found: Facts) -> None:
    if found.kind == formula.result:
        return
    remedy = f" Declare result={found.kind!r}." if found.kind in get_args(Result) else ""
    raise SchemaError(
        f"Column {formula.name!r}: expected a formula for a {_RESULTS[formula.result]}, "
        f"not a {_RESULTS.get(found.kind, found.kind)}.{remedy}"
    )


def _slack(formula: Formula) -> float:
    """How far writing moves a result: by rounding, or by cutting a date to its resolution."""
    return 10.0**-formula.precision if formula.result == "number" else _SECONDS[formula.resolution]


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
    if isinstance(column, Formula) and column.result != "number":
        column = _read_as(column)
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


def _read_as(column: Formula) -> ModelledColumn:
    """The kind of column whose values look like the results of a formula."""
    if column.result == "truth":
        return Boolean(name=column.name, missing_values=column.missing_values)
    return Datetime(name=column.name, resolution=column.resolution, missing_values=column.missing_values)
