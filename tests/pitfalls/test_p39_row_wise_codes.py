"""P39: the code of a row depends on that row and the public schema alone.

Property: for every kind of column, in every physical form that a table may take, each value gets the
code that it gets when it is the only value of the table.
"""

from __future__ import annotations

import datetime as dt
import io
import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.schema.columns import Boolean, Categorical, Datetime, Integer, ModelledColumn, Real
from dpsynth.schema.encode import encode_column, identity_codes, read_labels

TOKENS = ("", "NA", "-1")

COLUMNS: list[ModelledColumn] = [
    Categorical(
        name="texts", categories=("1", "2", "red", "True", "07", "2020-01-01"), out_of_domain="other"
    ),
    Categorical(name="numbers", categories=(1, 2, 2.5, 30), out_of_domain="drop"),
    Categorical(name="truths", categories=(True, False)),
    Boolean(name="boolean"),
    Boolean(name="answers", true_values=("yes", "1"), false_values=("no", "2"), required=True),
    Integer(name="integer", minimum=0, maximum=30, cells=5),
    Integer(name="steps", minimum=-20, maximum=30, step=5, out_of_domain="missing", required=True),
    Integer(name="edges", minimum=0, maximum=90, edges=(0, 1, 18, 90), out_of_domain="drop"),
    Real(name="real", minimum=-1.5, maximum=3.5, precision=1, cells=7),
    Real(name="fine", minimum=0, maximum=100, precision=6, out_of_domain="missing"),
    Datetime(name="day", minimum="2019-12-31", maximum="2021-01-01", cells=9, out_of_domain="drop"),
    Datetime(
        name="hour", minimum="2020-01-01", maximum="2020-01-03", resolution="h", out_of_domain="missing"
    ),
    Datetime(name="year", minimum="1900", maximum="2100", resolution="Y", format="%d/%m/%Y"),
]
by_name = pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)

missing = st.sampled_from([None, np.nan, pd.NA, pd.NaT, "", " ", "NA", np.inf, -np.inf, float("nan")])
days = st.datetimes(dt.datetime(2019, 12, 30), dt.datetime(2021, 1, 3))
scalars = st.one_of(
    missing,
    st.integers(-40, 100),
    st.integers(),
    st.sampled_from([10**400, -(2**63), 2**63, 2**53 + 1, 20200101, 2020]),
    st.floats(-40, 100, width=32).map(lambda v: round(v, 1)),
    st.floats(),
    st.booleans(),
    st.sampled_from(["1", "1.0", " 2 ", "01", "red", "Red", "07", "7", "true", "yes", "no", "1e1", "1_0", "0x1", "nan"]),
    st.sampled_from(["2020-01-01", "2020-06", "2020", "20200101", "2020-01-01T12:30:00+02:00", "31/12/2020"]),
    st.text(max_size=3),
    st.integers(-40, 100).map(np.int8),
    st.floats(-40, 100, width=32).map(np.float32),
    st.booleans().map(np.bool_),
    st.integers(-40, 400).map(lambda v: Decimal(v) / 10),
    st.sampled_from([Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1.0"), Decimal("1e999")]),
    days,
    days.map(lambda moment: moment.date()),
    days.map(pd.Timestamp),
    days.map(np.datetime64),
    st.sampled_from([np.datetime64("NaT"), np.timedelta64("NaT"), np.timedelta64(1, "D"), 1j, b"1", dt.time(1)]),
    st.sampled_from([[1], {"a": 1}, (1,), np.array([1, 2]), object]),
)  # fmt: skip


def alone(column: ModelledColumn, value: object) -> int:
    box = np.empty(1, dtype=object)
    box[0] = value
    return int(encode_column(column, pd.Series(box, dtype=object), TOKENS)[0])


@by_name
@given(values=st.lists(scalars, max_size=12), data=st.data())
def test_objects_of_any_kind(column: ModelledColumn, values: list[Any], data: st.DataObject) -> None:
    box = np.empty(len(values), dtype=object)
    box[:] = [*values]
    codes = encode_column(column, pd.Series(box, dtype=object), TOKENS)
    assert codes.dtype == np.int32
    assert codes.tolist() == [alone(column, value) for value in values]
    assert all(-1 <= code < column.size for code in codes)
    if values:
        dropped = data.draw(st.integers(0, len(values) - 1))
        rest = encode_column(column, pd.Series(np.delete(box, dropped), dtype=object), TOKENS)
        assert rest.tolist() == np.delete(codes, dropped).tolist()


def from_csv(values: list[Any]) -> pd.Series[Any]:
    """Text, as a reader that guesses no types returns it."""
    frame = pd.DataFrame({"row": range(len(values)), "value": values})
    text = frame.to_csv(index=False)
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)["value"]


def guessed_csv(values: list[Any]) -> pd.Series[Any]:
    """A CSV file read by pandas, whose type depends on every row."""
    frame = pd.DataFrame({"row": range(len(values)), "value": values})
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)))["value"]


def inferred(values: list[Any]) -> pd.Series[Any]:
    """Whatever type pandas finds for these values together."""
    return pd.Series(values)


NUMBER_FORMS = {
    "inferred": inferred,
    "objects": lambda v: pd.Series(v, dtype=object),
    "floats": lambda v: pd.Series(v, dtype="float64"),
    "nullable floats": lambda v: pd.Series(v, dtype="Float64"),
    "csv": from_csv,
    "guessed csv": guessed_csv,
    "category": lambda v: pd.Series(v).astype("category"),
    "category of texts": lambda v: from_csv(v).astype("category"),
    "texts": lambda v: from_csv(v).astype("string"),
    "python texts": lambda v: from_csv(v).astype(object),
    "arrow": lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.float64())),
    "decimals": lambda v: pd.Series([None if x is None else Decimal(repr(x)) for x in v], dtype=object),
}
WHOLE_FORMS = NUMBER_FORMS | {
    "nullable integers": lambda v: pd.Series(v, dtype="Int64"),
    "small integers": lambda v: pd.Series(v, dtype="Int16"),
    "arrow integers": lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.int64())),
    "numpy scalars": lambda v: pd.Series([None if x is None else np.int64(x) for x in v], dtype=object),
}
WRITTEN = {"csv", "texts", "python texts", "category of texts"}  # "1.0" is a label of its own there
TRUTH_FORMS = {
    "inferred": inferred,
    "objects": lambda v: pd.Series(v, dtype=object),
    "boolean": lambda v: pd.Series(v, dtype="boolean"),
    "csv": from_csv,
    "guessed csv": guessed_csv,
    "category": lambda v: pd.Series(v).astype("category"),
    "arrow": lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.bool_())),
}
WORD_FORMS = {
    "inferred": inferred,
    "objects": lambda v: pd.Series(v, dtype=object),
    "str": lambda v: pd.Series(v, dtype="str"),
    "string": lambda v: pd.Series(v, dtype="string"),
    "python": lambda v: pd.Series(v, dtype="string[python]"),
    "category": lambda v: pd.Series(v, dtype="str").astype("category"),
    "csv": from_csv,
    "guessed csv": guessed_csv,
    "arrow": lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.string())),
}
MOMENT_FORMS = {
    "inferred": lambda v: pd.Series(v, dtype="datetime64[us]"),
    "objects": lambda v: pd.Series(v, dtype=object),
    "nanoseconds": lambda v: pd.Series(v, dtype="datetime64[ns]"),
    "seconds": lambda v: pd.Series(v, dtype="datetime64[s]"),
    "utc": lambda v: pd.Series(v, dtype="datetime64[us]").dt.tz_localize("UTC"),
    "elsewhere": lambda v: (
        pd.Series(v, dtype="datetime64[us]").dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    ),
    "timestamps": lambda v: pd.Series([None if x is None else pd.Timestamp(x) for x in v], dtype=object),
    "iso": lambda v: pd.Series([None if x is None else x.isoformat() for x in v], dtype="str"),
    "csv": from_csv,
    "category": lambda v: pd.Series(v, dtype="datetime64[us]").astype("category"),
    "arrow": lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.timestamp("us"))),
}
whole = st.lists(st.none() | st.integers(-40, 100), max_size=8)
decimals = st.lists(st.none() | st.integers(-400, 1000).map(lambda v: v / 10), max_size=8)
truths = st.lists(st.none() | st.booleans(), max_size=8)
words = st.lists(st.none() | st.sampled_from(["red", "07", "yes", "x", "2020-01-01", "NA"]), max_size=8)
moments = st.lists(st.none() | days.map(lambda moment: moment.replace(microsecond=0)), max_size=8)


def agree(column: ModelledColumn, values: list[Any], forms: dict[str, Any]) -> None:
    expected = [alone(column, value) for value in values]
    for form, build in forms.items():
        codes = encode_column(column, build(values), TOKENS).tolist()
        assert codes == expected, (form, values)


@by_name
@given(values=whole)
@settings(max_examples=15)
def test_whole_numbers_in_every_form(column: ModelledColumn, values: list[Any]) -> None:
    agree(column, values, WHOLE_FORMS)


@by_name
@given(values=decimals)
@settings(max_examples=15)
def test_decimals_in_every_form(column: ModelledColumn, values: list[Any]) -> None:
    agree(column, values, NUMBER_FORMS)


@by_name
@given(values=truths)
@settings(max_examples=15)
def test_truth_values_in_every_form(column: ModelledColumn, values: list[Any]) -> None:
    agree(column, values, TRUTH_FORMS)


@by_name
@given(values=words)
@settings(max_examples=15)
def test_words_in_every_form(column: ModelledColumn, values: list[Any]) -> None:
    agree(column, values, WORD_FORMS)


@pytest.mark.parametrize(
    "column", [c for c in COLUMNS if isinstance(c, Datetime)], ids=lambda column: column.name
)
@given(values=moments)
@settings(max_examples=25)
def test_moments_in_every_form(column: ModelledColumn, values: list[Any]) -> None:
    agree(column, values, MOMENT_FORMS)


@given(values=whole)
def test_labels_and_identities_are_row_wise_too(values: list[Any]) -> None:
    column = Categorical(name="unknown")
    expected = [None if value in (None, -1) else str(value) for value in values]
    for build in (WHOLE_FORMS[form] for form in WHOLE_FORMS.keys() - WRITTEN):
        assert read_labels(column, build(values), TOKENS).tolist() == expected
        codes = identity_codes(build(values), TOKENS)
        same = [[a == b for b in expected] for a in expected]
        assert (codes[:, None] == codes).tolist() == same


# The broken twins, each a line that a published package has.


def text_of_the_column(values: pd.Series[Any]) -> list[int]:
    return [{"1": 0, "2": 1}.get(text, -1) for text in values.astype(str)]


def kept_by_the_hash_table(values: pd.Series[Any]) -> list[int]:
    places, found = pd.factorize(values)
    return [{"True": 0, "1": 1}[str(found[place])] for place in places]


def format_of_the_first_row(values: pd.Series[Any]) -> list[float]:
    return pd.to_datetime(values, errors="coerce").dt.day.tolist()


@pytest.mark.parametrize(
    ("twin", "column", "values"),
    [
        (text_of_the_column, Categorical(name="c", categories=("1", "2")), [None, 1, 2]),
        (kept_by_the_hash_table, Categorical(name="c", categories=("True", "1")), [True, 1]),
        (
            format_of_the_first_row,
            Datetime(name="d", minimum="2020-01-01", maximum="2020-12-31", cells=366, format="%m/%d/%Y"),
            ["13/12/2020", "01/02/2020"],
        ),
    ],
)
def test_the_broken_twins_depend_on_other_rows(twin: Any, column: ModelledColumn, values: list[Any]) -> None:
    last = values[1:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert twin(pd.Series(values))[1:] != twin(pd.Series(last))
    assert (
        encode_column(column, pd.Series(values))[1:].tolist()
        == encode_column(column, pd.Series(last)).tolist()
    )
