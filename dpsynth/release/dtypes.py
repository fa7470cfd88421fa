"""Give a synthetic frame the data types of the frame that came in.

Only types that the schema's kind allows are restored: an integer column that arrived as floats
(because one value was missing) leaves as integers. Its missing values are the schema's business, not
the data's (pitfalls P02, P39).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from pandas.api import types

from dpsynth.schema.columns import Boolean, Categorical, Column, Datetime, Integer, Real
from dpsynth.schema.formula_column import Formula

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema

__all__ = ["input_dtypes", "restore_dtypes"]

_FAMILY = {
    Integer: types.is_integer_dtype,
    Real: types.is_float_dtype,
    Boolean: types.is_bool_dtype,
    Datetime: types.is_datetime64_any_dtype,
}


def input_dtypes(source: object) -> dict[str, Any]:
    """The data types of a pandas frame by column; empty for anything else."""
    if not isinstance(source, pd.DataFrame):
        return {}
    return {str(name): source[name].dtype for name in source.columns}


def _kind(column: Column) -> type[Column]:
    """The kind of column that holds such values; that of a formula follows from its result."""
    if not isinstance(column, Formula):
        return type(column)
    number = Real if column.precision else Integer
    return {"number": number, "date": Datetime, "truth": Boolean}[column.result]


def _wanted(column: Column, given: Any) -> Any | None:
    if isinstance(column, Categorical):
        return "category" if isinstance(given, pd.CategoricalDtype) else None
    belongs = _FAMILY.get(_kind(column))
    if belongs is None or not belongs(given):
        return None
    return given


def _holds(values: pd.Series[Any], dtype: Any) -> bool:
    """Whether every value of the (synthetic) column survives the cast."""
    try:
        cast = values.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return False
    same = (cast.astype(values.dtype) == values) | values.isna()
    return bool(same.all())


def restore_dtypes(frame: pd.DataFrame, schema: Schema, given: Mapping[str, Any]) -> pd.DataFrame:
    """Return `frame` with the types in `given` wherever kind and values allow it.

    Args:
        frame: The synthetic frame, in the schema's own types.
        schema: Its schema.
        given: From `input_dtypes`.
    """
    result = frame.copy()
    for name in frame.columns:
        wanted = _wanted(schema.column(name), given[name]) if name in given else None
        if wanted is not None and wanted != frame[name].dtype and _holds(frame[name], wanted):
            result[name] = frame[name].astype(wanted)
    return result
