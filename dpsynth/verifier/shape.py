"""The form of a certificate: the JSON Schema beside this file, checked without any other package.

Only the keywords that the schema uses are known, each with the meaning of JSON Schema 2020-12; any other is
refused when the schema is read, so that no rule is passed over in silence. Two points are stricter than usual
validators in Python: a pattern that ends in `$` allows no line feed after it, and 1.0 is no integer.
"""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, TypeAlias

__all__ = ["ShapeError", "certificate_schema", "errors", "known_keywords"]

Schema: TypeAlias = "Mapping[str, Any]"

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_SILENT = {"$schema", "$id", "$defs", "title"}
_MOST = 20


class ShapeError(ValueError):
    """The schema itself uses a keyword that is not known here."""


@cache
def certificate_schema() -> Schema:
    """The JSON Schema of the signed statement."""
    data = pkgutil.get_data(__package__, "certificate.schema.json") or b""
    schema: Schema = json.loads(data)
    known_keywords(schema)
    return schema


def errors(value: object, schema: Schema | None = None) -> tuple[str, ...]:
    """Where `value` departs from the schema: JSON pointers with words, at most 20. Values are not quoted.

    Args:
        value: From `canonical.parse`.
        schema: Default: that of certificates.

    Raises:
        ShapeError: The schema uses an unknown keyword.
    """
    whole = certificate_schema() if schema is None else schema
    known_keywords(whole)
    return tuple(islice(_errors(value, whole, whole, ""), _MOST))


def known_keywords(schema: Schema) -> None:
    """Refuse a schema with keywords that are not checked.

    Raises:
        ShapeError: Names the keyword.
    """
    unknown = sorted(set(schema) - _SILENT - set(_CHECKS) - {"$ref"})
    if unknown:
        raise ShapeError(f"The schema uses keywords that are not known here: {unknown}.")
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    inner += [*schema.get("anyOf", []), schema.get("items"), schema.get("additionalProperties")]
    for part in inner:
        if isinstance(part, Mapping):
            known_keywords(part)


def _errors(value: object, schema: Schema, whole: Schema, where: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from _errors(value, whole["$defs"][schema["$ref"].removeprefix("#/$defs/")], whole, where)
    for keyword, limit in schema.items():
        if keyword in _CHECKS:
            yield from _CHECKS[keyword](value, limit, schema, whole, where)


def _type(value: object, limit: str, _: Schema, __: Schema, where: str) -> Iterator[str]:
    truth = isinstance(value, bool) and limit != "boolean"
    if truth or not isinstance(value, _TYPES[limit]):
        yield f"{where or '/'}: expected {limit}"


def _properties(value: object, limit: Schema, _: Schema, whole: Schema, where: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in limit.items():
            if name in value:
                yield from _errors(value[name], part, whole, f"{where}/{_token(name)}")


def _required(value: object, limit: list[str], _: Schema, __: Schema, where: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name in limit:
            if name not in value:
                yield f"{where or '/'}: the field {name!r} is missing"


def _additional(
    value: object, limit: Schema | bool, schema: Schema, whole: Schema, where: str
) -> Iterator[str]:
    if isinstance(value, dict):
        for name in value.keys() - schema.get("properties", {}).keys():
            if not isinstance(limit, bool):
                yield from _errors(value[name], limit, whole, f"{where}/{_token(name)}")
            elif not limit:
                yield f"{where}/{_token(name)}: unknown field"


def _items(value: object, limit: Schema, _: Schema, whole: Schema, where: str) -> Iterator[str]:
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from _errors(item, limit, whole, f"{where}/{place}")


def _any_of(value: object, limit: list[Schema], _: Schema, whole: Schema, where: str) -> Iterator[str]:
    if all(next(_errors(value, part, whole, where), None) is not None for part in limit):
        yield f"{where or '/'}: matches none of the allowed forms"


def _const(value: object, limit: object, _: Schema, __: Schema, where: str) -> Iterator[str]:
    if type(value) is not type(limit) or value != limit:
        yield f"{where or '/'}: expected {json.dumps(limit)}"


def _enum(value: object, limit: list[object], _: Schema, __: Schema, where: str) -> Iterator[str]:
    if not any(type(value) is type(choice) and value == choice for choice in limit):
        yield f"{where or '/'}: expected one of {json.dumps(limit)}"


def _pattern(value: object, limit: str, _: Schema, __: Schema, where: str) -> Iterator[str]:
    strict = limit.removesuffix("$") + r"\Z" if limit.endswith("$") else limit
    if isinstance(value, str) and not re.search(strict, value):
        yield f"{where or '/'}: does not match {limit}"


def _compared(breaks: Callable[[Any, Any], bool], kinds: tuple[type, ...], words: str) -> Callable[..., Any]:
    def check(value: Any, limit: Any, _: Schema, __: Schema, where: str) -> Iterator[str]:
        if isinstance(value, kinds) and not isinstance(value, bool) and breaks(value, limit):
            yield f"{where or '/'}: expected {words} {limit}"

    return check


def _token(name: str) -> str:
    """A step of a JSON pointer; long names are cut."""
    return name[:60].replace("~", "~0").replace("/", "~1")


_NUMBERS = (int, float)
_CHECKS: dict[str, Callable[[Any, Any, Schema, Schema, str], Iterator[str]]] = {
    "type": _type,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "items": _items,
    "anyOf": _any_of,
    "const": _const,
    "enum": _enum,
    "pattern": _pattern,
    "minimum": _compared(lambda v, limit: v < limit, _NUMBERS, "at least"),
    "maximum": _compared(lambda v, limit: v > limit, _NUMBERS, "at most"),
    "exclusiveMinimum": _compared(lambda v, limit: v <= limit, _NUMBERS, "more than"),
    "minLength": _compared(lambda v, limit: len(v) < limit, (str,), "a length of at least"),
    "maxLength": _compared(lambda v, limit: len(v) > limit, (str,), "a length of at most"),
    "minItems": _compared(lambda v, limit: len(v) < limit, (list,), "a number of items of at least"),
    "maxItems": _compared(lambda v, limit: len(v) > limit, (list,), "a number of items of at most"),
}
