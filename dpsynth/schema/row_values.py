"""The values that rules and formulas work on, and what is known of each column without any row."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError, DataError, SchemaError
from dpsynth.schema.canonical import seconds_of
from dpsynth.schema.column import Column, ModelledColumn
from dpsynth.schema.columns import Boolean, Categorical, Category
from dpsynth.schema.encode import read_values
from dpsynth.schema.formula_column import Formula, expression_tree
from dpsynth.schema.formulas import Facts, Values, facts_of
from dpsynth.schema.numeric import Datetime, NumericColumn

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema

__all__ = ["formulas", "known_facts", "read_columns"]


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
