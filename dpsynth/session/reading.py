"""Read a file or a frame into raw columns, without letting the reader guess types.

Privacy: a text file is read as text, so that no type, category or missing-value rule is inferred from
the rows (pitfalls P02, P39). Parser messages are not passed on: they quote rows (P06).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dpsynth.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SUFFIXES", "Source", "read_raw"]

Source = Any
"""A path to a CSV, TSV, Parquet or Arrow file, or a pandas, polars or Arrow table."""


def _read_text(path: Path, separator: str) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    parse = csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    with csv.open_csv(path, parse_options=parse) as reader:
        names = reader.schema.names
    convert = csv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        strings_can_be_null=False,
        quoted_strings_can_be_null=False,
    )
    return csv.read_csv(path, parse_options=parse, convert_options=convert)


def _read_parquet(path: Path) -> pa.Table:
    from pyarrow import parquet

    return parquet.read_table(path)


def _read_arrow(path: Path) -> pa.Table:
    from pyarrow import feather

    return feather.read_table(path)


_READERS: dict[str, Callable[[Path], Any]] = {
    ".csv": lambda path: _read_text(path, ","),
    ".tsv": lambda path: _read_text(path, "\t"),
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".ipc": _read_arrow,
}
SUFFIXES = tuple(_READERS)


def _read_file(path: Path) -> dict[str, pd.Series[Any]]:
    kind = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"][-1:]
    if not kind or kind[0] not in _READERS:
        raise DataError(
            f"Cannot tell the format of {path.name!r}: expected a file that ends in {', '.join(SUFFIXES)}."
        )
    if not path.is_file():
        raise DataError(f"There is no file {str(path)!r}. Check the path.")
    try:
        table = _READERS[kind[0]](path)
    except (OSError, ValueError, KeyError):
        # ArrowInvalid is a ValueError whose text quotes the row that did not parse.
        raise DataError(
            f"Cannot read {path.name!r} as {kind[0]}: the file is damaged, not of this format, or not "
            "readable. Open it with the program that wrote it and save it again."
        ) from None
    return _from_arrow(table)


def _from_arrow(table: pa.Table) -> dict[str, pd.Series[Any]]:
    _require_unique(list(table.column_names))
    return {name: table.column(index).to_pandas() for index, name in enumerate(table.column_names)}


def _require_unique(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"Column names must be unique; these occur more than once: {twice}. Rename them.")


def _from_frame(frame: Source) -> dict[str, pd.Series[Any]]:
    if isinstance(frame, pd.DataFrame):
        _require_unique([str(name) for name in frame.columns])
        return {str(name): frame[name].reset_index(drop=True) for name in frame.columns}
    import narwhals.stable.v1 as nw

    try:
        eager = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise DataError(
            f"Expected a path or a pandas, polars or Arrow table, got {type(frame).__name__}. "
            "Convert it to one of these first."
        ) from None
    return _from_arrow(eager.to_arrow())


def read_raw(source: Source) -> dict[str, pd.Series[Any]]:
    """Read `source` into one series for each column, in order; text files come as text.

    Raises:
        DataError: The file does not exist, cannot be read, or has no known format; the message names
            the file and never quotes its content.
    """
    columns = _read_file(Path(source)) if isinstance(source, (str, Path)) else _from_frame(source)
    if not columns:
        raise DataError("The table has no columns. Expected at least one column with a name.")
    return columns
