"""What formulas give for the rows of a table, in the types and the digits in which it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dpsynth.schema.formula_column import Formula, expression_tree, formula_bounds
from dpsynth.schema.formulas import Values, columns_of, evaluate
from dpsynth.schema.formulas.evaluation import floor_to
from dpsynth.schema.row_values import formulas, known_facts, read_columns

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema

__all__ = ["formula_missed", "with_formulas"]

Array = np.ndarray[Any, Any]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

_LARGEST = 2.0**53  # up to here whole numbers are exact as floats


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


def _written(formula: Formula, found: Values) -> Values:
    """The results as they are written: rounded or cut, and dealt with where they are out of bounds."""
    if formula.result == "truth":
        return found
    data, gaps = _cut(formula, found) if formula.result == "date" else _rounded(formula, found)
    if formula.out_of_domain == "missing":
        gaps = gaps | _outside(formula, data)
    if formula.out_of_domain == "clip":
        data = np.clip(data, *formula_bounds(formula))
    return Values(kind=formula.result, data=data, gaps=gaps)


def _rounded(formula: Formula, found: Values) -> tuple[Array, BoolArray]:
    scale = 10.0**formula.precision
    data = np.asarray(found.data, dtype=np.float64)
    gaps = found.gaps | (np.abs(found.data) * scale > _LARGEST)
    return np.where(gaps, 0.0, np.rint(data * scale) / scale) + 0.0, gaps  # no negative zero


def _cut(formula: Formula, found: Values) -> tuple[Array, BoolArray]:
    return floor_to(np.where(found.gaps, 0.0, found.data), formula.resolution), np.asarray(found.gaps)


def _outside(formula: Formula, data: Array) -> BoolArray:
    low, high = formula_bounds(formula)
    return np.asarray((data < low) | (data > high))


def formula_missed(formula: Formula, columns: Mapping[str, Values], rows: int) -> BoolArray:
    """Where a value is not what the formula gives, is beyond the bounds, or lacks although it is required."""
    expected = _written(formula, evaluate(expression_tree(formula), columns, rows))
    found = columns[formula.name]
    wrong = np.where(found.gaps, ~expected.gaps, expected.gaps | _differs(formula, expected, found))
    if formula.result != "truth":
        wrong |= ~found.gaps & _outside(formula, found.data)
    return np.asarray(wrong | found.gaps if formula.required else wrong, dtype=bool)


def _differs(formula: Formula, expected: Values, found: Values) -> BoolArray:
    if formula.result != "number":
        return np.asarray(expected.data != found.data)
    last_digit = 10.0**-formula.precision
    return np.asarray(np.abs(expected.data - found.data) > 0.25 * last_digit)


def _series(formula: Formula, found: Values, *, may_be_missing: bool) -> pd.Series[Any]:
    """The type follows from the schema alone; rows that lack a required value are drawn again."""
    data, gaps = found.data, np.array(found.gaps)
    if formula.result == "truth":
        return pd.Series(pd.arrays.BooleanArray(np.array(data, dtype=bool), gaps), name=formula.name)
    if formula.result == "date":
        moments = np.where(gaps, 0.0, data).astype(np.int64).astype("datetime64[s]")
        moments[gaps] = np.datetime64("NaT")
        return pd.Series(moments, name=formula.name)
    if formula.precision:
        return pd.Series(np.where(gaps, np.nan, data), name=formula.name)
    whole = np.where(gaps, 0.0, data).astype(np.int64)
    if may_be_missing or gaps.any():
        return pd.Series(pd.arrays.IntegerArray(whole, gaps), name=formula.name)
    return pd.Series(whole, name=formula.name)
