from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import SchemaError
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Boolean, Categorical, Column, Datetime, Identifier, Integer, Real, Schema, Text
from dpsynth.schema.table_schema import schema_from_json, schema_to_json

FULL = Schema(
    name="people",
    title="People",
    description="Invented.",
    unit=Unit(relation="replace_one", id_column="person", contributions=3),
    missing_values=("", "NA"),
    columns=(
        Identifier(name="person", pattern="P####"),
        Categorical(name="texts", categories=("a", "b"), labels=("A", "B"), ordered=True, required=True),
        Categorical(name="integers", categories=(1, 2), out_of_domain="other", other_label="9", origin="dp"),
        Categorical(name="decimals", categories=(1.0, 2.5), labels=("one", "more"), ordered=True),
        Categorical(name="mixed", categories=("a", 0, 2.5, True), out_of_domain="drop"),
        Categorical(name="truths", categories=(True, False)),
        Categorical(name="unknown", title="Not known", description="To be bought."),
        Boolean(name="member", true_values=("yes",), false_values=("no",), missing_values=("?",)),
        Integer(name="age", minimum=0, maximum=95, step=5, edges=(0, 20, 95), origin="assumed"),
        Integer(name="open", minimum=0, cells=7),
        Real(name="height", minimum=0, maximum=2.5, precision=1, cells=5, out_of_domain="missing"),
        Datetime(name="day", minimum="2020-01-01", maximum="2020-12-31", temporal="date", format="%d/%m/%Y"),
        Datetime(name="hour", minimum="2020-01-01", maximum="2020-12-31", resolution="h", edges=("2020-01-01", "2020-02-01", "2020-12-31")),
        Text(name="note", rule="regenerate", filler="-"),
    ),
)  # fmt: skip


def test_our_documents_read_back_as_they_were() -> None:
    document = json.loads(json.dumps(schema_to_json(FULL)))
    assert schema_from_json(document) == FULL
    assert schema_to_json(schema_from_json(document)) == document


def test_standard_words_come_first() -> None:
    fields = {field["name"]: field for field in schema_to_json(FULL)["fields"]}
    assert fields["texts"]["categories"][0] == {"value": "a", "label": "A"}
    assert fields["texts"]["categoriesOrdered"] is True
    assert fields["texts"]["constraints"] == {"required": True}
    assert fields["decimals"]["constraints"]["enum"] == [1.0, 2.5]
    assert fields["age"]["constraints"] == {"minimum": 0, "maximum": 95}
    assert fields["age"]["dpsynth"]["origin"] == "assumed"
    assert fields["day"]["type"] == "date"
    assert fields["member"]["missingValues"] == ["?"]
    types = [field["type"] for field in fields.values()]
    assert types[:6] == ["any", "string", "integer", "number", "any", "boolean"]


def read(field: dict[str, Any], **document: Any) -> Column:
    return schema_from_json({"fields": [{"name": "x"} | field]} | document).columns[0]


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ({"type": "string"}, Categorical(name="x")),
        ({}, Categorical(name="x")),
        (
            {"type": "string", "title": "X", "description": "D"},
            Categorical(name="x", title="X", description="D"),
        ),
        ({"type": "string", "categories": ["a", "b"]}, Categorical(name="x", categories=("a", "b"))),
        (
            {
                "type": "string",
                "categories": [{"value": "a", "label": "A"}, {"value": "b"}],
                "categoriesOrdered": True,
            },
            Categorical(name="x", categories=("a", "b"), labels=("A", "b"), ordered=True),
        ),
        (
            {"type": "integer", "categories": [{"value": 0, "label": "no"}, {"value": 1, "label": "yes"}]},
            Categorical(name="x", categories=(0, 1), labels=("no", "yes")),
        ),
        (
            {"type": "string", "constraints": {"enum": ["a", "b", None]}},
            Categorical(name="x", categories=("a", "b")),
        ),
        ({"type": "number", "constraints": {"enum": [0.5, 1]}}, Categorical(name="x", categories=(0.5, 1))),
        ({"type": "string", "constraints": {"unique": True}}, Identifier(name="x")),
        ({"type": "integer"}, Integer(name="x")),
        (
            {"type": "integer", "constraints": {"required": True, "minimum": 0.0, "maximum": "9"}},
            Integer(name="x", required=True, minimum=0, maximum=9),
        ),
        (
            {"type": "integer", "constraints": {"exclusiveMinimum": 0, "exclusiveMaximum": 10}},
            Integer(name="x", minimum=1, maximum=9),
        ),
        ({"type": "year", "constraints": {"minimum": 1900}}, Integer(name="x", minimum=1900)),
        ({"type": "number"}, Real(name="x")),
        (
            {"type": "number", "constraints": {"minimum": 0, "maximum": 0.125}},
            Real(name="x", minimum=0, maximum=0.125, precision=3),
        ),
        (
            {"type": "number", "constraints": {"minimum": 0, "maximum": 1e5}, "dpsynth": {"precision": 0}},
            Real(name="x", minimum=0, maximum=1e5, precision=0),
        ),
        ({"type": "boolean"}, Boolean(name="x")),
        ({"type": "boolean", "constraints": {"enum": [True]}}, Boolean(name="x")),
        (
            {"type": "boolean", "trueValues": ["y"], "falseValues": ["n"]},
            Boolean(name="x", true_values=("y",), false_values=("n",)),
        ),
        (
            {
                "type": "date",
                "format": "default",
                "constraints": {"minimum": "2020-01-01", "maximum": "2021-01-01"},
            },
            Datetime(name="x", minimum="2020-01-01", maximum="2021-01-01", temporal="date"),
        ),
        (
            {
                "type": "date",
                "format": "%d/%m/%Y",
                "constraints": {"minimum": "31/01/2020", "maximum": "2021-01-01"},
            },
            Datetime(
                name="x",
                minimum="2020-01-31T00:00:00",
                maximum="2021-01-01T00:00:00",
                temporal="date",
                format="%d/%m/%Y",
            ),
        ),
        ({"type": "datetime", "format": "any"}, Datetime(name="x", resolution="s")),
        ({"type": "yearmonth"}, Datetime(name="x", resolution="M", temporal="date")),
        ({"type": "list", "dpsynth": {"kind": "text"}}, Text(name="x")),
        ({"type": "string", "dpsynth": {"kind": "integer", "origin": "dp"}}, Integer(name="x", origin="dp")),
        (
            {"type": "string", "missingValues": ["?", {"value": "-1", "label": "refused"}]},
            Categorical(name="x", missing_values=("?", "-1")),
        ),
    ],
)
def test_plain_documents_are_accepted(field: dict[str, Any], column: Column) -> None:
    assert read(field) == column


def test_a_plain_document_has_the_usual_unit_and_names() -> None:
    schema = schema_from_json(
        {"fields": [{"name": "a", "type": "boolean"}], "missingValues": ["", {"value": "NA"}], "name": "n"}
    )
    assert schema.unit == Unit()
    assert schema.missing_values == ("", "NA")
    assert schema.name == "n"
    assert schema.assumed == ()


def test_a_primary_key_is_an_identifier() -> None:
    assert isinstance(read({"type": "integer"}, primaryKey="x"), Identifier)
    assert isinstance(read({"type": "integer"}, primaryKey=["x"]), Identifier)
    assert isinstance(read({"type": "integer"}, primaryKey=["x", "y"]), Integer)


@pytest.mark.parametrize(
    ("field", "says"),
    [
        *(
            ({"type": kind}, f"'{kind}' cannot be modelled.*\"text\"")
            for kind in ("list", "object", "time", "geojson")
        ),
        ({"type": "string", "dpsynth": {"kind": "word"}}, "kind to be one of"),
        ({"type": "string", "dpsynth": {"orign": "dp"}}, r"Unknown keys \['orign'\]"),
        ({"type": "string", "dpsynth": {"step": 2}}, r"Unknown keys \['step'\]"),
        ({"type": "string", "dpsynth": []}, "JSON object"),
        ({"type": "string", "constraints": []}, "JSON object"),
        ({"type": "string", "categories": "ab"}, "to be a list"),
        ({"type": "string", "missingValues": "NA"}, "missingValues.*list"),
        ({"type": "number", "decimalChar": ","}, "decimalChar"),
        ({"type": "number", "groupChar": ","}, "groupChar"),
        ({"type": "integer", "bareNumber": False}, "currency"),
        ({"type": "number", "constraints": {"exclusiveMinimum": 0}}, "exclusiveMinimum is for integers"),
        ({"type": "integer", "constraints": {"minimum": "low"}}, "finite number"),
        ({"type": "integer", "constraints": {"minimum": None}}, "finite number"),
        ({"type": "integer", "constraints": {"minimum": True}}, "finite number"),
        ({"type": "integer", "constraints": {"minimum": float("nan")}}, "finite number"),
        ({"type": "integer", "constraints": {"minimum": 0.5}}, "integer"),
        ({"type": "integer", "constraints": {"minimum": 1, "maximum": 0}}, "minimum <= maximum"),
        ({"type": "date", "format": "%d/%m/%Y", "constraints": {"minimum": "soon"}}, "ISO 8601"),
        ({"type": "date", "format": "%d/%m/%Y", "constraints": {"minimum": 3}}, "ISO 8601"),
        ({"name": "x", "dpsynth": {"edges": 3, "kind": "integer"}}, "to be a list"),
    ],
)
def test_impossible_fields_are_refused_by_name(field: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaError, match=says) as caught:
        read(field)
    assert "'x'" in str(caught.value)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "JSON object"),
        ({"resources": []}, '"fields"'),
        ({"fields": {}}, '"fields"'),
        ({"fields": ["a"]}, "every field"),
        ({"fields": [{"type": "string"}]}, "to have a name"),
        ({"fields": []}, "at least one column"),
        ({"fields": [{"name": "a"}], "missingValues": ""}, "missingValues"),
        ({"fields": [{"name": "a"}], "dpsynth": {"version": 2}}, "version"),
        ({"fields": [{"name": "a"}], "dpsynth": {"units": {}}}, r"\['units'\]"),
        ({"fields": [{"name": "a"}], "dpsynth": {"unit": {"id": "a"}}}, r"\['id'\]"),
        (
            {"fields": [{"name": "a"}], "dpsynth": {"unit": {"contributions": 2}}},
            "unit of privacy is impossible",
        ),
    ],
)
def test_impossible_documents_are_refused(document: Any, says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        schema_from_json(document)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
KEYS = [
    "type",
    "format",
    "categories",
    "categoriesOrdered",
    "constraints",
    "missingValues",
    "trueValues",
    "dpsynth",
    "title",
]
INNER = [
    "minimum",
    "maximum",
    "enum",
    "required",
    "kind",
    "cells",
    "edges",
    "step",
    "precision",
    "origin",
    "rule",
    "resolution",
]


@given(
    field=st.dictionaries(
        st.sampled_from(KEYS), json_values | st.sampled_from(["integer", "number", "date", "string"])
    ),
    inner=st.dictionaries(st.sampled_from(INNER), json_values),
    where=st.sampled_from(["constraints", "dpsynth", "title"]),
)
def test_no_document_fails_in_another_way(field: dict[str, Any], inner: dict[str, Any], where: str) -> None:
    try:
        schema = schema_from_json({"fields": [{"name": "x"} | field | {where: inner}]})
    except SchemaError:
        return
    assert schema_from_json(json.loads(json.dumps(schema_to_json(schema)))) == schema


def test_every_field_that_is_wrong_is_told_at_once() -> None:
    fields = [
        {"name": "age", "type": "integer", "constraints": {"minimum": 9, "maximum": 1}},
        {"name": "fine", "type": "boolean"},
        {"name": "shape", "type": "geopoint"},
    ]
    with pytest.raises(SchemaError, match=r"(?s)age.*shape") as caught:
        schema_from_json({"fields": fields})
    assert "fine" not in str(caught.value)


@pytest.mark.parametrize("key", [1, None, {"a": 1}, ["a", "b"], [["a"]]])
def test_a_strange_primary_key_names_no_column(key: object) -> None:
    schema = schema_from_json({"fields": [{"name": "a", "type": "boolean"}], "primaryKey": key})
    assert schema.names == ("a",)


def test_labels_may_stand_beside_plain_categories_and_nulls() -> None:
    categories = [{"value": "a", "label": "A"}, None, "b"]
    schema = schema_from_json({"fields": [{"name": "x", "type": "string", "categories": categories}]})
    assert schema.column("x").labels == ("A", "b")
