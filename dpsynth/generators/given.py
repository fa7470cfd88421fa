"""From public values to codes, strictly: what is outside the declared domain is refused, not repaired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError
from dpsynth.graphical.consistency import FloatArray
from dpsynth.schema.column import ModelledColumn
from dpsynth.schema.columns import Categorical
from dpsynth.schema.encode import read_values
from dpsynth.schema.numeric import NumericColumn
from dpsynth.schema.schema import Schema

__all__ = ["asked_weights", "given_codes", "strict_codes"]

_LISTS = (list, tuple, set, frozenset, range, np.ndarray, pd.Series, pd.Index)


def given_codes(schema: Schema, given: Mapping[str, object]) -> dict[str, int | tuple[int, ...]]:
    """The code of each value; the distinct codes of a list of values. A number stands for its cell.

    Raises:
        ConfigurationError: No modelled column, no value, a value outside its domain, or an interval.
    """
    codes: dict[str, int | tuple[int, ...]] = {}
    for name, value in given.items():
        column = _modelled(schema, name)
        if isinstance(value, tuple) and isinstance(column, NumericColumn):
            raise ConfigurationError(
                f"Column {name!r}: records cannot be fixed to an interval, only to the cells of values. "
                "Give a list of values."
            )
        known = _codes(schema, column, value)
        codes[name] = known if isinstance(value, _LISTS) else known[0]
    return codes


def asked_weights(schema: Schema, where: Mapping[str, object]) -> dict[str, FloatArray]:
    """For each column the part of each code that `where` asks for.

    Values and lists of values ask for whole codes, a number or date for its cell. A pair (low, high) on
    a column of numbers or dates asks for all values from `low` to `high`, both included, None being open:
    for 1 of a cell inside, for 0 of a cell outside, and for the part of its values of a cell that is cut.

    Raises:
        ConfigurationError: No modelled column, no value, or one outside its domain.
    """
    weights = {}
    for name, value in where.items():
        column = _modelled(schema, name)
        if isinstance(value, tuple) and isinstance(column, NumericColumn):
            weights[name] = _interval(schema, column, value)
        else:
            weights[name] = np.zeros(column.size)
            weights[name][list(_codes(schema, column, value))] = 1.0
    return weights


def strict_codes(
    column: ModelledColumn, values: pd.Series[Any], missing_values: tuple[str, ...]
) -> tuple[np.ndarray[Any, Any], FloatArray]:
    """The code of each value, -1 where the domain does not have it, whatever the column's rule for that is.

    Returns:
        The codes, and the readings that they come from (see `read_values`).

    Raises:
        DataError: The physical type cannot hold the declared kind.
    """
    readings = read_values(column, values, missing_values)
    codes = np.full(len(values), -1, np.int64)
    found = np.isfinite(readings)
    if isinstance(column, NumericColumn):
        index = column.index_of(readings[found]).astype(np.int64)
        inside = (index >= 0) & (index < column.lattice.points)
        codes[found] = np.where(inside, column.lattice.cell_of(index), -1)
    else:
        codes[found] = readings[found]
    if column.missing_code is not None:
        codes[np.isnan(readings)] = column.missing_code
    if isinstance(column, Categorical) and column.other_code is not None:
        texts = np.asarray(values, dtype=object)
        other = [isinstance(text, str) and text.strip() == column.other_label.strip() for text in texts]
        codes[np.array(other, dtype=bool)] = column.other_code
    return codes, readings


def _modelled(schema: Schema, name: str) -> ModelledColumn:
    for column in schema.modelled:
        if column.name == name:
            return column
    raise ConfigurationError(
        f"Expected names of modelled columns, got {name!r}; they are {list(schema.domain.columns)}."
    )


def _codes(schema: Schema, column: ModelledColumn, value: object) -> tuple[int, ...]:
    values = list(value) if isinstance(value, _LISTS) else [value]
    if not values:
        raise ConfigurationError(f"Column {column.name!r}: expected at least one value.")
    codes, _ = strict_codes(column, pd.Series(values, dtype=object), schema.missing_values)
    if (codes < 0).any():
        refused = values[int(np.flatnonzero(codes < 0)[0])]
        raise ConfigurationError(
            f"Column {column.name!r} cannot hold {refused!r}: it is outside the declared domain."
        )
    return tuple(sorted({int(code) for code in codes}))


def _interval(schema: Schema, column: NumericColumn, pair: tuple[object, ...]) -> FloatArray:
    if len(pair) != 2:
        raise ConfigurationError(f"Column {column.name!r}: expected (low, high), got {len(pair)} values.")
    lattice = column.lattice
    first = _index(schema, column, pair[0], 0)
    last = _index(schema, column, pair[1], lattice.points - 1)
    inside = np.minimum(lattice.ends, last + 1) - np.maximum(lattice.starts, first)
    if inside.max() <= 0:
        raise ConfigurationError(
            f"Column {column.name!r} has no values from {pair[0]!r} to {pair[1]!r} in its declared domain."
        )
    weights = np.zeros(column.size)
    weights[: column.cell_count] = np.maximum(inside, 0) / (lattice.ends - lattice.starts)
    return weights


def _index(schema: Schema, column: NumericColumn, bound: object, otherwise: int) -> int:
    if bound is None:
        return otherwise
    reading = read_values(column, pd.Series([bound], dtype=object), schema.missing_values)
    if not np.isfinite(reading[0]):
        raise ConfigurationError(f"Column {column.name!r}: {bound!r} is no bound of an interval.")
    return int(column.index_of(reading)[0])
