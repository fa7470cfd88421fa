"""Examples of encoding. That codes are row-wise is proved in tests/pitfalls/test_p39_row_wise_codes.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from dpsynth.errors import DataError
from dpsynth.schema.columns import (
    Boolean,
    Categorical,
    Column,
    Datetime,
    Identifier,
    Integer,
    ModelledColumn,
    Real,
    Text,
)
from dpsynth.schema.encode import (
    encode_column,
    identity_codes,
    physical_kind_fits,
    read_labels,
    read_values,
    readable,
)

COLOUR = Categorical(name="colour", categories=("red", "green"))
NUMBERS = Categorical(name="numbers", categories=(1, 2))
AGE = Integer(name="age", minimum=0, maximum=99, cells=10)
RATE = Real(name="rate", minimum=0, maximum=1, precision=1)
DAY = Datetime(name="day", minimum="2020-01-01", maximum="2020-01-31")
KINDS: list[ModelledColumn] = [COLOUR, NUMBERS, Boolean(name="member"), AGE, RATE, DAY]


def codes(column: ModelledColumn, values: list[Any], *tokens: str) -> list[int]:
    return encode_column(column, pd.Series(values, dtype=object), tokens).tolist()


@pytest.mark.parametrize(
    ("rule", "required", "unknown", "absent"),
    [
        ("missing", False, 2, 2),
        ("missing", True, -1, -1),
        ("other", False, 2, 3),
        ("other", True, 2, 2),
        ("drop", False, -1, 2),
        ("drop", True, -1, -1),
    ],
)
def test_rules_of_categories(rule: Any, required: bool, unknown: int, absent: int) -> None:
    column = replace(COLOUR, out_of_domain=rule, required=required)
    assert codes(column, ["green", "blue", None, " red "]) == [1, unknown, absent, 0]


@pytest.mark.parametrize(
    ("rule", "required", "unreadable", "absent"),
    [("clip", False, 10, 10), ("clip", True, -1, -1), ("drop", False, -1, 10), ("missing", False, 10, 10)],
)
def test_rules_of_numbers(rule: Any, required: bool, unreadable: int, absent: int) -> None:
    column = replace(AGE, out_of_domain=rule, required=required)
    assert codes(column, ["55", "old", None]) == [5, unreadable, absent]


def test_categories_declared_as_numbers_match_in_every_spelling() -> None:
    assert codes(NUMBERS, [1, 1.0, "1", "1.0", True, np.int8(1), "one"]) == [0, 0, 0, 0, 2, 0, 2]
    assert codes(Categorical(name="c", categories=("1", "2")), [1, 1.0, "1", " 1 ", "1.0"]) == [0] * 5


def test_truth_values() -> None:
    assert (
        codes(Boolean(name="b"), [True, "TRUE", 1, "1.0", False, "false", 0.0, "maybe", None])
        == [1] * 4 + [0] * 3 + [2] * 2
    )
    answers = Boolean(name="b", true_values=("yes",), false_values=("no",), out_of_domain="drop")
    assert codes(answers, ["yes", "no", True, "maybe", None]) == [1, 0, 1, -1, 2]
    assert codes(Categorical(name="c", categories=(False, True)), [True, "true", "FALSE", 1]) == [1, 1, 0, 2]


def test_declared_missing_tokens_match_text_and_number() -> None:
    assert codes(AGE, [-1, "-1", -1.0, "-1.0", "?", 0], "-1", "?") == [10] * 5 + [0]
    assert encode_column(AGE, pd.Series([-1, 0]), ("-1",)).tolist() == [10, 0]
    assert codes(replace(AGE, missing_values=("98",)), [98, -1], "-1") == [10, 0]
    assert codes(COLOUR, ["?", "-"], "?") == [2, 2]
    days = pd.Series(pd.to_datetime(["2020-01-02", "2020-01-31"]))
    assert encode_column(DAY, days, ("2020-01-31",)).tolist() == [1, 31]
    assert encode_column(DAY, days.astype(str), ("2020-01-31",)).tolist() == [1, 31]


def test_values_between_steps() -> None:
    fives = Integer(name="n", minimum=0, maximum=20, step=5)
    assert codes(fives, [0, 4, 4.4, 5, 9, "9.4", 20, 22]) == [0, 0, 0, 1, 1, 1, 4, 4]
    assert codes(RATE, [0.04, 0.06, 0.94, 1.04, 1.06, -0.04]) == [0, 1, 9, 10, 10, 0]
    assert codes(replace(RATE, out_of_domain="drop"), [1.04, 1.06, 1e308, -1e308]) == [10, -1, -1, -1]


def test_moments_are_cut_to_the_resolution_in_utc() -> None:
    late = ["2020-01-02T23:59:59.9", "2020-01-03T01:00:00+02:00", "2020-01-02"]
    assert codes(DAY, late) == [1, 1, 1]
    aware = pd.Series(pd.to_datetime(late, format="ISO8601", utc=True)).dt.tz_convert("Pacific/Auckland")
    assert encode_column(DAY, aware).tolist() == [1, 1, 1]
    months = Datetime(name="m", minimum="1969-11", maximum="1970-02", resolution="M")
    assert codes(months, ["1969-12-31", "1970-01-01", "1970-02", 197001]) == [1, 2, 3, 4]
    assert codes(Datetime(name="d", minimum="2020-01-01", maximum="2020-01-31"), [20200102, 20200102.0]) == [
        1,
        1,
    ]


def test_far_moments_are_clipped_not_wrapped() -> None:
    far = pd.Series(np.array(["-200000000-01-01", "200000000-01-01", "NaT"], dtype="datetime64[s]"))
    assert encode_column(DAY, far).tolist() == [0, 30, 31]


@pytest.mark.parametrize("column", KINDS, ids=lambda column: column.name)
@pytest.mark.parametrize(
    "values",
    [
        pd.Series([], dtype=object),
        pd.Series([], dtype="float64"),
        pd.Series([1, 2], dtype="float16"),
        pd.Series(np.array([1, 2], dtype=np.longdouble)),
        pd.Series(pd.arrays.SparseArray([1.0, np.nan])),
        pd.Series([1, None], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
        pd.Series([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
        pd.Series(pd.period_range("2020-01", periods=2, freq="M")),
        pd.Series(pd.interval_range(0, 2)),
        pd.Series(pd.Categorical(["1", None], categories=["1", "2", "x"])),
        pd.Series(pd.Categorical([pd.Timestamp("2020-01-01"), None])),
        pd.Series([1, 2], index=[7, 7]),
    ],
    ids=lambda values: str(values.dtype),
)
def test_every_other_physical_type_is_read_or_counts_as_foreign(
    column: ModelledColumn, values: pd.Series
) -> None:
    result = encode_column(column, values)
    assert result.shape == (len(values),)
    assert (result < column.size).all()


def test_columns_of_dates_or_durations_are_refused_where_none_is_declared() -> None:
    moments, spans = pd.Series(pd.to_datetime(["2020-01-01"])), pd.Series(pd.to_timedelta([1]))
    for column in KINDS:
        for values in (spans, pd.Series([1j]), *([] if column is DAY else [moments])):
            with pytest.raises(DataError, match=f"'{column.name}' is declared as {column.kind}"):
                encode_column(column, values)
    for column_ in (Identifier(name="i"), Text(name="t"), DAY):
        physical_kind_fits(column_, moments)


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (AGE, ["old", "young"], False),
        (AGE, ["old", "7"], True),
        (AGE, ["old", None], False),
        (AGE, [None, ""], True),
        (AGE, [], True),
        (AGE, [1000], True),
        (Integer(name="open"), ["7"], True),
        (Integer(name="open"), ["seven"], False),
        (COLOUR, ["blue"], False),
        (COLOUR, ["blue", "red"], True),
        (Categorical(name="open"), ["blue"], True),
        (DAY, ["1/2/2020"], False),
        (replace(DAY, format="%d/%m/%Y"), ["1/2/2020"], True),
        (Identifier(name="id"), ["x"], True),
        (Text(name="t"), ["x"], True),
    ],
)
def test_readable(column: Column, values: list[Any], expected: bool) -> None:
    assert readable(column, pd.Series(values, dtype=object)) is expected


def test_what_discovery_reads() -> None:
    values = pd.Series([1, "2.5", " x ", None, "?"], dtype=object)
    assert read_labels(Categorical(name="c"), values, ("?",)).tolist() == ["1", "2.5", "x", None, None]
    numbers = read_values(Real(name="r"), values, ("?",))
    np.testing.assert_array_equal(numbers, [1, 2.5, np.inf, np.nan, np.nan])


def test_identities() -> None:
    values = pd.Series(["a", "b", " a", None, "", "?", [1], [2], 3, 3.0, "3"], dtype=object)
    found = identity_codes(values, ("?",)).tolist()
    assert found[0] == found[2] != found[1]
    assert found[3] == found[4] == found[5]
    assert found[6] == found[7]
    assert found[8] == found[9] == found[10]
    assert len(set(found)) == 5
    assert min(found) == 0
