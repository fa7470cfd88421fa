from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError
from dpsynth.schema.columns import (
    Boolean,
    Categorical,
    Datetime,
    Identifier,
    Integer,
    ModelledColumn,
    Real,
    Text,
)
from dpsynth.schema.decode import decode_column, decode_table
from dpsynth.schema.encode import encode_column
from dpsynth.schema.schema import Schema

RNG = np.random.default_rng(5)

category = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)


@st.composite
def categoricals(draw: st.DrawFn) -> Categorical:
    from dpsynth.schema.canonical import text_of

    found = draw(st.lists(category, min_size=1, max_size=8, unique_by=(text_of, lambda value: value)))
    return Categorical(
        name="c",
        categories=tuple(value for value in found if text_of(value)) or ("only",),
        ordered=draw(st.booleans()),
        required=draw(st.booleans()),
        out_of_domain=draw(st.sampled_from(["missing", "other", "drop"])),
        other_label="something else",
    )


@given(column=categoricals())
@example(column=Categorical(name="c", categories=(2**53 + 1, 0.0), ordered=True, other_label="else"))
@example(column=Categorical(name="c", categories=("true", True), other_label="else"))
def test_categories_return_to_their_codes(column: Categorical) -> None:
    codes = np.arange(column.size)
    decoded = decode_column(column, codes, RNG)
    assert encode_column(column, decoded).tolist() == codes.tolist()
    allowed = {*column.known_categories, column.other_label}
    assert all(value in allowed for value in decoded.dropna())


@pytest.mark.parametrize(
    ("categories", "more", "dtype"),
    [
        (("a", "b"), {}, "str"),
        (("a", "b"), {"ordered": True}, "category"),
        ((1, 2), {}, "Int64"),
        ((1, 2), {"required": True}, "int64"),
        ((1, 2), {"out_of_domain": "other"}, "object"),
        ((1, 2.5), {}, "float64"),
        ((True, False), {}, "boolean"),
        ((1, "a"), {}, "object"),
    ],
)
def test_types_of_categories(categories: Any, more: Any, dtype: str) -> None:
    column = Categorical(name="c", categories=categories, **more)
    decoded = decode_column(column, np.array([0, 1, column.size - 1]), RNG)
    assert decoded.dtype == dtype
    assert decoded.tolist()[:2] == list(categories)
    assert decoded.isna().tolist()[2] is (not column.required)


def test_a_column_in_which_discovery_found_nothing_frequent() -> None:
    column = Categorical(name="c", categories=(), out_of_domain="other")
    assert encode_column(column, pd.Series(["a", None])).tolist() == [0, 1]
    assert decode_column(column, np.array([0, 0]), RNG).tolist() == ["other", "other"]


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (Boolean(name="b"), "boolean"),
        (Boolean(name="b", required=True), "boolean"),
        (Integer(name="i", minimum=0, maximum=5), "Int64"),
        (Integer(name="i", minimum=0, maximum=5, required=True), "int64"),
        (Real(name="r", minimum=0, maximum=5), "float64"),
        (Datetime(name="d", minimum="2020", maximum="2021"), "datetime64[s]"),
        (Datetime(name="d", minimum="1500", maximum="2999", resolution="Y", required=True), "datetime64[s]"),
    ],
)
def test_types_of_the_other_kinds(column: ModelledColumn, dtype: str) -> None:
    codes = np.arange(column.size)
    decoded = decode_column(column, codes, RNG)
    assert decoded.dtype == dtype
    assert decoded.name == column.name
    assert encode_column(column, decoded).tolist() == codes.tolist()


def test_values_spread_evenly_over_a_cell() -> None:
    column = Integer(name="i", minimum=0, maximum=99, cells=10, required=True)
    decoded = decode_column(column, np.full(20_000, 3), np.random.default_rng(1))
    counts = np.bincount(decoded - 30, minlength=10)
    assert len(counts) == 10
    assert abs(counts - 2000).max() < 250  # 5.9 standard deviations


def test_values_follow_the_shape_of_a_cell() -> None:
    column = Integer(name="i", minimum=0, maximum=19, cells=2, required=True)
    shape = np.array([[1, 0, 0, 0, 0], [0, 0, 0, 1, 3]])
    codes = np.repeat([0, 1], 4000)
    decoded = decode_column(column, codes, np.random.default_rng(1), shape).to_numpy()
    assert set(decoded[:4000]) == {0, 1}
    assert set(decoded[4000:]) == {16, 17, 18, 19}
    assert abs((decoded[4000:] >= 18).mean() - 0.75) < 0.04


@pytest.mark.parametrize("shape", [[[1]], [1, 1], [[1, 0], [0, 0]], [[1, -1], [1, 1]], [[np.nan, 1], [1, 1]]])
def test_impossible_shapes_are_refused(shape: Any) -> None:
    column = Integer(name="i", minimum=0, maximum=19, cells=2)
    with pytest.raises(ConfigurationError, match=r"'i'.*2 rows of weights"):
        decode_column(column, np.array([0]), RNG, np.array(shape))


@pytest.mark.parametrize("codes", [[-1], [3], [0, 7]])
def test_codes_must_fit(codes: list[int]) -> None:
    with pytest.raises(ConfigurationError, match="from 0 to 2"):
        decode_column(Categorical(name="c", categories=("a", "b")), np.array(codes), RNG)


SCHEMA = Schema(
    columns=(
        Identifier(name="id"),
        Identifier(name="file", pattern="P-##/x"),
        Categorical(name="colour", categories=("red", "green"), required=True),
        Text(name="note"),
        Text(name="remark", rule="regenerate", filler="-"),
        Integer(name="age", minimum=0, maximum=9),
    )
)


def test_a_table_in_the_order_of_the_schema() -> None:
    codes = {"age": np.full(101, 10), "colour": np.arange(101) % 2}
    frame = decode_table(SCHEMA, codes, 101, RNG)
    assert list(frame) == ["id", "file", "colour", "remark", "age"]
    assert frame["id"].tolist() == list(range(1, 102))
    assert frame["file"].iloc[[0, 100]].tolist() == ["P-01/x", "P-101/x"]
    assert set(frame["remark"]) == {"-"}
    assert frame["age"].isna().all()
    assert frame["colour"].iloc[:2].tolist() == ["red", "green"]


def test_an_empty_table() -> None:
    frame = decode_table(SCHEMA, {"age": np.array([], dtype=int), "colour": np.array([], dtype=int)}, 0, RNG)
    assert frame.shape == (0, 5)
    assert frame.dtypes.astype(str).tolist() == ["int64", "str", "str", "str", "Int64"]


@pytest.mark.parametrize(
    "codes", [{}, {"age": np.array([1])}, {"age": np.array([1, 2]), "colour": np.array([1])}]
)
def test_lacking_codes_are_named(codes: Any) -> None:
    with pytest.raises(ConfigurationError, match="codes for column"):
        decode_table(SCHEMA, codes, 1, RNG)


def test_the_same_generator_gives_the_same_table() -> None:
    column = Real(name="r", minimum=0, maximum=1, precision=6)
    codes = np.arange(20)
    first, second = (decode_column(column, codes, np.random.default_rng(9)) for _ in range(2))
    pd.testing.assert_series_equal(first, second)
    assert not first.equals(decode_column(replace(column), codes, np.random.default_rng(10)))
