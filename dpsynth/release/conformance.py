"""Whether released rows are what their schema declares: read from the files, nothing taken on trust.

Columns are judged by their distinct values, with the readers of the stand-alone verifier, so that one
definition of "allowed" holds for both forms of the rows. Faults name the column and the rule, never a value:
the table may be somebody else's.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.errors import SchemaError, StorageError
from dpsynth.verifier.table import Column, columns_of
from dpsynth.verifier.values import OUTSIDE

__all__ = ["faults"]

_MANY = 1000
_TYPES = {
    "integer": "is_integer",
    "real": "is_floating",
    "boolean": "is_boolean",
    "datetime": "is_temporal",
}


def faults(
    path: str | Path, schema: str | Path, *, rows: int, text: str | Path | None = None
) -> tuple[str, ...]:
    """What is wrong with a Parquet file that is said to hold `rows` synthetic rows of a schema.

    Args:
        path: The Parquet file.
        schema: The document of the schema.
        rows: How many rows it is said to have.
        text: A CSV file that is said to hold the same rows.

    Returns:
        One sentence for each fault; none if the table conforms.

    Raises:
        StorageError: The schema cannot be read.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        document = json.loads(Path(schema).read_bytes())
        columns = [column for column in columns_of(document) if column.written]
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError("The document of the schema cannot be read.") from error
    try:
        table = parquet.ParquetFile(Path(path)).read()  # read_table would load pandas
    except (OSError, pa.ArrowException, ValueError):
        return ("The file cannot be read as Parquet.",)
    found = list(_faults(table, columns, rows))
    if not found and text is not None:
        found = list(_differences(table, Path(text), columns))
    own = document.get("dpsynth", {})
    bound = own.get("constraints") or own.get("rules") or any(column.kind == "formula" for column in columns)
    return tuple(found or (_rules(table, Path(schema)) if bound else ()))


def _faults(table: Any, columns: Sequence[Column], rows: int) -> Iterator[str]:
    if table.column_names != [column.name for column in columns]:
        yield "The columns are not those of the schema, in its order."
        return
    if table.num_rows != rows:
        yield "The number of rows is not the one that the certificate states."
    for column in columns:
        yield from _column(column, table[column.name])


def _column(column: Column, values: Any) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    distinct = pc.unique(values.combine_chunks())
    if isinstance(distinct, pa.DictionaryArray):
        distinct = distinct.dictionary_decode()
    if column.required and distinct.null_count:
        yield f"Column {column.name!r} has missing values although one is required."
    if column.kind == "identifier" and len(distinct) != len(values):
        yield f"Column {column.name!r} is an identifier and has repeated values."
    kind = _TYPES.get(column.kind)
    typed = kind is None or getattr(pa.types, kind)(distinct.type) or pa.types.is_null(distinct.type)
    if not typed or not all(_allowed(column, one) for one in _to_judge(column, distinct.drop_null())):
        yield f"Column {column.name!r} holds a value that the schema does not admit."


def _differences(table: Any, path: Path, columns: Sequence[Column]) -> Iterator[str]:
    """Whether a CSV file holds other rows than a table of its columns."""
    import pyarrow as pa
    from pyarrow import csv

    as_texts = csv.ConvertOptions(
        column_types={column.name: pa.string() for column in columns}, strings_can_be_null=False
    )
    try:
        texts = csv.read_csv(path, convert_options=as_texts)
    except (OSError, pa.ArrowException):
        yield f"{path.name} cannot be read."
        return
    if texts.column_names != table.column_names or texts.num_rows != table.num_rows:
        yield f"{path.name} has other columns, or another number of rows, than the Parquet file."
        return
    for column in columns:
        left, right = texts[column.name], table[column.name]
        if not _plainly_equal(left, right) and not _equal_as_read(column, left, right):
            yield f"Column {column.name!r} of {path.name} has other values than that of the Parquet file."


def _plainly_equal(texts: Any, values: Any) -> bool:
    """Whether texts are these numbers, in the usual spelling; quick, and no answer where it says no."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_integer(values.type) and not pa.types.is_floating(values.type):
        return False
    try:
        numbers = pc.if_else(pc.equal(texts, ""), None, texts).cast(values.type)
    except pa.ArrowException:
        return False
    if not numbers.is_null().equals(values.is_null()):
        return False
    return pc.all(pc.equal(numbers, values)).as_py() is not False  # of nothing but missing values: none


def _equal_as_read(column: Column, texts: Any, values: Any) -> bool:
    """Whether both columns hold the same values, however they are spelled."""
    known: dict[Any, int] = {}  # one number for each value
    left, right = (_numbered(column, one, known) for one in (texts, values))
    return bool((left == right).all())


def _numbered(column: Column, values: Any, known: dict[Any, int]) -> np.ndarray[Any, Any]:
    import pyarrow as pa

    whole = values.combine_chunks()
    if isinstance(whole, pa.DictionaryArray):
        whole = whole.dictionary_decode()
    encoded = whole.dictionary_encode(null_encoding="encode")
    read = [None if one is None else column.read(_text(one)) for one in encoded.dictionary.to_pylist()]
    numbers = [known.setdefault(value, len(known)) for value in read]
    found: np.ndarray[Any, Any] = np.array([*numbers, 0])[encoded.indices.to_numpy()]
    return found


def _to_judge(column: Column, distinct: Any) -> list[Any]:
    """The values that decide: of many whole numbers the ends of their range, and the one after the first.

    A column admits whole numbers between bounds in equal steps. If it admits two neighbours, its step is one,
    and it admits all between any two that it admits.
    """
    import pyarrow.compute as pc

    if column.kind == "integer" and len(distinct) > _MANY:
        ends = pc.min_max(distinct).as_py()
        deciding = [ends["min"], ends["min"] + 1, ends["max"]]
        if all(_allowed(column, one) for one in deciding):
            return deciding
    values: list[Any] = distinct.to_pylist()
    return values


def _allowed(column: Column, value: object) -> bool:
    finite = not isinstance(value, float) or math.isfinite(value)  # what is not reads as missing in a text
    return finite and column.read(_text(value)) is not OUTSIDE


def _text(value: object) -> str:
    """A value as a CSV file has it."""
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    return repr(value) if isinstance(value, float) else str(value)


def _rules(table: Any, schema: Path) -> Iterator[str]:
    """Constraints, formulas and rules need whole rows, and the schema itself."""
    from dpsynth.schema.constraint_tables import allowed_table
    from dpsynth.schema.encode import encode_column
    from dpsynth.schema.row_checks import violations
    from dpsynth.schema.schema import Schema

    try:
        known = Schema.load(schema)
    except SchemaError as error:
        raise StorageError("The document of the schema cannot be read.") from error
    frame, modelled = table.to_pandas(), {column.name: column for column in known.modelled}
    for constraint in known.constraints:
        codes = tuple(
            encode_column(modelled[name], frame[name], known.missing_values) for name in constraint.columns
        )
        if not allowed_table(known, constraint)[codes].all():
            yield f"Rows break the constraint on {list(constraint.columns)}."
    for words, broken in violations(known, frame).items():
        if broken.any():
            yield f"Rows break the rule: {words}."
