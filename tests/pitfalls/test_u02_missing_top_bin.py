"""U02: a missing value has a code of its own; it is never counted in the top cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dpsynth.schema.columns import Datetime, Integer, NumericColumn, Real
from dpsynth.schema.encode import encode_column

COLUMNS: list[NumericColumn] = [
    Integer(name="age", minimum=0, maximum=99, edges=(0, 18, 65, 99)),
    Real(name="height", minimum=0, maximum=2.5, cells=5),
    Datetime(name="day", minimum="2020-01-01", maximum="2020-12-31", cells=12),
]
NOTHING = [None, np.nan, pd.NA, pd.NaT, "", "  ", float("inf"), -np.inf, "NaN", "inf", "?"]
by_name = pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)


def broken(values: pd.Series, edges: list[float]) -> np.ndarray:
    return np.digitize(values, edges) - 1


def test_a_broken_twin_puts_missing_on_top() -> None:
    assert broken(pd.Series([98.0, np.nan]), [0, 18, 65, 100]).tolist() == [2, 3]
    codes = encode_column(COLUMNS[0], pd.Series([98.0, np.nan]))
    assert codes.tolist() == [2, 3]
    assert COLUMNS[0].missing_code == 3  # beside the three cells, not one of them
    assert COLUMNS[0].cell_count == 3


@by_name
def test_every_missing_form_is_missing(column: NumericColumn) -> None:
    codes = encode_column(column, pd.Series(NOTHING, dtype=object), ("?",))
    assert set(codes.tolist()) == {column.missing_code}


@by_name
def test_where_a_value_is_required_the_row_is_dropped(column: NumericColumn) -> None:
    from dataclasses import replace

    strict = replace(column, required=True)
    assert strict.missing_code is None
    assert set(encode_column(strict, pd.Series(NOTHING, dtype=object), ("?",)).tolist()) == {-1}


def test_infinite_and_missing_numbers_in_a_float_column() -> None:
    codes = encode_column(COLUMNS[1], pd.Series([0.1, np.nan, np.inf, -np.inf, 2.5]))
    assert codes.tolist() == [0, 5, 5, 5, 4]
