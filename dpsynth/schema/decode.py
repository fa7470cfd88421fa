"""From codes to plausible values: post-processing of public or paid-for numbers.

A numeric cell becomes a random admissible value inside it, not its midpoint, and integers stay
integers (pitfall U04). The data type of a decoded column follows from the schema alone, so that it
tells nothing about the rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError
from dpsynth.schema.column import Column, ModelledColumn
from dpsynth.schema.columns import Categorical, Category, Identifier, Text
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.formula_values import with_formulas
from dpsynth.schema.numeric import Datetime, NumericColumn
from dpsynth.schema.schema import Schema

__all__ = ["decode_column", "decode_table"]

Codes = np.ndarray[Any, Any]


def decode_table(
    schema: Schema, codes: Mapping[str, Codes], rows: int, rng: np.random.Generator
) -> pd.DataFrame:
    """A table of `rows` plausible records.

    Args:
        schema: What the table holds.
        codes: One array of `rows` codes for each modelled column.
        rows: How many records there are.
        rng: Chooses values within cells.

    Returns:
        The columns of the schema in order. Identifiers are new, text is filled in or left out,
        formulas are computed.

    Raises:
        ConfigurationError: Codes are lacking, of another length, or beyond the size of their column.
    """
    decoded: dict[str, pd.Series[Any]] = {}
    for column in schema.columns:
        if isinstance(column, ModelledColumn):
            if column.name not in codes or len(codes[column.name]) != rows:
                raise ConfigurationError(f"Expected {rows} codes for column {column.name!r}.")
            decoded[column.name] = decode_column(column, codes[column.name], rng)
        elif not isinstance(column, Formula) and (
            not isinstance(column, Text) or column.rule == "regenerate"
        ):
            decoded[column.name] = regenerate(column, rows)
    return with_formulas(schema, pd.DataFrame(decoded, index=pd.RangeIndex(rows)))


def decode_column(
    column: ModelledColumn, codes: Codes, rng: np.random.Generator, shape: Codes | None = None
) -> pd.Series[Any]:
    """A plausible value for each code.

    Args:
        column: The column that the codes belong to.
        codes: Whole numbers, `0 <= code < column.size`.
        rng: Chooses values within cells.
        shape: For a numeric column, how values spread within the cells: one row of weights for each
            cell, which splits the cell into as many equal parts. None spreads them evenly.

    Returns:
        Texts or numbers for categories (pandas "category" if they are ordered), "boolean" for truth
        values, whole numbers for integers (Int64 where values may be missing), float64 for
        decimals, datetime64 for dates.

    Raises:
        ConfigurationError: A code or the shape does not fit the column.
    """
    codes = np.asarray(codes)
    if len(codes) and not 0 <= codes.min() <= codes.max() < column.size:
        raise ConfigurationError(
            f"Column {column.name!r}: expected codes from 0 to {column.size - 1}, "
            f"got {codes.min()} to {codes.max()}."
        )
    missing = codes == (-1 if column.missing_code is None else column.missing_code)
    if isinstance(column, NumericColumn):
        return _decode_numbers(column, codes, missing, rng, shape)
    if isinstance(column, Categorical):
        return _decode_categories(column, codes, missing)
    return pd.Series(pd.arrays.BooleanArray(codes == 1, missing), name=column.name)


def _decode_numbers(
    column: NumericColumn, codes: Codes, missing: Codes, rng: np.random.Generator, shape: Codes | None
) -> pd.Series[Any]:
    cells = np.where(missing, 0, codes)
    lows = column.lattice.starts[cells]
    widths = column.lattice.ends[cells] - lows
    drawn = np.floor(_fractions(column, cells, rng, shape) * widths).astype(np.int64)
    values = column.values_at(lows + np.minimum(drawn, widths - 1))
    if isinstance(column, Datetime):
        values[missing] = np.datetime64("NaT")
    elif values.dtype.kind == "f":
        values[missing] = np.nan
    elif not column.required:
        return pd.Series(pd.arrays.IntegerArray(values, missing), name=column.name)
    return pd.Series(values, name=column.name)


def _fractions(column: NumericColumn, cells: Codes, rng: np.random.Generator, shape: Codes | None) -> Codes:
    """Where in its cell each value lies, in [0, 1)."""
    within: Codes = rng.random(len(cells))
    if shape is None:
        return within
    weights = np.asarray(shape, dtype=np.float64)
    fits = weights.ndim == 2 and len(weights) == column.cell_count
    if not fits or not (weights >= 0).all() or not (weights.sum(axis=1) > 0).all():
        raise ConfigurationError(
            f"Column {column.name!r}: expected {column.cell_count} rows of weights >= 0 with positive sums."
        )
    steps = np.cumsum(weights, axis=1)
    upper = (steps / steps[:, -1:] + np.arange(len(weights))[:, None]).ravel()
    parts = weights.shape[1]
    part = np.searchsorted(upper, cells + rng.random(len(cells)), side="right")
    fractions: Codes = (np.clip(part - cells * parts, 0, parts - 1) + within) / parts
    return fractions


def _decode_categories(column: Categorical, codes: Codes, missing: Codes) -> pd.Series[Any]:
    values = [*column.known_categories, *([column.other_label] if column.other_code is not None else [])]
    if column.ordered:
        dtype = _category_dtype(values, may_be_missing=False)  # pandas would make floats of long integers
        kinds = pd.CategoricalDtype(pd.Index(values, dtype=dtype), ordered=True)
        categorical = pd.Categorical.from_codes(np.where(missing, -1, codes), dtype=kinds)
        return pd.Series(categorical, name=column.name)
    dtype = _category_dtype(values, may_be_missing=not column.required)
    empty = pd.NA if dtype in ("Int64", "boolean") else np.nan if dtype == "float64" else None
    table = np.array([*values, empty], dtype=object)
    decoded: pd.Series[Any] = pd.Series(table[np.where(missing, -1, codes)], dtype=dtype, name=column.name)
    return decoded


def _category_dtype(values: Sequence[Category], *, may_be_missing: bool) -> Any:
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return "str"
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        return "Int64" if may_be_missing else "int64"
    exact = kinds <= {int, float} and all(float(value) == value for value in values)
    return "float64" if exact else "object"


def regenerate(column: Column, rows: int) -> pd.Series[Any]:
    """Values for a column that is not modelled: fresh distinct identifiers, or the declared filler."""
    if isinstance(column, Identifier):
        if column.pattern is None:
            return pd.Series(np.arange(1, rows + 1), name=column.name)
        width = column.pattern.count("#")
        before, after = re.split("#+", column.pattern)
        made = [f"{before}{number:0{width}d}{after}" for number in range(1, rows + 1)]
        return pd.Series(made, dtype="str", name=column.name)
    filler = column.filler if isinstance(column, Text) else ""
    return pd.Series([filler] * rows, dtype="str", name=column.name)
