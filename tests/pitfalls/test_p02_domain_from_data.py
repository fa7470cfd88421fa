"""P02: categories, types and nullability come from the schema, never from the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import SchemaError
from dpsynth.schema.columns import Boolean, Categorical, Datetime, Identifier, Integer, ModelledColumn, Real
from dpsynth.schema.decode import decode_column
from dpsynth.schema.encode import encode_column
from dpsynth.schema.schema import Schema

COLUMNS: list[ModelledColumn] = [
    Categorical(name="colour", categories=("red", "green")),
    Categorical(name="grade", categories=(1, 2, 3), ordered=True),
    Categorical(name="code", categories=(1, 2, 3)),
    Boolean(name="member"),
    Integer(name="age", minimum=0, maximum=9),
    Integer(name="size", minimum=0, maximum=9, required=True),
    Real(name="height", minimum=0, maximum=2),
    Datetime(name="day", minimum="2020-01-01", maximum="2020-01-09"),
]
by_name = pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)


def test_a_broken_twin_sizes_its_domain_by_the_rows() -> None:
    def size_from_data(values: list[str | None]) -> int:
        return (
            len(pd.Series(values, dtype="str").astype("category").cat.categories)
            + pd.Series(values).isna().any()
        )

    assert (
        size_from_data(["red"]) != size_from_data(["red", "green"]) != size_from_data(["red", "green", None])
    )
    column = Categorical(name="colour", categories=("red", "green"))
    for values in (["red"], ["red", "green", None], ["blue"], []):
        codes = encode_column(column, pd.Series(values, dtype="str"))
        assert column.size == 3
        assert set(codes.tolist()) <= {0, 1, 2}


@by_name
def test_the_type_of_a_decoded_column_follows_from_the_schema(column: ModelledColumn) -> None:
    rng = np.random.default_rng(1)
    samples = [
        np.array([], dtype=int),
        np.zeros(3, dtype=int),
        np.arange(column.size),
        np.full(2, column.size - 1),
    ]
    dtypes = {str(decode_column(column, codes, rng).dtype) for codes in samples}
    assert len(dtypes) == 1


def test_a_broken_twin_changes_type_with_one_missing_value() -> None:
    assert pd.Series([1, 2]).dtype != pd.Series([1, None]).dtype


@by_name
def test_a_value_that_nobody_declared_gets_no_code_of_its_own(column: ModelledColumn) -> None:
    codes = encode_column(column, pd.Series(["never declared", "neither"], dtype="str"))
    assert codes.tolist() == [column.missing_code if column.missing_code is not None else -1] * 2


def test_unknown_domains_are_refused_not_filled_in() -> None:
    unknown: list[ModelledColumn] = [
        Categorical(name="colour"),
        Integer(name="age", minimum=0),
        Real(name="height"),
    ]
    for column in unknown:
        with pytest.raises(SchemaError, match=f"{column.name}.*not known yet"):
            encode_column(column, pd.Series([1, 2]))
    assert Schema(columns=tuple(unknown)).unknown == ("colour", "age", "height")


def test_an_id_is_declared_not_recognised() -> None:
    schema = Schema(columns=(Identifier(name="member"), Integer(name="id", minimum=0, maximum=3)))
    assert schema.domain.columns == ("id",)
