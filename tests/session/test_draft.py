from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.schema.columns import Boolean, Categorical, Column, Datetime, Identifier, Integer, Real, Text
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable
from dpsynth.session.draft import draft_schema

ROWS = 60
COLUMNS: dict[str, tuple[list[str], type[Column]]] = {
    "person_id": ([f"P{i}" for i in range(ROWS)], Identifier),
    "age": ([str(20 + i % 40) for i in range(ROWS)], Integer),
    "grade": ([str(i % 5) for i in range(ROWS)], Categorical),
    "height": ([f"1.{i + 20}" for i in range(ROWS)], Real),
    "tiny": ([f"{i}e-3" for i in range(ROWS)], Real),
    "member": (["true", "false"] * (ROWS // 2), Boolean),
    "day": ([f"2020-01-{1 + i % 28:02d}" for i in range(ROWS)], Datetime),
    "moment": ([f"2020-01-{1 + i % 28:02d} 10:00:00" for i in range(ROWS)], Datetime),
    "colour": (["red", "green", "?"] * (ROWS // 3), Categorical),
    "note": ([f"text {i}" for i in range(ROWS)], Text),
    "nothing": ([""] * ROWS, Text),
}


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame({name: values for name, (values, _) in COLUMNS.items()})


def test_kinds_are_guessed_and_marked(frame: pd.DataFrame) -> None:
    schema = draft_schema(frame)
    assert {column.name: type(column) for column in schema.columns} == {
        n: kind for n, (_, kind) in COLUMNS.items()
    }
    assert set(schema.assumed) == set(COLUMNS)  # nothing slips through as declared
    assert "?" in schema.missing_values
    colour, height = schema.column("colour"), schema.column("height")
    assert isinstance(colour, Categorical)
    assert colour.categories == ("green", "red")
    assert isinstance(height, Real)
    assert height.precision == 2


def test_files_and_typed_frames_give_the_same_kinds(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "people.csv", index=False)
    from_file = draft_schema(tmp_path / "people.csv")
    assert from_file.name == "people"
    typed = frame.assign(
        age=frame["age"].astype(int).where(frame["age"] != "20"),  # floats, because one value is missing
        day=pd.to_datetime(frame["day"]),
        member=frame["member"] == "true",
    )
    kinds = {column.name: type(column) for column in draft_schema(typed).columns}
    assert kinds["age"] is Integer
    assert kinds["member"] is Boolean
    assert kinds["day"] is Datetime


@pytest.mark.parametrize(
    ("values", "bounds"),
    [
        (["3.04999995231628", "30.6709995269775"], (3.049999, 30.671, 6)),
        (["-0.15", "0.1"], (-0.15, 0.1, 2)),
        (["1e9", "2.5e12"], (1e9, 2.5e12, 2)),
        (["0.5", "1e14"], (0.5, 1e14, 1)),
    ],
)
def test_bounds_are_rounded_outward_to_a_precision_that_a_schema_can_hold(
    values: list[str], bounds: tuple[float, float, int]
) -> None:
    column = draft_schema(pd.DataFrame({"x": values})).column("x")
    assert isinstance(column, Real)
    assert (column.minimum, column.maximum, column.precision) == bounds


def test_what_only_looks_like_a_date_is_none() -> None:
    for values in (["2020-13-45"] * 30, ["2020-01-01", "2020-02-30"] * 15, ["2020-01-01T25:00"] * 30):
        assert isinstance(draft_schema(pd.DataFrame({"x": values})).column("x"), Categorical)


def test_numbers_beyond_any_lattice_are_text() -> None:
    values = [f"{i}e29" for i in range(30)]
    assert isinstance(draft_schema(pd.DataFrame({"x": values})).column("x"), Text)


cell = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        ["1", "01", "1.0", "true", "TRUE", "yes", "?", "NA", "", " a", "a", "2020-01-01", "2020-13-45"]
    ),
    st.integers(-(10**16), 10**16).map(str),
    st.floats(allow_nan=True).map(str),
    st.datetimes().map(lambda moment: moment.isoformat()[:19]),
)


@given(columns=st.lists(st.lists(cell, min_size=25, max_size=25), min_size=1, max_size=3))
def test_a_draft_of_anything_is_a_schema_that_its_table_fits(columns: list[list[str]]) -> None:
    frame = pd.DataFrame({f"c{i}": pd.Series(values, dtype=object) for i, values in enumerate(columns)})
    schema = draft_schema(frame)
    assert Schema.from_json(schema.to_json()) == schema
    assert set(schema.assumed) == set(frame.columns)
    PrivateTable.load(frame, schema)
