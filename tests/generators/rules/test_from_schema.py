"""Simple rules for a declared schema."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dpsynth import datasets
from dpsynth.errors import ConfigurationError
from dpsynth.generators.rules import Rules
from dpsynth.schema.columns import Boolean, Categorical, Datetime, Identifier, Integer, Real, Text
from dpsynth.schema.constraints import ImpossibleCombinations
from dpsynth.schema.encode import encode_column
from dpsynth.schema.schema import Schema


def test_what_is_drawn_fits_the_schema(schema: Schema) -> None:
    frame = Rules.from_schema(schema).sample(2000, seed=1)
    assert tuple(frame.columns) == schema.names
    for column in schema.modelled:
        codes = encode_column(dataclasses.replace(column, out_of_domain="drop"), frame[column.name])
        assert (codes >= 0).all()
        assert set(codes[frame[column.name].notna()]) == set(range(column.cell_count))
        assert frame[column.name].isna().any() == (not column.required)


def test_the_rules_declare_the_same_domain(schema: Schema) -> None:
    again = Rules.from_schema(schema).schema()
    for column, made in zip(schema.columns, again.columns, strict=True):
        assert type(made) is type(column)
        assert made.required == column.required
        for bound in ("minimum", "maximum", "categories"):
            assert getattr(made, bound, None) == getattr(column, bound, None)


def test_rules_of_the_demo_schema_are_written_and_read_back() -> None:
    rules = Rules.from_schema(datasets.adult_schema())
    assert Rules.from_json(rules.to_json()) == rules
    assert len(rules.sample(500, seed=1)) == 500


def test_columns_that_are_not_modelled() -> None:
    schema = Schema(
        columns=(
            Identifier(name="id", pattern="P###"),
            Text(name="note"),
            Text(name="remark", rule="regenerate", filler="[none] #1?"),
            Integer(name="x", minimum=1, maximum=9, step=2, required=True),
        )
    )
    frame = Rules.from_schema(schema).sample(50, seed=1)
    assert list(frame.columns) == ["id", "remark", "x"]
    assert set(frame["remark"]) == {"[none] #1?"}
    assert set(frame["x"]) == {1, 3, 5, 7, 9}
    with pytest.raises(ConfigurationError, match="no column that rules"):
        Rules.from_schema(Schema(columns=(Text(name="note"),)))


def test_structural_zeros_hold() -> None:
    schema = Schema(
        columns=(
            Integer(name="age", minimum=0, maximum=99),
            Categorical(name="status", categories=("single", "married"), out_of_domain="other"),
            Boolean(name="works"),
            Datetime(name="day", minimum="2024-01-01", maximum="2024-12-31"),
            Real(name="pay", minimum=0.0, maximum=10.0),
            Categorical(name="level", categories=(1, 3), required=True),
        ),
        constraints=(
            ImpossibleCombinations(
                columns=("age", "status"), allowed=[((0, 14), None), ((15, None), ...), (None, ...)]
            ),
            ImpossibleCombinations(
                columns=("works", "pay"), combinations=[("false", (5.0, None)), (None, None)]
            ),
            ImpossibleCombinations(columns=("day", "works"), combinations=[(("2024-06-01", None), ["true"])]),
            ImpossibleCombinations(columns=("status", "works"), combinations=[("other", "true")]),
            ImpossibleCombinations(columns=("status", "level"), combinations=[(["married", None], 3)]),
        ),
    )
    frame = Rules.from_schema(schema, missing=0.3).sample(2000, seed=1)
    young = frame["age"].between(0, 14).fillna(False).astype(bool)
    assert young.any()
    assert frame["status"][young].isna().all()
    assert not ((frame["works"] == False) & (frame["pay"] >= 5)).any()  # noqa: E712
    assert not (frame["works"].isna() & frame["pay"].isna()).any()
    assert set(frame["status"][frame["level"] == 3]) == {"single"}
    assert not ((frame["day"] >= "2024-06-01") & frame["works"]).any()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (Integer(name="x"), "Column 'x': its categories or bounds are not known"),
        (Integer(name="x", minimum=0, maximum=9, origin="assumed"), "Column 'x'.*read from the rows"),
        (Integer(name="x", minimum=0, maximum=9, origin="dp"), "Column 'x'.*bought from a budget"),
    ],
)
def test_what_came_from_data_is_refused(column: Any, message: str) -> None:
    """Or the statement that no data was read would be false."""
    with pytest.raises(ConfigurationError, match=message):
        Rules.from_schema(Schema(columns=(column,)))
