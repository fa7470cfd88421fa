"""Whether a released Parquet file is what its schema declares: read from the file, nothing taken on trust.

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

from dpsynth.errors import SchemaError, StorageError
from dpsynth.verifier.table import Column, columns_of
from dpsynth.verifier.values import OUTSIDE

__all__ = ["faults"]

_TYPES = {
    "integer": "is_integer",
    "real": "is_floating",
    "boolean": "is_boolean",
    "datetime": "is_temporal",
}


def faults(path: str | Path, schema: str | Path, *, rows: int) -> tuple[str, ...]:
    """What is wrong with a Parquet file that is said to hold `rows` synthetic rows of a schema.

    Args:
        path: The Parquet file.
        schema: The document of the schema.
        rows: How many rows it is said to have.

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
    if not typed or not all(_allowed(column, one) for one in distinct.drop_null().to_pylist()):
        yield f"Column {column.name!r} holds a value that the schema does not admit."


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
