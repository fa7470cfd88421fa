"""Rules that cannot be: each is refused as it is read, with its column and a remedy."""

from __future__ import annotations

import re
from typing import Any

import pytest
from generators.rules.orders import orders

from dpsynth.errors import ConfigurationError, DpsynthError
from dpsynth.generators.rules import KeyRule, Rules


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules.from_json(orders())


NUMBER = {"name": "n", "kind": "number", "minimum": 0, "maximum": 9}
DAY = {"name": "t", "kind": "date", "minimum": "2024-01-01", "maximum": "2024-02-01"}
DELAY = {"name": "l", "kind": "delay", "start": "t", "days": {"name": "expon"}}
WORD = {"name": "w", "kind": "category", "categories": ["a", "b"]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([{**NUMBER, "minimum": 10}], "Column 'n': expected minimum <= maximum"),
        ([{**NUMBER, "minimum": 0.001}], "Column 'n': expected a minimum with at most 2 decimals"),
        ([{**NUMBER, "step": 2.5, "maximum": 9}], "Column 'n': expected bounds that are whole steps"),
        ([{**NUMBER, "step": -1}], "Column 'n': expected step > 0"),
        ([{**NUMBER, "decimals": 20}], "Column 'n': expected decimals"),
        ([{**NUMBER, "minimun": 3}], "Column 'n': there is no field 'minimun'; did you mean 'minimum'"),
        (
            [{"name": "n", "kind": "number"}],
            "Column 'n': expected a distribution, or a minimum and a maximum",
        ),
        ([{**NUMBER, "distribution": {"name": "gamma"}}], "Column 'n': .*lacks"),
        ([{**NUMBER, "distribution": {"name": "uniform", "loc": 20}}], "Column 'n': .*no mass between"),
        ([{**NUMBER, "missing": 2}], "Column 'n': .*from 0 to 1"),
        ([{**NUMBER, "missing": {"share": 0.1, "when": "x > 1"}}], "Column 'n'.*no column 'x'"),
        ([{**NUMBER, "missing": {"share": 0.1, "when": "n + 1"}}], "Column 'n'.*expected a condition"),
        ([{"name": "w", "kind": "categorical"}], "Column 'w': expected kind to be one of"),
        ([{**WORD, "weights": [1]}], "Column 'w': expected 2 weights"),
        ([{**WORD, "weights": [0, 0]}], "Column 'w': expected 2 weights"),
        ([{**WORD, "weights": [1, -1]}], "weight of column 'w'"),
        ([{**WORD, "categories": ["a", 1]}], "Column 'w': expected categories that are all texts"),
        ([{**WORD, "categories": ["a", "a"]}], "Column 'w': expected distinct categories"),
        ([WORD, WORD], "more than once"),
        (
            [{"name": "d", "kind": "derived", "formula": "n + 1"}, NUMBER],
            "Column 'd'.*no column 'n' before it",
        ),
        (
            [NUMBER, {"name": "d", "kind": "derived", "formula": "n.real"}],
            "Column 'd'.*Attribute is not allowed",
        ),
        (
            [NUMBER, {"name": "d", "kind": "derived", "formula": "n", "maximum": -1}],
            "Column 'd': its formula gives",
        ),
        (
            [WORD, {"name": "d", "kind": "derived", "formula": "w", "maximum": 1}],
            "Column 'd': minimum and maximum",
        ),
        ([{"name": "k", "kind": "key", "pattern": "C"}], "Column 'k': expected a pattern"),
        ([{"name": "k", "kind": "key", "missing": 0.1}], "Column 'k': a key is never missing"),
        ([{"name": "t", "kind": "text", "pattern": "[ab"}], "Column 't': cannot read the pattern"),
        ([{"name": "t", "kind": "text", "pattern": ""}], "Column 't': expected a pattern"),
        (
            [
                {
                    "name": "t",
                    "kind": "date",
                    "minimum": "2024-01-06",
                    "maximum": "2024-01-07",
                    "business_days": True,
                }
            ],
            "Column 't': there is no business day",
        ),
        ([{"name": "t", "kind": "date", "minimum": "soon", "maximum": "later"}], "Column 't': .*ISO 8601"),
        ([{"name": "t", "kind": "date", "minimum": "2024-01-06"}], r"Column 't': it lacks \['maximum'\]"),
        (
            [{"name": "t", "kind": "delay", "start": "x", "days": {"name": "norm"}}],
            "Column 't': expected an earlier column of dates",
        ),
        (
            [{"name": "f", "kind": "faker", "provider": "__class__"}],
            "Column 'f': expected the name of a provider",
        ),
        (
            [{"name": "f", "kind": "faker", "provider": "name", "locale": "../x"}],
            "Column 'f': expected a locale",
        ),
        (
            [WORD, {**NUMBER, "given": {"columns": ["w"], "cases": [{"values": ["a"], "weights": [1]}]}}],
            "Column 'n': expected a distribution",
        ),
        (
            [
                WORD,
                {
                    **WORD,
                    "name": "v",
                    "given": {"columns": ["w"], "cases": [{"values": ["z"], "weights": [1, 1]}]},
                },
            ],
            "Column 'v': its case 'z' of column 'w' can never occur",
        ),
        (
            [
                WORD,
                {
                    **WORD,
                    "name": "v",
                    "given": {"columns": ["u"], "cases": [{"values": ["a"], "weights": [1, 1]}]},
                },
            ],
            "Column 'v': its rules are given 'u'",
        ),
        (
            [WORD, {**WORD, "name": "v", "given": {"columns": ["w"], "cases": []}}],
            "Column 'v'.*at least one case",
        ),
        (
            [WORD, {**WORD, "name": "v", "given": {"columns": ["w"], "cases": [{"values": ["a"]}]}}],
            "Column 'v'.*weights or parameters",
        ),
        (
            [
                WORD,
                {
                    **WORD,
                    "name": "v",
                    "given": {"columns": ["w"], "cases": [{"values": ["a", "b"], "weights": [1, 1]}]},
                },
            ],
            "Column 'v'.*one value of",
        ),
        (
            [NUMBER, {"name": "d", "kind": "derived", "formula": "n", "decimals": -1}],
            "Column 'd': expected decimals",
        ),
        (
            [NUMBER, {"name": "d", "kind": "derived", "formula": "n", "minimum": 0.123}],
            "Column 'd': expected a min",
        ),
        (
            [{"name": "k", "kind": "key"}, {"name": "d", "kind": "derived", "formula": "k"}],
            "Column 'd': a key or",
        ),
        ([DAY, {**DELAY, "minimum": 9, "maximum": 1}], "Column 'l': expected minimum <= maximum"),
        ([{**DAY, "resolution": "h"}, {**DELAY, "business_days": True}], "Column 'l': business days need"),
        ([{**DAY, "resolution": "h", "business_days": True}], "Column 't': business days have"),
        ([{**WORD, "categories": "ab"}], "Column 'w': expected categories to be a list"),
        ([{**WORD, "categories": [2**60, 2**60 + 1]}], "Column 'w': its categories are too long"),
        ([{"kind": "key"}], r"Column None: it lacks \['name'\]"),
        ([{"kind": "key", "name": ""}], "expected a name"),
        ([], "at least one column"),
        (["n"], "expected fields with names"),
    ],
)
def test_what_is_wrong_is_named_with_its_column(columns: list[Any], message: str) -> None:
    with pytest.raises(DpsynthError, match=re.compile(message, re.DOTALL)):
        Rules.from_json({"name": "x", "columns": columns})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colums": []}, "no field 'colums'; did you mean 'columns'"),
        ({"format": "dpsynth-rules/2"}, "Expected the format"),
        ({"rows": -1}, "rows"),
        ({"name": " "}, "name of the table"),
        ({"constraints": ["n +"]}, "Constraint 'n \\+': cannot read"),
        ({"constraints": ["n + 1"]}, "expected a condition"),
        ({"constraints": ["True"]}, "expected a condition on columns"),
        ({"constraints": "n > 1"}, "constraints: expected a list"),
        ({"correlation": {"columns": ["n", "x"], "matrix": [[1, 0], [0, 1]]}}, "no column 'x' to correlate"),
        ({"correlation": {"columns": ["n", "w"], "matrix": [[1, 0], [0, 1]]}}, "Column 'w': only numbers"),
        ({"correlation": {"columns": ["n", "g"], "matrix": [[1, 0], [0, 1]]}}, "Column 'g': it has both"),
    ],
)
def test_what_is_wrong_with_the_whole_is_said(change: dict[str, Any], message: str) -> None:
    given = {
        **NUMBER,
        "name": "g",
        "distribution": {"name": "norm"},
        "given": {"columns": ["w"], "cases": [{"values": ["a"], "parameters": {"loc": 3}}]},
    }
    with pytest.raises(ConfigurationError, match=message):
        Rules.from_json({"name": "x", "columns": [NUMBER, WORD, given], **change})


def test_keys_run_out_with_a_message() -> None:
    rules = Rules(columns=(KeyRule(name="k", pattern="C-##"),))
    assert rules.sample(99)["k"].iloc[-1] == "C-99"
    with pytest.raises(ConfigurationError, match=r"Column 'k'.*too few '#' for 100"):
        rules.sample(100)


@pytest.mark.parametrize(("rows", "seed"), [(-1, 1), (2.5, 1), (1, -1), (1, "a")])
def test_rows_and_seed_are_counts(rules: Rules, rows: Any, seed: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"rows|seed"):
        rules.sample(rows, seed=seed)
