from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather

from dpsynth.errors import DataError
from dpsynth.session.reading import read_raw

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


def test_text_files_come_as_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,NA\n02,\n")
    raw = read_raw(path)
    assert raw["a"].tolist() == ["1", "02"]
    assert raw["b"].tolist() == ["NA", ""]


def test_compressed_and_tab_separated(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "t.csv.gz", "wt") as file:
        file.write('a,b\n1,"x, y"\n')
    (tmp_path / "t.tsv").write_text("a\tb\n1\tx, y\n")
    assert (
        read_raw(tmp_path / "t.csv.gz")["b"].tolist()
        == read_raw(str(tmp_path / "t.tsv"))["b"].tolist()
        == ["x, y"]
    )


def test_header_only_is_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n")
    assert {name: len(values) for name, values in read_raw(tmp_path / "t.csv").items()} == {"a": 0, "b": 0}


def test_typed_files_and_frames(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "t.parquet")
    feather.write_feather(FRAME, str(tmp_path / "t.arrow"))
    sources = [
        tmp_path / "t.parquet",
        tmp_path / "t.arrow",
        FRAME,
        pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
        pa.table(FRAME),
    ]
    for source in sources:
        raw = read_raw(source)
        assert raw["a"].tolist() == [1, 2]
        assert raw["b"].tolist() == ["x", "y"]


@pytest.mark.parametrize("name", ["t.xlsx", "t", "t.pkl"])
def test_unknown_formats_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="format"):
        read_raw(tmp_path / name)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file"):
        read_raw(tmp_path / "none.csv")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.arrow"])
def test_damaged_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match="Cannot read"):
        read_raw(tmp_path / name)


def test_twice_the_same_name() -> None:
    with pytest.raises(DataError, match=r"\['a'\]"):
        read_raw(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_no_columns_and_no_table() -> None:
    with pytest.raises(DataError, match="no columns"):
        read_raw(pd.DataFrame())
    with pytest.raises(DataError, match="got list"):
        read_raw([1, 2])
