from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import DataError, RawAccessError
from dpsynth.privacy.unit import Unit
from dpsynth.schema.columns import Identifier
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable
from dpsynth.session._vault import content_of


def test_nothing_shows(frame: pd.DataFrame, schema: Schema) -> None:
    table = PrivateTable.load(frame, schema)
    for attempt in (len, iter, list, copy.copy, copy.deepcopy, np.asarray, lambda t: t[0], lambda t: 1 in t):
        with pytest.raises(RawAccessError):
            attempt(table)
    with pytest.raises(RawAccessError):
        table.__reduce__()
    assert str(len(frame)) not in repr(table)
    assert not hasattr(table, "__dict__")
    assert [name for name in dir(table) if not name.startswith("_")] == ["load", "schema"]


def test_columns_must_match(frame: pd.DataFrame, schema: Schema) -> None:
    with pytest.raises(DataError, match=r"lacks: \['age'\]"):
        PrivateTable.load(frame.drop(columns="age"), schema)
    with pytest.raises(DataError, match=r"not declare: \['extra'\]"):
        PrivateTable.load(frame.assign(extra=1), schema)


def test_a_column_of_another_type_is_named(frame: pd.DataFrame, schema: Schema) -> None:
    with pytest.raises(DataError, match="age"):
        PrivateTable.load(frame.assign(age="old"), schema)
    with pytest.raises(DataError, match="age"):
        PrivateTable.load(frame.assign(age=pd.to_datetime("2020-01-01")), schema)


def test_all_missing_and_empty_tables_load(frame: pd.DataFrame, schema: Schema) -> None:
    for source in (frame.assign(age=None, colour=None), frame.iloc[:0], frame.iloc[:1]):
        table = content_of(PrivateTable.load(source, schema)).encode(schema.modelled)
        assert table.marginal_counts(("age",)).sum() == len(source)


def with_people(schema: Schema, k: int) -> Schema:
    unit = Unit(id_column="person", contributions=k)
    return Schema(columns=(Identifier(name="person"), *schema.columns), unit=unit, name="people")


@pytest.mark.parametrize("k", [1, 2, 3])
def test_each_person_keeps_at_most_k_rows(frame: pd.DataFrame, schema: Schema, k: int) -> None:
    people = np.repeat(np.arange(100), 4)
    content = content_of(PrivateTable.load(frame.assign(person=people), with_people(schema, k)))
    kept = content.raw["person"]
    assert kept.value_counts().tolist() == [k] * 100


def test_rows_without_a_person_count_as_one_person(frame: pd.DataFrame, schema: Schema) -> None:
    content = content_of(PrivateTable.load(frame.assign(person=None), with_people(schema, 3)))
    assert len(content.raw["person"]) == 3


def test_rows_that_a_rule_drops_are_left_out(frame: pd.DataFrame, schema: Schema) -> None:
    dropping = schema.replace_columns({"age": replace(schema.column("age"), out_of_domain="drop")})
    frame = frame.assign(age=[500] * 10 + frame["age"].tolist()[10:])
    table = content_of(PrivateTable.load(frame, dropping)).encode(dropping.modelled)
    assert table.marginal_counts(("member",)).sum() == len(frame) - 10


def test_the_latest_encoded_table_is_kept_for_the_next_run(frame: pd.DataFrame, schema: Schema) -> None:
    content = content_of(PrivateTable.load(frame, schema))
    table = content.table(schema.modelled)
    assert content.table(schema.modelled) is table
    narrower = schema.replace_columns({"age": replace(schema.column("age"), maximum=50)})
    other = content.table(narrower.modelled)
    assert other is not table
    np.testing.assert_array_equal(
        other.marginal_counts(("age",)), content.encode(narrower.modelled).marginal_counts(("age",))
    )
    assert len(content.latest) == 1
    assert content.table(schema.modelled) is not table
