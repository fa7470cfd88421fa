"""Schemas in two other formats: SDV metadata (V1) and the `domain.json` of size files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dpsynth.errors import SchemaError
from dpsynth.schema.column import Column
from dpsynth.schema.columns import Boolean, Categorical, Identifier, Text
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.numeric import Datetime, Integer, Real
from dpsynth.schema.schema import Schema

__all__ = ["schema_from_domain", "schema_from_sdv", "schema_to_domain", "schema_to_sdv"]

Json = Mapping[str, Any]

_SDV_TYPES = {Categorical: "categorical", Boolean: "boolean", Datetime: "datetime", Identifier: "id"}
_SDV_RESULTS = {"number": "numerical", "date": "datetime", "truth": "boolean"}
_TIME_DIRECTIVES = ("%H", "%I", "%M", "%S", "%T", "%c", "%X")


def schema_from_sdv(document: Json, *, table: str | None = None) -> Schema:
    """Read SDV metadata, for one table or with several.

    SDV knows no bounds, and categories only where they are ordered: the schema will have columns
    that are not complete. Personal data types (names, addresses ...) become text that is left out.

    Args:
        document: The JSON document.
        table: Which table to read; None is enough if there is one.

    Raises:
        SchemaError: The document is no SDV metadata, or the table is not clear.
    """
    if not isinstance(document, Mapping):
        raise SchemaError(f"Expected SDV metadata: a JSON object, got {document!r}.")
    tables = document.get("tables", {table or "table": document} if "columns" in document else {})
    if not isinstance(tables, Mapping) or not tables:
        raise SchemaError('Expected SDV metadata: a JSON object with "tables" or "columns".')
    name = str(next(iter(tables))) if table is None and len(tables) == 1 else table
    if name is None or name not in tables:
        raise SchemaError(f"Expected the name of one of the tables {list(tables)}, got {table!r}.")
    described = _object(tables[name], f"table {name!r}")
    columns = _object(described.get("columns"), f'"columns" of table {name!r}')
    key = described.get("primary_key")
    return Schema(columns=tuple(_from_sdv(name, entry, key) for name, entry in columns.items()), name=name)


def _object(value: object, what: str) -> Json:
    if not isinstance(value, Mapping):
        raise SchemaError(f"Expected {what} to be a JSON object, got {value!r}.")
    return value


def _from_sdv(name: str, described: Json, primary_key: str | None) -> Column:
    kind = _object(described, f"column {name!r}").get("sdtype")
    if kind == "id" or name == primary_key:
        return Identifier(name=name)
    if kind == "numerical":
        whole = "int" in str(described.get("computer_representation", "Float")).lower()
        return Integer(name=name) if whole else Real(name=name)
    if kind == "categorical":
        order = described.get("order")
        return Categorical(name=name, categories=order, ordered=order is not None)
    if kind == "boolean":
        return Boolean(name=name)
    if kind == "datetime":
        pattern = described.get("datetime_format")
        timed = pattern is None or any(directive in pattern for directive in _TIME_DIRECTIVES)
        resolution, temporal = ("s", "datetime") if timed else ("D", "date")
        return Datetime(name=name, format=pattern, resolution=resolution, temporal=temporal)  # type: ignore[arg-type]
    return Text(name=name)


def schema_to_sdv(schema: Schema) -> dict[str, Any]:
    """The schema as SDV metadata with one table. Bounds, cells and origins have no place in it."""
    columns = {column.name: _to_sdv(column) for column in schema.columns}
    described: dict[str, Any] = {"columns": columns}
    keys = [column.name for column in schema.columns if isinstance(column, Identifier)]
    if len(keys) == 1 and schema.unit.contributions == 1:
        described["primary_key"] = keys[0]
    return {"METADATA_SPEC_VERSION": "V1", "tables": {schema.name: described}, "relationships": []}


def _to_sdv(column: Column) -> dict[str, Any]:
    if isinstance(column, (Integer, Real)):
        representation = "Int64" if isinstance(column, Integer) else "Float"
        return {"sdtype": "numerical", "computer_representation": representation}
    if isinstance(column, Formula):
        return {"sdtype": _SDV_RESULTS[column.result]}
    described: dict[str, Any] = {"sdtype": _SDV_TYPES.get(type(column), "unknown")}
    if isinstance(column, Datetime) and column.format is not None:
        described["datetime_format"] = column.format
    if isinstance(column, Categorical) and column.ordered and column.categories is not None:
        described["order"] = list(column.categories)
    if described["sdtype"] == "unknown":
        described["pii"] = True
    return described


def schema_from_domain(sizes: Json, *, name: str = "table") -> Schema:
    """Read a size file `{"column": number of codes}`: columns that hold the codes 0, 1, 2, ...

    Raises:
        SchemaError: It is not an object of whole numbers.
    """
    if not isinstance(sizes, Mapping) or not all(type(size) is int for size in sizes.values()):
        raise SchemaError("Expected a JSON object that gives each column its number of codes.")
    columns = (
        Categorical(name=key, categories=tuple(range(size)), required=True) for key, size in sizes.items()
    )
    return Schema(columns=tuple(columns), name=name)


def schema_to_domain(schema: Schema) -> dict[str, int]:
    """The number of codes of each modelled column, missing and "other" included.

    Raises:
        SchemaError: Categories or bounds of a column are not known yet.
    """
    domain = schema.domain
    return dict(zip(domain.columns, domain.sizes, strict=True))
