from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dpsynth import Formula, ImpossibleCombinations, InequalityChain, Schema
from dpsynth.errors import StorageError
from dpsynth.release.conformance import faults
from dpsynth.schema.columns import Boolean, Categorical, Datetime, Identifier, Integer, Real, Text
from dpsynth.schema.decode import decode_table

SCHEMA = Schema(
    columns=(
        Identifier(name="id", pattern="P###"),
        Categorical(name="colour", categories=("red", "green"), out_of_domain="other"),
        Categorical(name="grade", categories=(1, 2, 3), ordered=True),
        Categorical(name="half", categories=(0.5, 1)),
        Boolean(name="member", required=True),
        Integer(name="age", minimum=0, maximum=98, step=2, cells=7),
        Integer(name="worked", minimum=0, maximum=98, required=True),
        Real(name="height", minimum=1.0, maximum=2.2, precision=2, cells=6),
        Datetime(name="joined", minimum="2020-01-01", maximum="2023-12-31", temporal="date", cells=8),
        Text(name="note", rule="regenerate", filler="-"),
        Text(name="remark"),
        Formula(name="twice", expression="2 * worked", precision=0),
    ),
    constraints=(ImpossibleCombinations(columns=("colour", "member"), combinations=[("red", True)]),),
    rules=(InequalityChain(columns=("worked", "twice")),),
)
ROWS = 300


def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    codes = {c.name: rng.integers(0, c.size, ROWS) for c in SCHEMA.modelled}
    codes["member"][codes["colour"] == 0] = 0
    return decode_table(SCHEMA, codes, ROWS, rng)


def found(frame: pd.DataFrame, folder: Path, *, rows: int = ROWS, schema: Schema = SCHEMA) -> tuple[str, ...]:
    path = folder / "data.parquet"
    frame.to_parquet(path, index=False)
    schema.save(folder / "schema.json")
    return faults(path, folder / "schema.json", rows=rows)


def test_what_a_model_draws_conforms(tmp_path: Path) -> None:
    assert found(table(), tmp_path) == ()
    assert found(table().iloc[:0], tmp_path, rows=0) == ()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("id", "P001", "repeated"),
        ("colour", "mauve", "does not admit"),
        ("half", 0.7, "does not admit"),
        ("age", 3, "does not admit"),
        ("age", 100, "does not admit"),
        ("height", 1.234, "does not admit"),
        ("height", 2.21, "does not admit"),
        ("height", float("inf"), "does not admit"),
        ("joined", pd.Timestamp("2024-01-01"), "does not admit"),
        ("joined", pd.Timestamp("2023-01-01 10:00"), "does not admit"),
        ("worked", 99, "does not admit"),
        ("twice", 500, "break the rule"),
        ("colour", "red", "break the constraint"),
    ],
)
def test_one_wrong_cell_is_named_by_its_column(
    column: str, value: object, words: str, tmp_path: Path
) -> None:
    frame = table()
    row = 5 if column != "colour" else int(np.flatnonzero(frame["member"])[0])
    frame.loc[row, column] = value
    (fault,) = found(frame, tmp_path)
    assert words in fault
    assert column in fault
    assert str(value) not in fault.replace("2 * worked", "").replace(column, "")


def test_missing_values_follow_the_schema(tmp_path: Path) -> None:
    frame = table()
    frame["member"] = frame["member"].mask(frame.index == 3)
    (fault,) = found(frame, tmp_path)
    assert "'member' has missing values" in fault


def test_columns_and_rows_are_those_of_the_certificate(tmp_path: Path) -> None:
    assert "number of rows" in found(table(), tmp_path, rows=ROWS + 1)[0]
    assert "columns" in found(table().drop(columns="age"), tmp_path)[0]
    assert "columns" in found(table()[table().columns[::-1]], tmp_path)[0]


def test_texts_are_no_numbers(tmp_path: Path) -> None:
    frame = table()
    frame["worked"] = "many"
    assert "'worked'" in found(frame, tmp_path)[0]
    (tmp_path / "data.parquet").write_bytes(b"PAR1 and no more")
    assert faults(tmp_path / "data.parquet", tmp_path / "schema.json", rows=ROWS) == (
        "The file cannot be read as Parquet.",
    )


def test_a_schema_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    found(table(), tmp_path)
    for text in ("no json", "[]", '{"fields": [{"type": "number"}]}'):
        (tmp_path / "schema.json").write_text(text)
        with pytest.raises(StorageError, match="cannot be read"):
            faults(tmp_path / "data.parquet", tmp_path / "schema.json", rows=ROWS)


def both(frame: pd.DataFrame, other: pd.DataFrame, folder: Path) -> tuple[str, ...]:
    found(frame, folder)
    other.to_csv(folder / "data.csv", index=False)
    return faults(folder / "data.parquet", folder / "schema.json", rows=ROWS, text=folder / "data.csv")


def test_both_forms_hold_the_same_rows(tmp_path: Path) -> None:
    frame = table()
    assert both(frame, frame, tmp_path) == ()
    assert "number of rows" in both(frame, frame.iloc[1:], tmp_path)[0]
    assert "other columns" in both(frame, frame.drop(columns="age"), tmp_path)[0]
    for name in ("colour", "grade", "half", "member", "worked", "height", "joined", "id"):
        other = frame.copy()
        other[name] = other[name].to_numpy()[::-1]
        (fault,) = both(frame, other, tmp_path)
        assert f"Column {name!r} of data.csv" in fault
    other = frame.copy()
    other.loc[3, "height"] = np.nan if pd.notna(frame.loc[3, "height"]) else 1.5
    assert "'height'" in both(frame, other, tmp_path)[0]
    (tmp_path / "data.csv").write_bytes(b"\xff\xfe\x00")
    (fault,) = faults(
        tmp_path / "data.parquet", tmp_path / "schema.json", rows=ROWS, text=tmp_path / "data.csv"
    )
    assert "data.csv" in fault


@pytest.mark.parametrize(("step", "wrong"), [(1, 5001), (1, -1), (3, 4)])
def test_many_whole_numbers_are_judged_by_their_range_and_step(step: int, wrong: int, tmp_path: Path) -> None:
    schema = Schema(columns=(Integer(name="pay", minimum=0, maximum=4998, step=step),))
    numbers = np.arange(0, 4999, step)
    frame = pd.DataFrame({"pay": numbers})
    assert found(frame, tmp_path, rows=len(frame), schema=schema) == ()
    frame.loc[7, "pay"] = wrong
    assert len(found(frame, tmp_path, rows=len(frame), schema=schema)) == 1
