"""Rows against their schema, by the standard library, as the library itself writes and reads them."""

from __future__ import annotations

import csv
import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from certified import ROWS, SCHEMA, Release

import dpsynth
from dpsynth.schema.decode import decode_table
from dpsynth.schema.row_checks import violations
from dpsynth.verifier import Statement, verify
from dpsynth.verifier.data import check_data, check_schema
from dpsynth.verifier.row_rules import checks_of
from dpsynth.verifier.table import TableError, columns_of
from dpsynth.verifier.values import OUTSIDE

RICH = dpsynth.Schema(
    columns=(
        dpsynth.Identifier(name="id"),
        dpsynth.Categorical(name="ward", categories=("north", "south", "1.50"), out_of_domain="other"),
        dpsynth.Categorical(name="grade", categories=(1, 2, 3), ordered=True),
        dpsynth.Categorical(name="rate", categories=(0.5, 1.0, 2.25)),
        dpsynth.Categorical(name="flag", categories=(True, False)),
        dpsynth.Integer(name="age", minimum=-5, maximum=100, step=5),
        dpsynth.Real(name="pay", minimum=-10.0, maximum=1e6, precision=3),
        dpsynth.Datetime(name="day", minimum="2020-01-01", maximum="2021-06-30", temporal="date", format="%d/%m/%Y"),
        dpsynth.Datetime(name="month", minimum="2020-01", maximum="2021-06", resolution="M"),
        dpsynth.Datetime(name="moment", minimum="2020-01-01T06:00", maximum="2020-01-02T05:59:59", resolution="s"),
        dpsynth.Boolean(name="yes", true_values=("yes", "1"), false_values=("no", "0")),
        dpsynth.Text(name="note", rule="regenerate", filler="some words"),
        dpsynth.Text(name="dropped"),
        dpsynth.Formula(name="twice", expression="2 * pay - age / 4", precision=2),
        dpsynth.Formula(name="whole", expression="round(pay)", precision=0),
    ),
    missing_values=("NA", "-1"),
)  # fmt: skip


def columns(schema: dpsynth.Schema) -> dict[str, Any]:
    return {column.name: column for column in columns_of(schema.to_json())}


def judged(schema: dpsynth.Schema, text: str, path: Path, rows: int = 3) -> list[Statement]:
    path.write_text(text)
    names = text.splitlines()[0].split(",")
    certificate = {"sample": {"rows": rows, "columns": names}}
    with path.open("rb") as file:
        return list(check_data(certificate, schema.to_json(), file))


def failures(statements: list[Statement]) -> list[str]:
    return [statement.words for statement in statements if statement.standing == "failed"]


def test_what_the_library_writes_conforms(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    codes = {c.name: rng.integers(0, c.size, 400) for c in RICH.modelled}
    frame = decode_table(RICH, codes, 400, rng)
    frame.to_csv(tmp_path / "data.csv", index=False, na_rep="NA", lineterminator="\n")
    statements = judged(RICH, (tmp_path / "data.csv").read_text(), tmp_path / "data.csv", rows=400)
    assert failures(statements) == []
    (undecided,) = [s.words for s in statements if s.standing == "attested"]
    assert undecided == "not decided by this program: formula of 'whole'"


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("ward", ["north", " south ", "1.50", "1.5", "other", "", "NA"], ["North", "1.6", "nan"]),
        ("grade", ["1", "2.0", "3", "NA"], ["4", "x", "1_0"]),
        ("rate", ["0.5", "1", "1.0", "2.25"], ["0.25", "-0.5"]),
        ("flag", ["True", "false", "TRUE"], ["1.5", "yes"]),
        ("age", ["-5", "0", "100", "95.0", "1e2", "-1", "", "inf"], ["101", "-10", "3", "0.5", "x", "0x5"]),
        ("pay", ["-10", "0.125", "1e-3", "1000000.0", "-0.0"], ["0.1251", "1e-4", "1000000.001", "1e999", "9" * 61]),
        ("day", ["2020-02-03", "03/02/2020", "2021-06-30"], ["2021-07-01", "2020-02-30", "x", "2020-01-01T01:00"]),
        ("month", ["2020-01", "2021-06-01", "2020-05-01 00:00:00"], ["2020-01-02", "2021-07"]),
        ("moment", ["2020-01-01T06:00:00", "2020-01-02 05:59:59+00:00"], ["2020-01-01T05:59:59", "2020-01-03"]),
        ("yes", ["yes", "no", "1", "0", "True"], ["maybe", "2"]),
        ("id", ["1", "20"], ["0", "x", "-3", "1.5"]),
        ("note", ["some words", "NA"], ["other words"]),
        ("twice", ["1.25", "-3"], ["1.255", "x"]),
    ],
)  # fmt: skip
def test_values_inside_and_outside_their_domain(column: str, good: list[str], bad: list[str]) -> None:
    read = columns(RICH)[column].read
    assert [text for text in good if read(text) is OUTSIDE] == []
    assert [text for text in bad if read(text) is not OUTSIDE] == []


CONSTRAINED = dpsynth.Schema(
    columns=(
        dpsynth.Integer(name="age", minimum=0, maximum=3),
        dpsynth.Categorical(name="status", categories=("single", "married"), out_of_domain="other"),
        dpsynth.Boolean(name="home"),
        dpsynth.Boolean(name="away"),
        dpsynth.Datetime(name="start", minimum="2020-01-01", maximum="2020-01-03"),
        dpsynth.Datetime(name="end", minimum="2020-01-01", maximum="2020-01-03"),
    ),
    constraints=(
        dpsynth.ImpossibleCombinations(columns=("age", "status"), combinations=[((None, 1), ["married", "other"])]),
        dpsynth.ImpossibleCombinations(columns=("home", "age"), allowed=[(True, ...), ([False, None], (1, 2))]),
        dpsynth.FunctionalDependency(
            determinants=("status",), dependent="away", mapping=[(("single",), True), ((["married", "other"],), False)],
            default=None,
        ),
    ),
    rules=(
        dpsynth.InequalityChain(columns=("start", "end"), strict=True),
        dpsynth.OneHot(columns=("home", "away")),
        dpsynth.NullTogether(columns=("start", "end")),
        dpsynth.UniqueKey(columns=("age", "start")),
        dpsynth.Implication(when="age < 1", then="missing(status)"),
    ),
)  # fmt: skip


def test_rules_are_judged_as_by_the_library() -> None:
    choices = (
        ["", "0", "1", "3"],
        ["", "single", "married", "other"],
        ["", "True", "False"],
        ["", "True", "False"],
        ["", "2020-01-01", "2020-01-02"],
        ["", "2020-01-02"],
    )
    lines = [",".join(CONSTRAINED.names), *(",".join(row) for row in itertools.product(*choices))]
    frame = pd.read_csv(io.StringIO("\n".join(lines)), dtype=str, keep_default_na=False)
    expected = list(violations(CONSTRAINED, frame).values())
    own = columns(CONSTRAINED)
    checks = checks_of(CONSTRAINED.to_json(), tuple(own.values()))
    rules = [breaks for name, breaks in checks if name.startswith("rule")]
    assert rules[-1] is None
    for number, line in enumerate(csv.DictReader(lines)):
        row = {name: own[name].read(text) for name, text in line.items()}
        for breaks, theirs in zip(rules[:-1], expected, strict=False):
            assert breaks is not None
            assert breaks(row) == theirs[number], (line, breaks)


@pytest.mark.parametrize(
    ("values", "broken"),
    [
        (("1", "married", "True", "False"), [0]),
        (("0", "other", "True", "False"), [0]),
        (("", "married", "True", "False"), []),
        (("2", "married", "True", "False"), []),
        (("3", "married", "False", "False"), [1]),
        (("2", "married", "False", "False"), []),
        (("1", "single", "False", "True"), []),
        (("2", "married", "", "False"), []),
        (("", "married", "", "False"), [1]),
        (("2", "single", "True", "False"), [2]),
        (("2", "single", "True", "True"), []),
        (("2", "", "True", ""), []),
        (("2", "", "True", "True"), [2]),
    ],
)
def test_constraints_on_values(values: tuple[str, ...], broken: list[int]) -> None:
    own = columns(CONSTRAINED)
    checks = [
        c for c in checks_of(CONSTRAINED.to_json(), tuple(own.values())) if c[0].startswith("constraint")
    ]
    row = {name: own[name].read(text) for name, text in zip(CONSTRAINED.names, values, strict=False)}
    assert [place for place, (_, breaks) in enumerate(checks) if breaks is not None and breaks(row)] == broken


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("P01,20,", "P01,21,", "column 'age' holds a value outside its domain"),
        ("P01,20,", "P01,100,", "column 'age' holds a value outside its domain"),
        ("P01,20,", "P01,,", "column 'age' lacks a value"),
        ("Female", "female", "column 'sex' holds a value outside its domain"),
        ("10.5", "10.55", "column 'income' holds a value outside its domain"),
        (",21.0", ",22.0", "a row breaks the formula of 'double'"),
        (",21.0", ",", "a row breaks the formula of 'double'"),
        ("P02", "Ann", "column 'id' holds a value outside its domain"),
        ("id,age", "age,id", "the columns of data.csv are not those of the schema"),
        ("P01,20", "P01,20,1", "another number of fields"),
        ("P01", '"P01', "cannot be read"),
        ("P03", "P0\udcff", "cannot be read"),
    ],
)  # fmt: skip
def test_a_row_that_does_not_conform_is_named_and_never_quoted(old: str, new: str, words: str) -> None:
    data = ROWS.replace(old, new, 1).encode("utf-8", "surrogateescape")
    statements = list(check_data({"sample": {"rows": 3}}, SCHEMA.to_json(), io.BytesIO(data)))
    told = failures(statements)
    assert any(words in line for line in told), told
    assert not any("Ann" in line or "10.55" in line for line in told)


def test_one_changed_cell_that_was_signed_is_found(release: Release) -> None:
    changed = release.rewritten("data.csv", ROWS.replace("Female", "Woman"))
    told = verify(changed.folder, trust=[changed.public])
    assert [s.words for s in told.failed] == ["column 'sex' holds a value outside its domain"]


def certificate(document: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    import hashlib

    data = json.dumps(document).encode()
    unit = {"relation": "add_remove", "contributions": 1, "id_column": None, "words": str(SCHEMA.unit)}
    made = {
        "public_inputs": {
            "schema": hashlib.sha256(data).hexdigest(),
            "origins": [],
            "constraints": 0,
            "rules": 0,
        },
        "claim": {"unit": unit},
        "sample": {"columns": list(SCHEMA.names)},
    }
    return made, data


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["dpsynth"]["unit"].update(relation="replace_one"), "another unit of privacy"),
        (lambda d: d["dpsynth"].update(unit=[]), "unit of privacy of the schema cannot be read"),
        (lambda d: d["fields"][1]["dpsynth"].update(origin="assumed"), "bars certification"),
        (lambda d: d["fields"][1]["dpsynth"].update(origin="dp"), "not those that the certificate lists"),
        (lambda d: d["dpsynth"].update(rules=[{"kind": "oneHot", "columns": ["smoker", "age"]}]), "certificate lists"),
        (lambda d: d["fields"].pop(), "not those of the sample"),
        (lambda d: d.update(fields=[]), "no list of fields"),
        (lambda d: d["fields"].append(d["fields"][0]), "Two columns"),
        (lambda d: d["fields"][1]["dpsynth"].update(kind="magic"), "Column 'age' of the schema"),
        (lambda d: d["fields"][3]["dpsynth"].update(precision=99), "Column 'income' of the schema"),
        (lambda d: d["fields"][1].update(name=7), "Column '7' of the schema"),
        (lambda d: d["dpsynth"].update(rules=[{"kind": "magic"}]), "rule of the schema"),
        (lambda d: d["dpsynth"].update(rules=[{"kind": "oneHot", "columns": ["x", "y"]}]), "rule of the schema"),
        (lambda d: d["dpsynth"].update(rules=[{"kind": "inequalityChain", "columns": ["sex", "age"]}]), "rule of"),
        (lambda d: d["dpsynth"].update(constraints=[{"kind": "impossibleCombinations", "columns": ["sex"],
                                                     "combinations": [[{"from": 1}]]}]), "rule of the schema"),
    ],
)  # fmt: skip
def test_a_schema_that_is_not_the_one_or_cannot_be_read_is_named(change: Any, words: str) -> None:
    document = json.loads(json.dumps(SCHEMA.to_json()))
    change(document)
    made, data = certificate(document)
    assert any(words in line for line in failures(list(check_schema(made, data, document))))


def test_plain_documents_of_the_standard_are_read() -> None:
    document = {
        "primaryKey": ["key"],
        "missingValues": [{"value": "-", "label": "none"}],
        "fields": [
            {"name": "key", "type": "string"},
            {
                "name": "size",
                "type": "integer",
                "constraints": {"exclusiveMinimum": 0, "exclusiveMaximum": 4},
            },
            {"name": "kind", "type": "string", "categories": [{"value": "a", "label": "A"}, "b"]},
            {"name": "code", "type": "integer", "constraints": {"enum": [1, 2, None]}},
            {"name": "year", "type": "year", "constraints": {"minimum": "2000"}},
            {"name": "when", "type": "yearmonth"},
            {"name": "free", "type": "string"},
            {"name": "price", "type": "number", "constraints": {"minimum": 0.125}},
        ],
    }
    read = {column.name: column.read for column in columns_of(document)}
    assert [read["size"](text) is OUTSIDE for text in ("0", "1", "3", "4", "-")] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert [read["kind"](text) is OUTSIDE for text in ("a", "A")] == [False, True]
    assert [read["code"](text) is OUTSIDE for text in ("1", "3")] == [False, True]
    assert [read["year"](text) is OUTSIDE for text in ("1999", "2000")] == [True, False]
    assert [read["when"](text) is OUTSIDE for text in ("2020-05", "2020-05-02")] == [False, True]
    assert [read["price"](text) is OUTSIDE for text in ("0.125", "0.1250", "1.0005")] == [False, False, True]
    assert read["free"]("anything") == "anything"
    assert read["key"]("17") == "17"


def test_a_pattern_of_dates_that_is_none_leaves_the_standard_form() -> None:
    field = {"name": "day", "type": "date", "format": "%d %d"}
    (column,) = columns_of({"fields": [field]})
    assert column.read("1 2") is OUTSIDE
    assert column.read("2020-01-02") is not OUTSIDE


def test_categories_may_have_64_bits(release: Release) -> None:
    document = json.loads((release.folder / "schema.json").read_text())
    document["fields"][2]["description"] = 2**63
    release.rewritten("schema.json", json.dumps(document))
    told = verify(release.folder, trust=[release.public])
    assert [s.words for s in told.failed] == ["schema.json is another schema than the certificate names"]


@pytest.mark.parametrize("document", [None, [], {}, {"fields": 1}, {"fields": [1]}, {"fields": [{}]}])
def test_other_documents_are_refused(document: Any) -> None:
    with pytest.raises(TableError):
        columns_of(document)
