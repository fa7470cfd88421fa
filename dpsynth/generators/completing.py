"""Complete a partial frame: what it says is kept, the rest is drawn from a model given that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError
from dpsynth.generators.given import strict_codes
from dpsynth.generators.marginals import exact
from dpsynth.graphical.consistency import FloatArray
from dpsynth.schema.column import ModelledColumn
from dpsynth.schema.decode import decode_table
from dpsynth.schema.numeric import NumericColumn

if TYPE_CHECKING:
    from dpsynth.generators.base import Model
    from dpsynth.schema.schema import Schema

__all__ = ["TAINT", "completed_frame"]

TAINT = "some values were given to `complete`; the guarantee covers what was drawn, not them"


def completed_frame(model: Model, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The columns of the schema, one row for each row of `frame`, under its index.

    Raises:
        ConfigurationError: A column or a value that the schema does not have; the message names the column.
        DataError: A column of a physical type that cannot hold the declared kind.
    """
    answering, schema, rows = exact(model), model.schema, len(frame)
    _require_columns(schema, frame)
    given = [column for column in schema.modelled if column.name in frame]
    read = {column.name: _codes(schema, column, frame[column.name]) for column in given}
    drawn = answering.complete_codes(rows, {name: codes for name, (codes, _) in read.items()}, rng)
    made = decode_table(schema, drawn, rows, rng)
    columns: dict[str, Any] = {}
    for column in schema.columns:
        if column.name in frame and not isinstance(column, ModelledColumn):
            columns[column.name] = frame[column.name].reset_index(drop=True)
        elif column.name in frame and isinstance(column, NumericColumn):
            columns[column.name] = _with_numbers(column, made[column.name], *read[column.name])
        elif column.name in made:
            columns[column.name] = made[column.name]
    return pd.DataFrame(columns, index=pd.RangeIndex(rows)).set_axis(frame.index)


def _require_columns(schema: Schema, frame: pd.DataFrame) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise ConfigurationError(f"Expected a pandas DataFrame, got {type(frame).__name__}.")
    names = list(frame.columns)
    unknown = [name for name in names if name not in schema.names]
    if unknown or len(set(names)) < len(names):
        raise ConfigurationError(
            f"Expected columns of the schema, each once; {unknown or 'some'} are not. "
            f"It has {list(schema.names)}."
        )


def _codes(
    schema: Schema, column: ModelledColumn, values: pd.Series[Any]
) -> tuple[np.ndarray[Any, Any], FloatArray]:
    """The code of each value, -1 where it is missing, and its reading.

    The message of an error shows no value: the frame may be private.
    """
    codes, readings = strict_codes(column, values, schema.missing_values)
    missing = np.isnan(readings)
    if ((codes < 0) & ~missing).any():
        raise ConfigurationError(
            f"Column {column.name!r} has values outside its declared domain. Empty those cells to have them "
            "filled in, or correct them. Nothing was drawn."
        )
    return np.where(missing, -1, codes), readings


def _with_numbers(
    column: NumericColumn, made: pd.Series[Any], codes: np.ndarray[Any, Any], readings: FloatArray
) -> pd.Series[Any]:
    """Drawn values of a column, and where there is a code the value that was read."""
    values, kept = made.copy(), np.flatnonzero(codes >= 0)
    values.iloc[kept] = column.values_at(column.index_of(readings[kept]).astype(np.int64))
    return values
