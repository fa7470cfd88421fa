"""One spelling for each value, and nothing doubtful is read."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.verifier.canonical import JsonError, canonical, parse

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(FLOATS)
def test_numbers_are_written_as_by_another_implementation(value: float) -> None:
    reference = pytest.importorskip("rfc8785")
    assert canonical(value) == reference.dumps(value)
    assert float(canonical(value)) == value


@given(VALUES)
def test_values_are_written_as_by_another_implementation(value: Any) -> None:
    reference = pytest.importorskip("rfc8785")
    assert canonical(value) == reference.dumps(value)


@given(VALUES)
def test_what_is_written_is_read_back_and_written_the_same(value: Any) -> None:
    written = canonical(value)
    assert parse(written) == value
    assert canonical(parse(written)) == written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (-1.5e-9, "-1.5e-9"),
        (333333333.33333329, "333333333.3333333"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        ({"\ufb33": 1, "\U0001f600": 2, "a": 3}, '{"a":3,"\U0001f600":2,"\ufb33":1}'),
        ('\u20ac$\u000f\nA\'B"\\\\"/\x7f', '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f"'),
    ],
)
def test_examples_of_the_standard(value: Any, text: str) -> None:
    assert canonical(value) == text.encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"a":1,"a":1}', "a key twice"),
        (b"[NaN]", "NaN is no JSON"),
        (b"-Infinity", "Infinity is no JSON"),
        (b"1e999", "range of floats"),
        (b"9007199254740993", "beyond"),
        (b"1" * 5000, "beyond"),
        (b"\xff", "not UTF-8"),
        (b"\xef\xbb\xbf1", "not JSON"),
        (b'"\\ud800"', "half of a character"),
        (b'{"\\ud800":1}', "half of a character"),
        (b"[" * 66 + b"]" * 66, "levels"),
        (b"[" * 100_000, "levels"),
        (b"[1] 2", "not JSON"),
        (b'"\n"', "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_doubtful_texts_are_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(JsonError, match=words):
        parse(data)


def test_size_and_depth_have_limits() -> None:
    assert parse(b"[" * 64 + b"]" * 64) is not None
    with pytest.raises(JsonError, match="larger than 10 bytes"):
        parse(json.dumps("a" * 10).encode(), most_bytes=10)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, {1: 2}, b"a", {"a": {1}}, "\ud800"])
def test_what_is_no_json_is_not_written(value: Any) -> None:
    with pytest.raises(JsonError):
        canonical(value)


def test_no_deeper_value_is_written_than_is_read() -> None:
    value: Any = 0
    for _ in range(66):
        value = [value]
    with pytest.raises(JsonError, match="levels"):
        canonical(value)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(JsonError):
        canonical(parse(data))
