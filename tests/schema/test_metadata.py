from __future__ import annotations

from typing import Any

import pytest

from dpsynth.errors import SchemaError
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Boolean, Categorical, Datetime, Identifier, Integer, Real, Schema, Text
from dpsynth.schema.metadata import schema_from_domain, schema_from_sdv, schema_to_domain, schema_to_sdv

COLUMNS = {
    "id": {"sdtype": "id", "regex_format": "P[0-9]+"},
    "age": {"sdtype": "numerical", "computer_representation": "Int64"},
    "height": {"sdtype": "numerical"},
    "colour": {"sdtype": "categorical"},
    "size": {"sdtype": "categorical", "order": ["S", "M", "L"]},
    "member": {"sdtype": "boolean"},
    "day": {"sdtype": "datetime", "datetime_format": "%Y-%m-%d"},
    "moment": {"sdtype": "datetime", "datetime_format": "%Y-%m-%d %H:%M"},
    "since": {"sdtype": "datetime"},
    "email": {"sdtype": "email", "pii": True},
}
EXPECTED = (
    Identifier(name="id"),
    Integer(name="age"),
    Real(name="height"),
    Categorical(name="colour"),
    Categorical(name="size", categories=("S", "M", "L"), ordered=True),
    Boolean(name="member"),
    Datetime(name="day", format="%Y-%m-%d", temporal="date"),
    Datetime(name="moment", format="%Y-%m-%d %H:%M", resolution="s"),
    Datetime(name="since", resolution="s"),
    Text(name="email"),
)


@pytest.mark.parametrize(
    ("document", "table", "name"),
    [
        ({"METADATA_SPEC_VERSION": "SINGLE_TABLE_V1", "columns": COLUMNS}, None, "table"),
        ({"METADATA_SPEC_VERSION": "SINGLE_TABLE_V1", "columns": COLUMNS}, "people", "people"),
        ({"METADATA_SPEC_VERSION": "V1", "tables": {"people": {"columns": COLUMNS}}}, None, "people"),
        ({"tables": {"people": {"columns": COLUMNS}, "pets": {"columns": {}}}}, "people", "people"),
    ],
)
def test_sdv_metadata_is_read(document: Any, table: str | None, name: str) -> None:
    schema = schema_from_sdv(document, table=table)
    assert schema.columns == EXPECTED
    assert schema.name == name


def test_a_primary_key_is_an_identifier() -> None:
    table = {"primary_key": "mail", "columns": {"mail": {"sdtype": "email"}, "age": {"sdtype": "numerical"}}}
    assert isinstance(schema_from_sdv({"tables": {"t": table}}).columns[0], Identifier)


@pytest.mark.parametrize(
    ("document", "table"),
    [
        ([], None),
        ({}, None),
        ({"tables": []}, None),
        ({"tables": {"a": {}}}, None),
        ({"tables": {"a": {"columns": {"x": 3}}}}, None),
        ({"tables": {"a": {"columns": {}}, "b": {"columns": {}}}}, None),
        ({"tables": {"a": {"columns": {}}}}, "b"),
    ],
)
def test_other_documents_are_refused(document: Any, table: str | None) -> None:
    with pytest.raises(SchemaError):
        schema_from_sdv(document, table=table)


def test_sdv_metadata_is_written() -> None:
    schema = Schema(columns=EXPECTED, name="people", unit=Unit(id_column="id"))
    document = schema_to_sdv(schema)
    assert document["METADATA_SPEC_VERSION"] == "V1"
    assert document["tables"]["people"]["primary_key"] == "id"
    columns = document["tables"]["people"]["columns"]
    assert columns["size"] == {"sdtype": "categorical", "order": ["S", "M", "L"]}
    assert columns["email"] == {"sdtype": "unknown", "pii": True}
    assert columns["since"] == {"sdtype": "datetime"}
    assert schema_from_sdv(document).columns == EXPECTED
    several = Schema(columns=EXPECTED, unit=Unit(id_column="id", contributions=2))
    assert "primary_key" not in schema_to_sdv(several)["tables"]["table"]


def test_size_files() -> None:
    sizes = {"age": 3, "sex": 2}
    schema = schema_from_domain(sizes, name="t")
    assert schema_to_domain(schema) == sizes
    assert schema.columns[1] == Categorical(name="sex", categories=(0, 1), required=True)
    for document in ([], {"age": "3"}, {"age": 0}, {"age": True}):
        with pytest.raises(SchemaError):
            schema_from_domain(document)  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="not known yet"):
        schema_to_domain(Schema(columns=(Integer(name="age"),)))
