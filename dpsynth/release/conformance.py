"""Whether a released table is what its schema declares: read from the file, nothing taken on trust.

Columns are judged by their distinct values, so that the time follows the file and not the number of rows.
Faults name the column and the rule, never a value: the table may be somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dpsynth.schema.canonical import text_of
from dpsynth.schema.column import Column, ModelledColumn
from dpsynth.schema.columns import Boolean, Categorical, Identifier, Text
from dpsynth.schema.numeric import Datetime, NumericColumn
from dpsynth.schema.schema import Schema

__all__ = ["faults"]


def faults(path: str | Path, schema: Schema, *, rows: int) -> tuple[str, ...]:
    """What is wrong with a Parquet file that is said to hold `rows` synthetic rows of `schema`.

    Returns:
        One sentence for each fault; none if the table conforms.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(Path(path), use_threads=True)
    except (OSError, pa.ArrowException, ValueError):
        return ("The file cannot be read as Parquet.",)
    return tuple(_faults(table, schema, rows))


def _faults(table: Any, schema: Schema, rows: int) -> Iterator[str]:
    expected = [c.name for c in schema.columns if not isinstance(c, Text) or c.rule == "regenerate"]
    if table.column_names != expected:
        yield "The columns are not those of the schema, in its order."
        return
    if table.num_rows != rows:
        yield "The number of rows is not the one that the certificate states."
    found = [
        fault for column in schema.columns if column.name in expected for fault in _column(column, table)
    ]
    yield from found
    if not found and (schema.constraints or schema.rules or any(c.kind == "formula" for c in schema.columns)):
        yield from _rules(table, schema)


def _column(column: Column, table: Any) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = table[column.name]
    if column.required and values.null_count:
        yield f"Column {column.name!r} has missing values although one is required."
    if isinstance(column, Identifier) and (pc.count_distinct(values).as_py() != len(values)):
        yield f"Column {column.name!r} is an identifier and has repeated values."
    if not isinstance(column, ModelledColumn):
        return
    try:
        inside = _inside(column, pc.unique(values.combine_chunks()).drop_null())
    except (pa.ArrowException, TypeError, ValueError):
        inside = False
    if not inside:
        yield f"Column {column.name!r} holds a value that the schema does not admit."


def _inside(column: ModelledColumn, distinct: Any) -> bool:
    import pyarrow as pa

    if isinstance(distinct, pa.DictionaryArray):
        distinct = distinct.dictionary_decode()
    if isinstance(column, Boolean):
        return bool(pa.types.is_boolean(distinct.type))
    if isinstance(column, Categorical):
        known = {text_of(category) for category in column.known_categories}
        if column.other_code is not None:
            known.add(column.other_label)
        return {text_of(value) for value in distinct.to_pylist()} <= known
    assert isinstance(column, NumericColumn)  # noqa: S101 - the three kinds of modelled columns
    if isinstance(column, Datetime):
        numbers = distinct.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy(zero_copy_only=False) / 1e6
    else:
        numbers = distinct.to_numpy(zero_copy_only=False).astype(np.float64)
    return _on_lattice(column, numbers)


def _on_lattice(column: NumericColumn, numbers: np.ndarray[Any, Any]) -> bool:
    if not np.isfinite(numbers).all():
        return False
    index = column.index_of(numbers)
    if not ((index >= 0) & (index < column.lattice.points)).all():
        return False
    made = column.values_at(index.astype(np.int64))
    if made.dtype.kind == "M":
        made = made.astype(np.int64)
    return bool((made.astype(np.float64) == numbers).all())


def _rules(table: Any, schema: Schema) -> Iterator[str]:
    """Constraints, formulas and rules need whole rows."""
    from dpsynth.schema.constraint_tables import allowed_table
    from dpsynth.schema.encode import encode_column
    from dpsynth.schema.row_checks import violations

    frame = table.to_pandas()
    for constraint in schema.constraints:
        codes = [
            encode_column(column, frame[column.name], schema.missing_values)
            for name in constraint.columns
            for column in schema.modelled
            if column.name == name
        ]
        if not allowed_table(schema, constraint)[tuple(codes)].all():
            yield f"Rows break the constraint on {list(constraint.columns)}."
    for words, broken in violations(schema, frame).items():
        if broken.any():
            yield f"Rows break the rule: {words}."
