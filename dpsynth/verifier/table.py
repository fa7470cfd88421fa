"""The columns of a schema document (Table Schema v2 with the extension `dpsynth`), as readers of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from .values import Reader, category, moment, number, remembered, surrogate, text_of, truth

__all__ = ["Column", "TableError", "columns_of"]

Json: TypeAlias = "Mapping[str, Any]"

_KIND_OF_TYPE = {
    "string": "categorical",
    "any": "categorical",
    "integer": "integer",
    "year": "integer",
    "number": "real",
    "boolean": "boolean",
    "date": "datetime",
    "datetime": "datetime",
    "yearmonth": "datetime",
}
_RESOLUTION = {"date": "D", "datetime": "s", "yearmonth": "M"}


class TableError(ValueError):
    """The schema document has not the expected form. The message names the column."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: Its name.
        kind: Of the schema: `categorical`, `integer`, ...
        required: No value may be missing.
        written: Whether synthetic tables have it.
        read: Turns a text into a value, None (missing) or `values.OUTSIDE`.
        expression: Of a formula that is never clipped or emptied; empty otherwise.
        precision: Digits after the point of a number.
    """

    name: str
    kind: str
    required: bool
    written: bool
    read: Reader
    expression: str = ""
    precision: int = 0


def columns_of(document: Json) -> tuple[Column, ...]:
    """The columns of a schema document, in order.

    Raises:
        TableError: The document has not the expected form.
    """
    fields = document.get("fields") if isinstance(document, dict) else None
    if not isinstance(fields, list) or not fields or not all(isinstance(field, dict) for field in fields):
        raise TableError("The schema has no list of fields.")
    columns = []
    for field in fields:
        try:
            columns.append(_column(field, document))
        except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
            raise TableError(
                f"Column {str(field.get('name'))[:80]!r} of the schema cannot be read."
            ) from error
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise TableError("Two columns of the schema have one name.")
    return tuple(columns)


def _column(field: Json, document: Json) -> Column:
    own, limits = field.get("dpsynth", {}), field.get("constraints", {})
    kind = own.get("kind") or _kind(field, limits, document)
    tokens = [_value(token) for token in field.get("missingValues", document.get("missingValues", [""]))]
    missing = dict.fromkeys([text_of(token) for token in tokens] + [""])
    if not isinstance(field["name"], str):
        raise TypeError("a name is a text")
    exact = own.get("outOfDomain", "redraw") == "redraw"
    read = _READERS[kind](field, own, limits, list(missing))
    return Column(
        name=field["name"],
        kind=kind,
        required=bool(limits.get("required", False)),
        written=kind != "text" or own.get("rule", "drop") == "regenerate",
        read=remembered(read, missing),
        expression=str(own["expression"]) if kind == "formula" and exact else "",
        precision=_precision(kind, own, limits),
    )


def _kind(field: Json, limits: Json, document: Json) -> str:
    key = document.get("primaryKey")
    if field["name"] in (key, *(key if isinstance(key, list) and len(key) == 1 else ())) or limits.get(
        "unique"
    ):
        return "identifier"
    type_name = field.get("type", "any")
    if ("categories" in field or "enum" in limits) and type_name != "boolean":
        return "categorical"
    return _KIND_OF_TYPE[type_name]


def _categorical(field: Json, own: Json, limits: Json, _: Sequence[str]) -> Reader:
    given = field.get("categories", limits.get("enum"))
    choices = None if given is None else [_value(entry) for entry in given if entry is not None]
    return category(choices, own.get("otherLabel", "other") if own.get("outOfDomain") == "other" else None)


def _boolean(field: Json, _: Json, __: Json, ___: Sequence[str]) -> Reader:
    return truth(
        field.get("trueValues", ["true", "True", "TRUE", "1"]),
        field.get("falseValues", ["false", "False", "FALSE", "0"]),
    )


def _integer(_: Json, own: Json, limits: Json, missing: Sequence[str]) -> Reader:
    low, high = limits.get("minimum"), limits.get("maximum")
    low = int(limits["exclusiveMinimum"]) + 1 if "exclusiveMinimum" in limits else low
    high = int(limits["exclusiveMaximum"]) - 1 if "exclusiveMaximum" in limits else high
    step = int(own.get("step", 1))
    return number(minimum=low, maximum=high, precision=0, step=step, missing=missing, steps_from=low)


def _real(_: Json, own: Json, limits: Json, missing: Sequence[str]) -> Reader:
    low, high = limits.get("minimum"), limits.get("maximum")
    digits = _precision("real", own, limits)
    return number(minimum=low, maximum=high, precision=digits, step=1, missing=missing, steps_from=None)


def _formula(_: Json, own: Json, limits: Json, missing: Sequence[str]) -> Reader:
    low, high = limits.get("minimum"), limits.get("maximum")
    digits = _precision("formula", own, limits)
    return number(minimum=low, maximum=high, precision=digits, step=1, missing=missing, steps_from=None)


def _datetime(field: Json, own: Json, limits: Json, _: Sequence[str]) -> Reader:
    pattern = field.get("format")
    return moment(
        minimum=limits.get("minimum"),
        maximum=limits.get("maximum"),
        resolution=own.get("resolution", _RESOLUTION.get(field.get("type", "datetime"), "s")),
        pattern=None if pattern in (None, "default", "any") else str(pattern),
    )


def _identifier(_: Json, own: Json, __: Json, ___: Sequence[str]) -> Reader:
    return surrogate(own.get("pattern"))


def _text(_: Json, own: Json, __: Json, ___: Sequence[str]) -> Reader:
    return category([own.get("filler", "text")], None)


def _precision(kind: str, own: Json, limits: Json) -> int:
    if kind not in ("real", "formula"):
        return 0
    bounds = [limits[key] for key in ("minimum", "maximum") if key in limits]
    decimals = [-int(Decimal(text_of(bound)).as_tuple().exponent) for bound in bounds]
    digits = int(own.get("precision", 2 if kind == "formula" else max([2, *decimals])))
    if not 0 <= digits <= 15:
        raise ValueError("a precision is between 0 and 15")
    return digits


def _value(entry: Any) -> Any:
    return entry["value"] if isinstance(entry, dict) else entry


_READERS = {
    "categorical": _categorical,
    "boolean": _boolean,
    "integer": _integer,
    "real": _real,
    "datetime": _datetime,
    "identifier": _identifier,
    "text": _text,
    "formula": _formula,
}
