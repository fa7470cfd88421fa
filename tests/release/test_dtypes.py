from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from dpsynth.release.dtypes import input_dtypes, restore_dtypes
from dpsynth.schema.columns import Boolean, Categorical, Datetime, Integer, Real
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.schema import Schema

SCHEMA = Schema(
    columns=(
        Categorical(name="c", categories=("a", "b")),
        Boolean(name="b", required=True),
        Integer(name="i", minimum=0, maximum=300),
        Real(name="r", minimum=0.0, maximum=1.0, precision=1),
        Datetime(name="d", minimum="2020-01-01", maximum="2020-12-31", resolution="D", temporal="date"),
    )
)


@pytest.fixture
def synthetic() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "c": pd.Series(["a", None, "b"], dtype="str"),
            "b": [True, False, True],
            "i": pd.Series([1, None, 300], dtype="Int64"),
            "r": [0.5, None, 1.0],
            "d": pd.to_datetime(["2020-01-01", None, "2020-03-01"]).astype("datetime64[s]"),
        }
    )


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("c", "category", "category"),
        ("c", "object", "str"),
        ("b", "boolean", "boolean"),
        ("i", "Int16", "Int16"),
        ("i", "int16", "Int64"),  # no room for missing values
        ("i", "Int8", "Int64"),  # no room for 300
        ("i", "float64", "Int64"),  # floats only because a value was missing: the schema says integer
        ("r", "Float64", "Float64"),
        ("r", "float32", "float32"),
        ("d", "datetime64[ns]", "datetime64[ns]"),
        ("d", "str", "datetime64[s]"),
    ],
)
def test_types_come_back_where_schema_and_values_allow(
    synthetic: pd.DataFrame, name: str, given: Any, expected: str
) -> None:
    result = restore_dtypes(synthetic, SCHEMA, {name: pd.Series([], dtype=given).dtype})
    assert str(result[name].dtype) == expected
    assert result[name].isna().tolist() == synthetic[name].isna().tolist()
    assert list(result.columns) == list(synthetic.columns)


def test_only_pandas_frames_have_types_to_restore(synthetic: pd.DataFrame) -> None:
    assert input_dtypes("a.csv") == {}
    assert set(input_dtypes(synthetic)) == set(synthetic.columns)


@pytest.mark.parametrize(
    ("formula", "made", "given"),
    [
        (Formula(name="x", expression="d + 1", result="date"), "datetime64[s]", "datetime64[ns]"),
        (Formula(name="x", expression="b", result="truth"), "boolean", "bool"),
        (Formula(name="x", expression="1", precision=0), "int64", "int16"),
        (Formula(name="x", expression="1"), "float64", "float32"),
    ],
)
def test_formulas_get_their_types_back_like_columns_of_their_kind(
    formula: Formula, made: str, given: str
) -> None:
    schema = Schema(columns=(*SCHEMA.columns, formula))
    frame = pd.DataFrame({"x": pd.Series([1, 1], dtype="int64").astype(made)})
    assert restore_dtypes(frame, schema, {"x": pd.Series([], dtype=given).dtype})["x"].dtype == given
    other = pd.Series([], dtype="str").dtype
    assert restore_dtypes(frame, schema, {"x": other})["x"].dtype == made
