"""Rules about totals as people write them: documents, refusals, and which rows miss them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import SchemaError
from dpsynth.schema import (
    Boolean,
    Categorical,
    Datetime,
    Formula,
    GroupTotal,
    Identifier,
    Integer,
    Real,
    Schema,
    adherence,
    as_structural_zeros,
)

COLUMNS = (
    Identifier(name="id"),
    Categorical(name="place", categories=("north", "south"), out_of_domain="other"),
    Categorical(name="open", categories=None),
    Boolean(name="town", required=True),
    Datetime(name="day", minimum="2020-01-01", maximum="2020-12-31"),
    Integer(name="house", minimum=1, maximum=99),
    Integer(name="seats", minimum=0, maximum=90, step=3),
    Real(name="share", minimum=0.0, maximum=100.0, precision=1),
    Real(name="sum", maximum=1.0),
    Formula(name="month", expression="month(day)", precision=0),
    Formula(name="big", expression="seats > 9", result="truth"),
    Formula(name="bigger", expression="big or town", result="truth"),
)


@pytest.mark.parametrize(
    ("rule", "written"),
    [
        (
            GroupTotal(column="seats", by=("place",), totals={"north": 12, None: 0}, description="Law."),
            {"by": ["place"], "totals": [[["north"], 12], [[None], 0]], "description": "Law."},
        ),
        (GroupTotal(column="share", total=100, repair="shift"), {"total": 100, "repair": "shift"}),
        (GroupTotal(column="share", totals={(): 99.5}), {"totals": [[[], 99.5]]}),
        (
            GroupTotal(
                column="share", by=("day", "town"), totals=[((dt.date(2020, 1, 2), True), 3.5)], total=0
            ),
            {"by": ["day", "town"], "totals": [[["2020-01-02", True], 3.5]], "total": 0},
        ),
        (GroupTotal(column="seats", by=("month",), totals={3: np.int64(9)}), {"totals": [[[3], 9]]}),
    ],
)
def test_a_rule_is_written_and_read(rule: GroupTotal, written: dict[str, Any]) -> None:
    schema = Schema(columns=COLUMNS, rules=(rule,))
    document = json.loads(json.dumps(schema.to_json()))
    entry = document["dpsynth"]["rules"][0]
    assert entry | {"kind": "groupTotal", "column": rule.column} | written == entry
    assert ("totals" in entry, "total" in entry) == (bool(rule.totals), rule.total is not None)
    again = Schema.from_json(document)
    assert again == schema
    assert again.digest() == schema.digest()
    assert hash(again.rules[0]) == hash(rule)
    assert str(rule) in str(schema)
    assert as_structural_zeros(schema) == ()


def test_people_read_the_rule() -> None:
    assert (
        str(GroupTotal(column="share", by=("house", "town"), total=100))
        == "share adds up to 100 by house, town"
    )
    assert str(GroupTotal(column="share", totals={(): 5.5})) == "share adds up to known totals"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"column": "share"}, "got neither"),
        ({"column": 3, "total": 1}, "name of a column"),
        ({"column": "share", "by": "ab", "total": 1}, "0 or more different columns"),
        ({"column": "share", "by": ("share",), "total": 1}, "cannot make the groups"),
        ({"column": "share", "total": float("nan")}, "totals that are numbers"),
        ({"column": "share", "total": True}, "totals that are numbers"),
        ({"column": "share", "by": ("town",), "totals": {True: "1"}}, "totals that are numbers"),
        ({"column": "share", "by": ("town",), "totals": {(True, 1): 1}}, "a plain value for each"),
        ({"column": "share", "by": ("town",), "totals": [(True,)]}, "pairs of a key and a total"),
        ({"column": "share", "by": ("town",), "totals": "ab"}, "pairs of a key and a total"),
        ({"column": "share", "by": ("town",), "totals": [(True, 1), (True, 2)]}, "each key once"),
        ({"column": "share", "by": ("place",), "totals": {("north", "south"): 1}}, "a plain value for each"),
        ({"column": "share", "by": ("place",), "totals": {frozenset(): 1}}, "a plain value for each"),
        ({"column": "share", "total": 1, "repair": "sort"}, "'scale' or 'shift'"),
        ({"column": "month", "total": 1}, "'month' to be an Integer or a Real"),
        ({"column": "place", "total": 1}, "'place' to be an Integer or a Real"),
        ({"column": "day", "total": 1}, "'day' to be an Integer or a Real"),
        ({"column": "sum", "total": 1}, "'sum' to be an Integer or a Real with declared bounds"),
        ({"column": "id", "total": 1}, "column 'id' is identifier"),
        ({"column": "share", "by": ("id",), "total": 1}, "column 'id' is identifier"),
        ({"column": "share", "by": ("nobody",), "total": 1}, "no column 'nobody'"),
        ({"column": "share", "by": ("open",), "total": 1}, "values of column 'open' are not known"),
        ({"column": "share", "by": ("sum",), "total": 1}, "values of column 'sum' are not known"),
        ({"column": "share", "total": 1.25}, "add up to 1.25; correct it, or the step or precision"),
        ({"column": "seats", "total": 4}, "add up to 4; correct it, or the step"),
        ({"column": "seats", "total": -3}, "add up to -3; correct it, or the bounds"),
        ({"column": "seats", "by": ("big",), "total": 3}, r"change as \['seats'\] meets a total"),
        ({"column": "seats", "by": ("bigger",), "total": 3}, r"change as \['seats'\].*take 'bigger' out"),
        (
            {"column": "share", "by": ("place",), "totals": {"east": 1}},
            r"no row can have the key \('east',\)",
        ),
        ({"column": "share", "by": ("town",), "totals": {None: 1}}, "no row can have the key"),
        ({"column": "share", "by": ("town",), "totals": {1: 1}}, "no row can have the key"),
        ({"column": "share", "by": ("house",), "totals": {100: 1}}, "no row can have the key"),
        ({"column": "share", "by": ("house",), "totals": {"1": 1}}, "no row can have the key"),
        ({"column": "share", "by": ("day",), "totals": {"soon": 1}}, "no row can have the key"),
        ({"column": "share", "by": ("day",), "totals": {2020: 1}}, "no row can have the key"),
        (
            {"column": "share", "by": ("day",), "totals": {"2020-01-01": 1, "2020-01-01T09:00": 2}},
            "same group",
        ),
    ],
)
def test_rules_that_do_not_fit_are_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        Schema(columns=COLUMNS, rules=(GroupTotal(**arguments),))


def test_a_column_meets_the_totals_of_one_rule() -> None:
    rules = (GroupTotal(column="share", by=("house",), total=100), GroupTotal(column="share", total=1000))
    with pytest.raises(SchemaError, match="'share' has another rule of totals; keep one"):
        Schema(columns=COLUMNS, rules=rules)
    rules = (GroupTotal(column="share", by=("seats",), total=100), GroupTotal(column="seats", total=300))
    with pytest.raises(SchemaError, match=r"change as \['seats'\]"):
        Schema(columns=COLUMNS, rules=rules)


def test_which_rows_miss_a_total() -> None:
    rules = (
        GroupTotal(column="seats", by=("place",), totals={"north": 12, "other": 3, None: 6}),
        GroupTotal(column="share", by=("house", "month"), totals={(2, 12): 7.5}, total=0.3),
    )
    schema = Schema(columns=tuple(c for c in COLUMNS if c.complete), rules=rules)
    frame = pd.DataFrame(
        {
            "place": ["north", "north", "south", "elsewhere", None, "north"],
            "seats": [9, 3, 90, 4, 6, None],
            "town": True,
            "house": [1, 1, 1, 2, None, 1],
            "day": ["2020-01-01", "2020-01-30", "2020-01-15", "2020-12-31", "2020-12-31", None],
            "month": [1, 1, 1, 12, 12, None],
            "share": [0.1, 0.1, 0.1, 7.0, 50, 50],
        }
    )
    frame = frame.assign(big=frame["seats"] > 9, bigger=True)
    found = adherence(schema, frame)
    assert found["seats adds up to known totals by place"] == pytest.approx(5 / 6)  # the one elsewhere
    assert found["share adds up to known totals by house, month"] == pytest.approx(5 / 6)
    assert set(adherence(schema, frame.iloc[::-1]).values()) == set(found.values())
    assert set(adherence(schema, frame.iloc[:0]).values()) == {1.0}


def test_sums_are_exact_whatever_their_size() -> None:
    wide = Integer(name="x", minimum=0, maximum=2**49, required=True)
    rows = 2**14
    rule = GroupTotal(column="x", total=rows * 2**39 + 1)
    schema = Schema(columns=(wide,), rules=(rule,))
    frame = pd.DataFrame({"x": np.full(rows, 2**39)})
    assert adherence(schema, frame)[str(rule)] == 0.0
    frame.loc[0, "x"] += 1
    assert adherence(schema, frame)[str(rule)] == 1.0
