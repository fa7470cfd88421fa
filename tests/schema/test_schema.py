from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dpsynth.errors import SchemaError
from dpsynth.privacy.unit import Unit
from dpsynth.schema import Boolean, Categorical, Column, Identifier, Integer, Schema, Text

COLOUR = Categorical(name="colour", categories=("red", "green"))
AGE = Integer(name="age", minimum=0, maximum=99, cells=10, origin="assumed")
PERSON = Identifier(name="person")
NOTE = Text(name="note")
SCHEMA = Schema(columns=(PERSON, COLOUR, AGE, NOTE), missing_values=("", "NA"), name="people")


def test_only_modelled_columns_are_in_the_domain() -> None:
    assert SCHEMA.names == ("person", "colour", "age", "note")
    assert [column.name for column in SCHEMA.modelled] == ["colour", "age"]
    assert (SCHEMA.domain.columns, SCHEMA.domain.sizes) == (("colour", "age"), (3, 11))
    assert SCHEMA.complete
    assert SCHEMA.assumed == ("age",)
    assert SCHEMA.column("age") is AGE


def test_what_is_unknown_is_listed() -> None:
    open_schema = SCHEMA.replace_columns({"colour": replace(COLOUR, categories=None)})
    assert open_schema.unknown == ("colour",)
    assert not open_schema.complete
    with pytest.raises(SchemaError, match="colour"):
        _ = open_schema.domain
    assert open_schema.replace_columns({"colour": COLOUR}) == SCHEMA


@pytest.mark.parametrize(
    ("columns", "more", "says"),
    [
        ((), {}, "at least one column"),
        (("age",), {}, "nothing but columns"),
        ((AGE, COLOUR, AGE), {}, r"more than once: \['age'\]"),
        ((AGE,), {"unit": Unit(id_column="person")}, "no column 'person'"),
        ((AGE,), {"unit": Unit(id_column="age")}, "'age'.*Identifier, not as integer"),
        ((AGE,), {"missing_values": (None,)}, "missing_values"),
        ((COLOUR,), {"missing_values": ("red",)}, r"'colour'.*\['red'\] are both"),
        ((Categorical(name="c", categories=(1, 2)),), {"missing_values": ("2.0",)}, r"'c'.*\['2.0'\]"),
        ((replace(COLOUR, missing_values=("green",)),), {}, r"'colour'.*\['green'\]"),
        ((Boolean(name="b"),), {"missing_values": ("0",)}, r"'b'.*\['0'\]"),
    ],
)
def test_contradictions_are_refused(columns: tuple[Column, ...], more: dict, says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        Schema(columns=columns, **more)


def test_missing_values_of_a_column_replace_the_shared_ones() -> None:
    assert Schema(columns=(replace(COLOUR, missing_values=("?",)),), missing_values=("red",)).complete


def test_a_schema_without_known_columns_cannot_be_asked_or_changed() -> None:
    with pytest.raises(SchemaError, match="'height'"):
        SCHEMA.column("height")
    with pytest.raises(SchemaError, match="'height'"):
        SCHEMA.replace_columns({"height": AGE})


def test_the_digest_tells_schemas_apart() -> None:
    same = Schema.from_json(SCHEMA.to_json())
    assert same == SCHEMA
    assert same.digest() == SCHEMA.digest()
    variants = [
        replace(SCHEMA, name="other"),
        replace(SCHEMA, unit=Unit(relation="replace_one")),
        SCHEMA.replace_columns({"age": replace(AGE, origin="declared")}),
        SCHEMA.replace_columns({"colour": replace(COLOUR, categories=("green", "red"))}),
    ]
    assert len({schema.digest() for schema in [SCHEMA, *variants]}) == 5


def test_save_and_load(tmp_path: Path) -> None:
    path = tmp_path / "people.schema.json"
    SCHEMA.save(path)
    assert Schema.load(path) == SCHEMA
    for name, text in (("broken.json", "{"), ("binary.json", "\udcff"), ("none.json", None)):
        if text is not None:
            (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(SchemaError, match=name):
            Schema.load(tmp_path / name)


def test_the_text_shows_every_column() -> None:
    text = str(SCHEMA)
    assert "adding or removing one row" in text
    assert all(column.name in text and column.kind in text for column in SCHEMA.columns)
