"""U04: a cell is decoded to admissible values spread inside it; integers stay integers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.schema.columns import Datetime, Integer, NumericColumn, Real
from dpsynth.schema.decode import decode_column
from dpsynth.schema.encode import encode_column

INCOME = Integer(name="income", minimum=0, maximum=100_000, cells=10, step=100)


def broken(codes: np.ndarray) -> pd.Series:
    edges = np.linspace(0, 100_000, 11)
    return pd.Series((edges[codes] + edges[codes + 1]) / 2)


def test_a_broken_twin_returns_midpoints_as_floats() -> None:
    codes = np.zeros(1000, dtype=int)
    assert broken(codes).nunique() == 1
    assert broken(codes).dtype == "float64"
    decoded = decode_column(INCOME, codes, np.random.default_rng(0))
    assert decoded.dtype == "Int64"
    assert set(decoded.tolist()) == set(range(0, 10_000, 100))


@st.composite
def columns(draw: st.DrawFn) -> NumericColumn:
    kind = draw(st.sampled_from(["integer", "real", "day", "second", "month"]))
    low = draw(st.integers(-(10**6), 10**6))
    points = draw(st.integers(1, 10**4))
    cells = draw(st.none() | st.integers(1, min(points, 200)))
    required = draw(st.booleans())
    if kind == "integer":
        step = draw(st.integers(1, 50))
        high = low + step * (points - 1)
        return Integer(name=kind, minimum=low, maximum=high, step=step, cells=cells, required=required)
    if kind == "real":
        precision = draw(st.integers(0, 9))
        low_real, high_real = (round(v / 10**precision, precision) for v in (low, low + points - 1))
        return Real(
            name=kind,
            minimum=low_real,
            maximum=high_real,
            precision=precision,
            cells=cells,
            required=required,
        )
    resolution = {"day": "D", "second": "s", "month": "M"}[kind]
    first = np.datetime64(low % 5000, resolution)
    moments = (str(first), str(first + np.timedelta64(points - 1, resolution)))
    return Datetime(
        name=kind,
        minimum=moments[0],
        maximum=moments[1],
        resolution=resolution,
        cells=cells,
        required=required,
    )


@given(column=columns(), seed=st.integers(0, 2**32))
def test_every_decoded_value_is_admissible_and_returns_to_its_cell(column: NumericColumn, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(column.size), rng.integers(0, column.size, 50)])
    decoded = decode_column(column, codes, rng)
    assert encode_column(column, decoded).tolist() == codes.tolist()
    values = decoded.dropna()
    assert len(values) == (codes < column.cell_count).sum()
    if isinstance(column, Datetime):
        low, high = np.datetime64(column.minimum, "s"), np.datetime64(column.maximum, "s")
        assert ((values >= low) & (values <= high)).all()
        return
    assert ((values >= column.minimum) & (values <= column.maximum)).all()
    if isinstance(column, Integer):
        assert ((values - column.minimum) % column.step == 0).all()
    else:
        assert all(round(value, column.precision) == value for value in values)


@pytest.mark.parametrize("decimals", [0, 1, 7, 15])
def test_decimals_read_back_as_they_are_written(decimals: int) -> None:
    column = Real(name="x", minimum=0, maximum=1, precision=decimals)
    decoded = decode_column(column, np.zeros(200, dtype=int), np.random.default_rng(0))
    assert all(len(f"{value:.17g}") >= 1 and float(f"{value:.{decimals}f}") == value for value in decoded)
