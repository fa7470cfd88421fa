"""Rules and formulas as people write them: documents, refusals, and what they say about values."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import DataError, SchemaError
from dpsynth.schema import (
    Boolean,
    Categorical,
    Datetime,
    Formula,
    Identifier,
    Implication,
    InequalityChain,
    Integer,
    NullTogether,
    OneHot,
    Real,
    Schema,
    Text,
    UniqueKey,
    adherence,
)
from dpsynth.schema.decode import decode_table

COLUMNS = (
    Identifier(name="id"),
    Integer(name="quantity", minimum=0, maximum=9, required=True),
    Real(name="unit price", minimum=0.0, maximum=9.99, precision=2),
    Datetime(name="sent", minimum="2020-01-01", maximum="2020-12-31"),
    Datetime(name="paid", minimum="2020-01-01", maximum="2020-12-31"),
    Boolean(name="new"),
    Categorical(name="old", categories=(0, 1)),
    Categorical(name="kind", categories=("a", "b"), out_of_domain="other"),
    Text(name="note"),
    Formula(name="sales", expression="col('unit price') * quantity", precision=1, minimum=0.0, title="Sales"),
    Formula(name="tax", expression="round(sales / 5)", precision=0, required=True, out_of_domain="clip"),
)
RULES = (
    InequalityChain(columns=("sent", "paid"), strict=True, repair="redraw", description="Paid later."),
    OneHot(columns=("new", "old")),
    NullTogether(columns=("sent", "paid")),
    Implication(when="kind == 'other'", then="quantity > 1 or missing(sent)"),
    UniqueKey(columns=("quantity", "sent")),
)
SCHEMA = Schema(columns=COLUMNS, rules=RULES)


def test_a_schema_with_rules_is_written_and_read() -> None:
    document = json.loads(json.dumps(SCHEMA.to_json()))
    assert Schema.from_json(document) == SCHEMA
    assert Schema.from_json(document).digest() == SCHEMA.digest()
    assert document["dpsynth"]["version"] == 1
    assert document["dpsynth"]["rules"][0] == {
        "kind": "inequalityChain",
        "columns": ["sent", "paid"],
        "strict": True,
        "repair": "redraw",
        "description": "Paid later.",
    }
    assert document["dpsynth"]["rules"][3]["kind"] == "implication"
    field = document["fields"][9]
    assert field["type"] == "number"
    assert field["constraints"] == {"minimum": 0.0}
    assert field["dpsynth"]["expression"] == "col('unit price') * quantity"
    assert document["fields"][10]["type"] == "integer"


def test_a_schema_without_rules_is_written_as_before() -> None:
    assert "rules" not in Schema(columns=COLUMNS[:9]).to_json()["dpsynth"]


def test_people_read_rules_and_formulas() -> None:
    text = str(SCHEMA)
    assert "= round(sales / 5)" in text
    assert text.endswith(
        "rules of rows\nsent < paid\nexactly one of new, old\nsent, paid missing together\n"
        "quantity > 1 or missing(sent) when kind == 'other'\n(quantity, sent) unique"
    )


def test_formulas_are_not_modelled() -> None:
    assert "sales" not in SCHEMA.domain.columns
    assert SCHEMA.complete


def test_formulas_are_computed_from_decoded_values() -> None:
    codes = {column.name: np.zeros(4, np.int32) for column in SCHEMA.modelled}
    codes["quantity"] = np.array([0, 1, 2, 9], np.int32)
    price = SCHEMA.modelled[1]
    codes["unit price"] = np.array([price.size - 1, price.cell_count - 1, 0, price.cell_count - 1], np.int32)
    frame = decode_table(SCHEMA, codes, 4, np.random.default_rng(0))
    assert list(frame) == [name for name in SCHEMA.names if name != "note"]
    assert np.isnan(frame["sales"][0])
    assert list(frame["sales"][1:]) == pytest.approx(
        list((frame["unit price"] * frame["quantity"]).round(1)[1:])
    )
    assert frame["tax"].isna()[0]  # it is required: such a row is drawn again
    assert list(frame["tax"][1:]) == list((frame["sales"][1:] / 5).round())


def test_adherence_counts_rows() -> None:
    frame = pd.DataFrame(
        {
            "quantity": [1, 1, 1, 3],
            "unit price": ["2.50", "0", "", "1"],
            "sent": ["2020-05-01", "2020-05-01", "", "2020-05-03"],
            "paid": ["2020-05-02", "2020-05-01", "2020-05-01", ""],
            "new": [True, False, None, True],
            "old": ["0", "0", "1", "1"],
            "kind": ["a", "zz", "b", None],
            "sales": [2.5, 1.0, None, 3.0],
            "tax": [0, 0, None, 1],
        }
    )
    assert adherence(SCHEMA, frame) == {
        "sales = col('unit price') * quantity": 0.75,
        "tax = round(sales / 5)": 0.75,
        "sent < paid": 0.75,
        "exactly one of new, old": 0.5,
        "sent, paid missing together": 0.5,
        "quantity > 1 or missing(sent) when kind == 'other'": 0.75,
        "(quantity, sent) unique": 0.75,
    }
    assert set(adherence(SCHEMA, frame.iloc[:0]).values()) == {1.0}
    with pytest.raises(DataError, match="no column 'quantity'"):
        adherence(SCHEMA, frame.drop(columns="quantity"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"expression": "nothing + 1"}, "'made'.*no column 'nothing'"),
        ({"expression": "later + 1"}, "'made'.*no column 'later'"),
        ({"expression": "quantity + sent"}, "expected a formula for a number, not a date"),
        ({"expression": "quantity + kind"}, "'made'.*expects a number"),
        ({"expression": "quantity > 1"}, "for a number, not a truth"),
        ({"expression": "note"}, "'made'.*no column 'note'"),
        ({"expression": "quantity.real"}, "'made'.*Attribute"),
        ({"expression": "__import__('os')"}, "'made'.*no such function"),
        ({"expression": ""}, "'made'.*expected an expression"),
        ({"expression": "quantity", "minimum": 20.0}, "'made'.*never gives a number"),
        ({"expression": "quantity", "minimum": 2.0, "maximum": 1.0}, "minimum <= maximum"),
        ({"expression": "quantity", "minimum": 0.001}, "at most 2 decimals"),
        ({"expression": "quantity", "minimum": "1"}, "at most 2 decimals"),
        ({"expression": "quantity", "precision": 99}, "precision from 0 to 12"),
        ({"expression": "quantity", "out_of_domain": "drop"}, "out_of_domain to be one of"),
    ],
)
def test_formulas_that_do_not_fit_are_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        Schema(
            columns=(*COLUMNS[:9], Formula(name="made", **arguments), Formula(name="later", expression="1"))
        )


@pytest.mark.parametrize(
    ("kind", "arguments", "says"),
    [
        (InequalityChain, {"columns": ("quantity",)}, "2 or more different columns"),
        (InequalityChain, {"columns": "ab"}, "2 or more"),
        (InequalityChain, {"columns": ("quantity", "quantity")}, "2 or more different"),
        (InequalityChain, {"columns": ("quantity", "sent")}, "all numbers or all dates"),
        (InequalityChain, {"columns": ("kind", "old")}, "all numbers or all dates"),
        (InequalityChain, {"columns": ("quantity", "old"), "repair": "guess"}, "'sort' or 'redraw'"),
        (InequalityChain, {"columns": ("quantity", "nobody")}, "no column 'nobody'"),
        (Implication, {"when": "True", "then": "new", "repair": "sort"}, "'write' or 'redraw'"),
        (OneHot, {"columns": ("new", "quantity")}, "exactly one of new, quantity: expected truth values"),
        (OneHot, {"columns": ("new", "kind")}, "expected truth values"),
        (NullTogether, {"columns": ("sent", "quantity")}, r"\['quantity'\] cannot be emptied"),
        (NullTogether, {"columns": ("sent", "sales")}, r"\['sales'\] cannot be emptied"),
        (NullTogether, {"columns": ("sent", "note")}, "column 'note' is text"),
        (UniqueKey, {"columns": ("id",)}, "column 'id' is identifier"),
        (Implication, {"when": "kind == 'c'", "then": "True"}, "can never occur"),
        (Implication, {"when": "quantity", "then": "True"}, "expects a truth value"),
        (Implication, {"when": "x(1)", "then": "True"}, "True when .*no such function"),
        (Implication, {"when": "nobody > 1", "then": "True"}, "no column 'nobody'"),
    ],
)
def test_rules_that_do_not_fit_are_refused(kind: Any, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        Schema(columns=COLUMNS, rules=(kind(**arguments),))


def test_a_rule_is_declared_once_and_nothing_else_is_a_rule() -> None:
    with pytest.raises(SchemaError, match="twice"):
        replace(SCHEMA, rules=(*RULES, RULES[0]))
    with pytest.raises(SchemaError, match="nothing but rules"):
        replace(SCHEMA, rules=("a < b",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({}, "to be a list"),
        ([1], "JSON object"),
        ([{"kind": "guess"}], "of a kind in"),
        ([{"kind": "oneHot"}], r"lacks the keys \['columns'\]"),
        ([{"kind": "oneHot", "columns": ["new", "old"], "strict": True}], r"Unknown keys \['strict'\]"),
        ([{"kind": "implication", "when": 3, "then": "True"}], "expected an expression"),
    ],
)
def test_documents_that_say_something_else_are_refused(rules: Any, says: str) -> None:
    document = SCHEMA.to_json()
    document["dpsynth"]["rules"] = rules
    with pytest.raises(SchemaError, match=says):
        Schema.from_json(document)


def test_a_formula_in_a_document_needs_an_expression() -> None:
    document = SCHEMA.to_json()
    del document["fields"][9]["dpsynth"]["expression"]
    with pytest.raises(SchemaError, match=r"'sales'.*needs an expression"):
        Schema.from_json(document)


def test_columns_that_are_still_open_may_stand_in_rules() -> None:
    columns = (Integer(name="a"), Integer(name="b", minimum=0), Categorical(name="c"))
    Schema(columns=columns, rules=(InequalityChain(columns=("a", "b")), NullTogether(columns=("a", "c"))))


@pytest.mark.parametrize(
    ("out_of_domain", "expected"), [("clip", [0, 2, 3]), ("missing", [0, 2, None]), ("redraw", [0, 2, 4])]
)
def test_results_beyond_the_bounds(out_of_domain: Any, expected: list[int | None]) -> None:
    made = Formula(name="b", expression="2 * a", precision=0, maximum=3, out_of_domain=out_of_domain)
    schema = Schema(columns=(Integer(name="a", minimum=0, maximum=2, required=True), made))
    frame = decode_table(schema, {"a": np.arange(3)}, 3, np.random.default_rng(0))
    assert [None if value is pd.NA else value for value in frame["b"]] == expected
    assert adherence(schema, frame)["b = 2 * a"] == (2 / 3 if out_of_domain == "redraw" else 1.0)


def test_kinds_of_categories() -> None:
    columns = (
        Categorical(name="truth", categories=(True, False), required=True),
        Categorical(name="number", categories=(1, 2.5), required=True),
        Categorical(name="mixed", categories=("a", 1), required=True),
    )
    rules = (
        Implication(when="truth", then="number > 2"),
        Implication(when="number > 2", then="mixed == '1'"),
    )
    schema = Schema(columns=columns, rules=rules)
    codes = {"truth": np.array([0, 0, 1]), "number": np.array([0, 1, 1]), "mixed": np.array([0, 1, 0])}
    frame = decode_table(schema, codes, 3, np.random.default_rng(0))
    assert list(adherence(schema, frame).values()) == pytest.approx([2 / 3, 2 / 3])
