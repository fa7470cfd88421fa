from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.schema.canonical import UNREADABLE, Lookup, number_of, seconds_of, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" a ", "a"),
        ("", None),
        ("\t", None),
        (None, None),
        (pd.NA, None),
        (pd.NaT, None),
        (math.nan, None),
        (-math.inf, None),
        (np.float32("nan"), None),
        (True, "True"),
        (np.bool_(False), "False"),
        (1, "1"),
        (np.uint8(7), "7"),
        (10**400, None),
        (1.0, "1"),
        (-0.0, "0"),
        (0.5, "0.5"),
        (1e300, str(int(1e300))),
        (Decimal("2.50"), "2.5"),
        (Decimal("3"), "3"),
        (Decimal("sNaN"), None),
        (dt.date(2020, 1, 2), "2020-01-02"),
        (dt.datetime(2020, 1, 2, 3), "2020-01-02T03:00:00"),
        (pd.Timestamp("2020-01-02", tz="UTC"), "2020-01-02T00:00:00+00:00"),
        (np.datetime64("2020-01-02"), "2020-01-02"),
        (np.datetime64("NaT"), None),
    ],
)
def test_text_of(value: object, text: str | None) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    "value", [[1], {}, 1j, b"1", np.timedelta64(1, "s"), pd.Timedelta(1), dt.time(1), object()]
)
def test_what_is_no_scalar_reads_as_nothing_declared(value: object) -> None:
    text = text_of(value)
    assert text is not None
    assert number_of(text) == UNREADABLE
    assert seconds_of(text) == UNREADABLE


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("1.0", 1),
        ("-2e1", -20),
        ("True", 1),
        ("false", 0),
        ("1_0", UNREADABLE),
        ("1,5", UNREADABLE),
    ],
)
def test_number_of(text: str, number: float) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "1" * 5000])
def test_no_finite_number_is_missing(text: str) -> None:
    assert math.isnan(number_of(text))


@pytest.mark.parametrize(
    ("text", "pattern", "seconds"),
    [
        ("1970-01-01", None, 0),
        ("1970-01-01T00:00:01", None, 1),
        ("1970-01-01 00:00:01.9", None, 1),
        ("1969-12-31T23:59:59.9", None, -1),
        ("1970-01-01T02:00:00+02:00", None, 0),
        ("1970", None, 0),
        ("1970-02", None, 31 * 86_400),
        ("19700102", None, 86_400),
        ("02/01/1970", "%d/%m/%Y", 86_400),
        ("1970-01-02", "%d/%m/%Y", 86_400),
        ("0001-01-01T00:00:00+14:00", None, -62135596800 - 14 * 3600),
        ("9999-12-31T23:59:59-14:00", None, 253402300799 + 14 * 3600),
        ("31/31/1970", "%d/%m/%Y", UNREADABLE),
        ("today", None, UNREADABLE),
        ("", None, UNREADABLE),
        ("\ud800", None, UNREADABLE),
    ],
)
def test_seconds_of(text: str, pattern: str | None, seconds: float) -> None:
    assert seconds_of(text, pattern) == seconds


@given(st.text(), st.sampled_from([None, "%d/%m/%Y", "%Y%m%d", "%j %y"]))
def test_no_text_raises(text: str, pattern: str | None) -> None:
    number_of(text)
    seconds_of(text, pattern)
    assert text_of(text) == (text.strip() or None)


def test_lookup_prefers_the_exact_spelling() -> None:
    lookup = Lookup([("1", 0.0), ("1.0", 1.0), ("07", 2.0), ("x", 3.0)])
    found = [lookup.find(text) for text in ("1", "1.0", "1.00", "7", "7.0", "x", "X", "nan", "2", "")]
    assert found == [0, 1, 0, 2, 2, 3, None, None, None, None]


def test_lookup_leaves_ambiguous_numbers_alone() -> None:
    lookup = Lookup([("01", 0.0), ("001", 1.0), ("0001", 1.0), ("2.0", 3.0), ("2.00", 3.0)])
    assert [lookup.find(text) for text in ("1", "01", "001", "2")] == [None, 0, 1, 3]


def test_lookup_finds_missing_numbers() -> None:
    lookup = Lookup([("-1", math.nan), ("-1.0", math.nan), ("1", 0.0)])
    assert math.isnan(lookup.find("-1.00") or 0)
