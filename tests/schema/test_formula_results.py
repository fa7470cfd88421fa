"""Formulas that give dates and truth values: documents, refusals, types, missing values and bounds."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import SchemaError
from dpsynth.schema import (
    Boolean,
    Datetime,
    Formula,
    Implication,
    InequalityChain,
    Integer,
    OneHot,
    Schema,
    adherence,
)
from dpsynth.schema.decode import decode_table
from dpsynth.schema.metadata import schema_to_sdv

COLUMNS = (
    Datetime(name="start", minimum="2020-01-01", maximum="2020-12-31", temporal="date"),
    Integer(name="stay", minimum=0, maximum=40),
    Boolean(name="paid"),
    Formula(name="end", expression="start + stay", result="date", maximum=dt.date(2021, 1, 31)),
    Formula(name="due", expression="add_months(end, 1) + hours(9)", result="date", resolution="h"),
    Formula(name="long", expression="stay > 20 or paid", result="truth"),
    Formula(name="days", expression="where(long, end - start, 0)", precision=0),
)
SCHEMA = Schema(
    columns=COLUMNS,
    rules=(
        InequalityChain(columns=("start", "end", "due")),
        OneHot(columns=("paid", "long")),
        Implication(when="long", then="month(end) >= 1"),
    ),
)


def decoded(schema: Schema, **values: list[Any]) -> pd.DataFrame:
    """Rows of values, through codes; None is missing."""
    rows = len(next(iter(values.values())))
    codes = {}
    for column in schema.modelled:
        first = np.datetime64("2020-01-01")
        codes[column.name] = np.array(
            [
                column.size - 1
                if value is None
                else int((np.datetime64(value) - first).astype(int))
                if column.kind == "datetime"
                else int(value)
                for value in values[column.name]
            ]
        )
    return decode_table(schema, codes, rows, np.random.default_rng(0))


def daily(schema: Schema) -> Schema:
    """A cell for each day, so that tests choose dates."""
    return schema.replace_columns({"start": replace(COLUMNS[0], cells=366)})


def test_dates_and_truths_are_computed_in_the_types_of_columns_of_their_kind() -> None:
    frame = decoded(
        daily(SCHEMA),
        start=["2020-01-29", "2020-12-31", None, "2020-02-28"],
        stay=[2, 31, 21, None],
        paid=[False, None, None, True],
    )
    assert [str(v)[:10] for v in frame["end"]] == ["2020-01-31", "2021-01-31", "NaT", "NaT"]
    assert list(frame["due"].astype(str)[:2]) == ["2020-02-29 09:00:00", "2021-02-28 09:00:00"]
    assert [None if v is pd.NA else v for v in frame["long"]] == [False, True, True, True]
    assert [None if v is pd.NA else v for v in frame["days"]] == [0, 31, None, None]
    assert frame["end"].dtype == frame["start"].dtype == "datetime64[s]"
    assert frame["long"].dtype == frame["paid"].dtype == "boolean"
    assert adherence(SCHEMA, frame)["end = start + stay"] == 1.0


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_written_and_read_again_formulas_still_hold(kind: str, tmp_path: Any) -> None:
    codes = {c.name: np.random.default_rng(0).integers(0, c.size, 200) for c in SCHEMA.modelled}
    schema = replace(SCHEMA, rules=())
    frame = decode_table(schema, codes, 200, np.random.default_rng(0))
    path = tmp_path / f"rows.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
        read = pd.read_csv(path)
    else:
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
        read = pd.read_parquet(path)
    found = adherence(schema, read)
    assert found.pop("end = start + stay") < 1  # some ends are beyond the maximum: drawn again
    assert set(found.values()) == {1.0}
    wrong = read.assign(long=~frame["long"], due="2020-01-01")
    assert max(v for k, v in adherence(schema, wrong).items() if not k.startswith(("end", "days"))) < 0.3


def test_a_schema_with_results_is_written_and_read() -> None:
    document = json.loads(json.dumps(SCHEMA.to_json()))
    assert Schema.from_json(document) == SCHEMA
    end, due, long, days = document["fields"][3:]
    assert (end["type"], end["constraints"]) == ("date", {"maximum": "2021-01-31"})
    assert end["dpsynth"]["result"] == "date"
    assert due["type"] == "datetime"
    assert (long["type"], long["dpsynth"]["result"]) == ("boolean", "truth")
    assert "result" not in days["dpsynth"]
    assert "resolution" not in days["dpsynth"]
    sdv = schema_to_sdv(SCHEMA)["tables"]["table"]["columns"]
    assert [sdv[name]["sdtype"] for name in ("end", "long", "days")] == ["datetime", "boolean", "numerical"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"expression": "start + 1"}, r"a number, not a date\. Declare result='date'"),
        ({"expression": "stay > 1"}, r"a number, not a truth value\. Declare result='truth'"),
        ({"expression": "stay", "result": "date"}, r"a date, not a number\. Declare result='number'"),
        ({"expression": "'a'", "result": "truth"}, r"a truth value, not a text\.$"),
        ({"expression": "stay", "result": "text"}, "expected result to be one of"),
        ({"expression": "start", "result": "date", "resolution": "w"}, "expected resolution to be one of"),
        ({"expression": "start", "result": "date", "minimum": 3}, "dates in ISO 8601"),
        ({"expression": "start", "result": "date", "minimum": "soon"}, "dates in ISO 8601"),
        ({"expression": "start", "result": "date", "minimum": "2020-01-01T12:00"}, "at the resolution 'D'"),
        ({"expression": "start", "result": "date", "minimum": "2022-01-01"}, "never gives a date"),
        (
            {"expression": "start", "result": "date", "minimum": "2020-02-02", "maximum": "2020-02-01"},
            "minimum <= maximum",
        ),
        ({"expression": "paid", "result": "truth", "minimum": 0.0}, "truth values have no bounds"),
        ({"expression": "paid", "result": "truth", "precision": 0}, "precision is for numbers"),
        ({"expression": "stay", "resolution": "s"}, "resolution for dates"),
        ({"expression": "add_months(stay, 1)", "result": "date"}, "expects a date"),
        ({"expression": "add_months(start, start)", "result": "date"}, "expects a number"),
        ({"expression": "start + hours(1, 2)", "result": "date"}, "takes 1 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        Schema(columns=(*COLUMNS[:3], Formula(name="made", **arguments)))


@pytest.mark.parametrize(
    ("out_of_domain", "expected"),
    [("clip", "2020-12-31"), ("missing", "NaT"), ("redraw", "2021-01-10")],
)
def test_dates_beyond_the_bounds(out_of_domain: Any, expected: str) -> None:
    made = replace(COLUMNS[3], maximum="2020-12-31", out_of_domain=out_of_domain)
    schema = daily(Schema(columns=(*COLUMNS[:3], made)))
    frame = decoded(schema, start=["2020-12-31"], stay=[10], paid=[None])
    assert [str(v)[:10] for v in frame["end"]] == [expected]
    assert adherence(schema, frame)["end = start + stay"] == (0.0 if out_of_domain == "redraw" else 1.0)


@pytest.mark.parametrize(
    ("expression", "resolution", "expected"),
    [
        ("start + 30", "D", "2020-03-01"),
        ("start + days(1) - days(1)", "D", "2020-01-31"),
        ("start + minutes(90)", "h", "2020-01-31 01:00:00"),
        ("start + seconds(3661)", "s", "2020-01-31 01:01:01"),
        ("start + hours(1) + hours(1) + hours(1)", "s", "2020-01-31 03:00:00"),  # no 02:59:59
        ("add_months(start, 1)", "D", "2020-02-29"),
        ("add_months(start, -11)", "D", "2019-02-28"),
        ("add_months(start, 12)", "M", "2021-01-01"),
        ("add_months(start + hours(5), 3)", "s", "2020-04-30 05:00:00"),
        ("add_months(start, 1e9)", "D", "NaT"),
        ("start + 1e9", "D", "NaT"),
        ("start", "Y", "2020-01-01"),
    ],
)
def test_arithmetic_on_dates(expression: str, resolution: Any, expected: str) -> None:
    made = Formula(name="made", expression=expression, result="date", resolution=resolution)
    schema = daily(Schema(columns=(*COLUMNS[:3], made)))
    frame = decoded(schema, start=["2020-01-31"], stay=[1], paid=[True])
    assert str(frame["made"].iloc[0]).removesuffix(" 00:00:00") == expected
    assert set(adherence(schema, frame).values()) == {1.0}


def test_a_required_result_that_lacks_is_broken() -> None:
    made = Formula(name="made", expression="start + stay", result="date", required=True)
    schema = Schema(columns=(*COLUMNS[:3], made))
    frame = decoded(daily(schema), start=["2020-01-31", None], stay=[1, 1], paid=[True, True])
    assert adherence(schema, frame)["made = start + stay"] == 0.5
