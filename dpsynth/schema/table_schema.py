"""Read Table Schema v2 documents, ours and anybody's.

A plain document counts as declared. What it leaves open (a text without categories, a number without
bounds) becomes a column that is not complete, for a person to declare or a budget to buy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from dpsynth.errors import ConfigurationError, SchemaError
from dpsynth.privacy.unit import Unit
from dpsynth.schema.canonical import number_of, seconds_of
from dpsynth.schema.column import Column
from dpsynth.schema.columns import Boolean, Categorical, Identifier, Text
from dpsynth.schema.constraints import Constraint, FunctionalDependency, ImpossibleCombinations
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.numeric import Datetime, Integer, Real
from dpsynth.schema.row_rules import (
    GroupTotal,
    Implication,
    InequalityChain,
    NullTogether,
    OneHot,
    RowRule,
    UniqueKey,
)
from dpsynth.schema.schema import Schema
from dpsynth.schema.table_schema_writer import EXTENSION, VERSION, extension_keys, schema_to_json

__all__ = ["schema_from_json", "schema_to_json"]

Json = Mapping[str, Any]
Arguments = dict[str, Any]

_KINDS: dict[str, type[Column]] = {
    kind.kind: kind for kind in (Categorical, Boolean, Integer, Real, Datetime, Identifier, Text, Formula)
}
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
_RULES: dict[str, Any] = {
    kind.kind: kind for kind in (InequalityChain, OneHot, NullTogether, Implication, UniqueKey, GroupTotal)
}
_RESOLUTION_OF_TYPE = {"date": "D", "datetime": "s", "yearmonth": "M"}
_USUAL_PRECISION = 2


def schema_from_json(document: Json) -> Schema:
    """Read a Table Schema v2 document, with or without the `dpsynth` extension.

    Raises:
        SchemaError: The document contradicts itself or asks for what is not supported.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("fields"), list):
        raise SchemaError('Expected a Table Schema document: a JSON object with a list "fields".')
    extension = _object(document.get(EXTENSION, {}), EXTENSION)
    _known_keys(extension, {"version", "name", "unit", "constraints", "rules"}, EXTENSION)
    if extension.get("version", VERSION) != VERSION:
        raise SchemaError(
            f"Expected version {VERSION} of the {EXTENSION} extension, got {extension['version']!r}. "
            "Update dpsynth."
        )
    keys = document.get("primaryKey")
    key = keys[0] if isinstance(keys, list) and len(keys) == 1 else keys
    return Schema(
        columns=_columns(document["fields"], key),
        unit=_unit(_object(extension.get("unit", {}), "unit")),
        missing_values=_missing_values(document.get("missingValues", [""]), "the table"),
        name=str(extension.get("name") or document.get("name") or "table"),
        title=str(document.get("title", "")),
        description=str(document.get("description", "")),
        constraints=_constraints(extension.get("constraints", [])),
        rules=_rules(extension.get("rules", [])),
    )


def _columns(fields: Sequence[object], key: object) -> tuple[Column, ...]:
    """All columns, or one error that tells of every field that is wrong."""
    columns, problems = [], []
    for field in fields:
        try:
            columns.append(_column(_object(field, "every field"), key))
        except SchemaError as error:
            problems.append(str(error))
    if problems:
        raise SchemaError("\n".join(problems))
    return tuple(columns)


def _constraints(given: object) -> tuple[Constraint, ...]:
    if not isinstance(given, list):
        raise SchemaError(f"Expected constraints in {EXTENSION} to be a list, got {given!r}.")
    return tuple(_constraint(_object(constraint, "every constraint")) for constraint in given)


def _constraint(given: Json) -> Constraint:
    kinds = (ImpossibleCombinations, FunctionalDependency)
    kind = next((kind for kind in kinds if kind.kind == given.get("kind")), None)
    if kind is None:
        known = [kind.kind for kind in kinds]
        raise SchemaError(f"Expected a constraint of a kind in {known}, got {given.get('kind')!r}.")
    required = {"columns"} if kind is ImpossibleCombinations else {"determinants", "dependent", "mapping"}
    optional = {"combinations", "allowed"} if kind is ImpossibleCombinations else {"default"}
    _known_keys(given, required | optional | {"kind", "description"}, "a constraint")
    lacking = sorted(required - set(given))
    if lacking:
        raise SchemaError(f"A constraint of the kind {kind.kind} lacks the keys {lacking}.")
    arguments: Arguments = {key: _entry(given[key]) for key in required | optional if key in given}
    return kind(description=str(given.get("description", "")), **arguments)


def _rules(given: object) -> tuple[RowRule, ...]:
    if not isinstance(given, list):
        raise SchemaError(f"Expected rules in {EXTENSION} to be a list, got {given!r}.")
    return tuple(_rule(_object(rule, "every rule")) for rule in given)


def _rule(given: Json) -> RowRule:
    kind = _RULES.get(str(given.get("kind")))
    if kind is None:
        raise SchemaError(f"Expected a rule of a kind in {list(_RULES)}, got {given.get('kind')!r}.")
    known = {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(kind)}
    _known_keys(given, {"kind", *known}, f"the rule {kind.kind}")
    lacking = [name for name, needed in known.items() if needed and name not in given]
    if lacking:
        raise SchemaError(f"A rule {kind.kind} lacks the keys {lacking}.")
    rule: RowRule = kind(**{name: value for name, value in given.items() if name != "kind"})
    return rule


def _entry(written: Any) -> Any:
    """Lists stay lists at every depth; objects are ranges, or any code."""
    if isinstance(written, list):
        return [_entry(item) for item in written]
    if not isinstance(written, Mapping):
        return written
    if dict(written) == {"any": True}:
        return ...
    if not written or not set(written) <= {"from", "to"}:
        raise SchemaError(
            f'Expected {{"from": ..., "to": ...}} or {{"any": true}} in a constraint, got {written!r}.'
        )
    return (written.get("from"), written.get("to"))


def _object(value: object, what: str) -> Json:
    if not isinstance(value, Mapping):
        raise SchemaError(f"Expected {what} to be a JSON object, got {value!r}.")
    return value


def _known_keys(given: Json, known: set[str], what: str) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise SchemaError(f"Unknown keys {unknown} in {what}. Expected some of {sorted(known)}.")


def _unit(given: Json) -> Unit:
    _known_keys(given, {"relation", "idColumn", "contributions"}, "unit")
    try:
        return Unit(
            relation=given.get("relation", "add_remove"),
            id_column=given.get("idColumn"),
            contributions=given.get("contributions", 1),
        )
    except ConfigurationError as error:
        raise SchemaError(f"The unit of privacy is impossible. {error}") from error


def _missing_values(given: object, what: str) -> tuple[str, ...]:
    if not isinstance(given, list):
        raise SchemaError(f"Expected missingValues of {what} to be a list, got {given!r}.")
    return tuple(str(_value_of(entry)) for entry in given)


def _value_of(entry: Any) -> Any:
    """The standard writes categories and missing values as `value` or as `{value, label}`."""
    return entry.get("value") if isinstance(entry, Mapping) else entry


def _column(field: Json, key: object) -> Column:
    name = field.get("name")
    if not isinstance(name, str) or not name:
        raise SchemaError(f"Expected every field to have a name, got {name!r}.")
    extension = _object(field.get(EXTENSION, {}), f"{EXTENSION} of column {name!r}")
    constraints = _object(field.get("constraints", {}), f"constraints of column {name!r}")
    kind = _KINDS[_kind(field, extension, constraints, is_key=name == key)]
    attributes = extension_keys(kind)
    _known_keys(extension, {"kind", *attributes}, f"{EXTENSION} of column {name!r}")
    arguments: Arguments = {attributes[k]: value for k, value in extension.items() if k in attributes}
    if kind is Categorical:
        arguments = _categories(field, constraints) | arguments
    elif kind is Boolean:
        words = {"true_values": field.get("trueValues"), "false_values": field.get("falseValues")}
        arguments |= {argument: value for argument, value in words.items() if value is not None}
    elif kind is Datetime:
        arguments = _moments(field, constraints) | arguments
    elif kind is Formula:
        arguments = _bounds(field, constraints) | arguments
    elif kind in (Integer, Real):
        arguments = _numbers(field, constraints, kind) | arguments
    if "missingValues" in field:
        arguments["missing_values"] = _missing_values(field["missingValues"], f"column {name!r}")
    arguments |= {key: str(field[key]) for key in ("title", "description") if key in field}
    return kind(name=name, required=bool(constraints.get("required", False)), **arguments)


def _kind(field: Json, extension: Json, constraints: Json, *, is_key: bool) -> str:
    """The kind that the extension names, or the one that the type and its constraints mean."""
    if "kind" in extension:
        if extension["kind"] not in list(_KINDS):
            raise SchemaError(
                f"Column {field['name']!r}: expected kind to be one of {list(_KINDS)}, "
                f"got {extension['kind']!r}."
            )
        return str(extension["kind"])
    type_name = field.get("type", "any")
    if type_name not in list(_KIND_OF_TYPE):
        raise SchemaError(
            f"Column {field['name']!r}: the type {type_name!r} cannot be modelled. Expected one of "
            f'{list(_KIND_OF_TYPE)}; to leave the column out, add "{EXTENSION}": {{"kind": "text"}}.'
        )
    if is_key or constraints.get("unique"):
        return "identifier"
    if ("categories" in field or "enum" in constraints) and type_name != "boolean":
        return "categorical"
    return _KIND_OF_TYPE[type_name]


def _categories(field: Json, constraints: Json) -> Arguments:
    given = field.get("categories", constraints.get("enum"))
    if given is None:
        return {}
    if not isinstance(given, list):
        raise SchemaError(
            f"Column {field['name']!r}: expected categories or enum to be a list, got {given!r}."
        )
    entries = [entry for entry in given if entry is not None]
    arguments: Arguments = {
        "categories": tuple(_value_of(entry) for entry in entries),
        "ordered": bool(field.get("categoriesOrdered", False)),
    }
    if any(isinstance(entry, Mapping) and "label" in entry for entry in entries):
        labels = (entry.get("label") if isinstance(entry, Mapping) else None for entry in entries)
        pairs = zip(arguments["categories"], labels, strict=True)
        arguments["labels"] = tuple(str(value if label is None else label) for value, label in pairs)
    return arguments


def _numbers(field: Json, constraints: Json, kind: type[Column]) -> Arguments:
    name = field["name"]
    if field.get("decimalChar", ".") != "." or field.get("groupChar") or not field.get("bareNumber", True):
        raise SchemaError(
            f"Column {name!r}: numbers with a decimalChar, groupChar or currency are not read. "
            "Convert the column to plain numbers."
        )
    bounds = {key: _number(name, constraints[key]) for key in ("minimum", "maximum") if key in constraints}
    for key, bound, inward in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        if key in constraints:
            if kind is not Integer:
                raise SchemaError(f"Column {name!r}: {key} is for integers; give {bound} instead.")
            bounds[bound] = _number(name, constraints[key]) + inward
    if kind is Integer:
        return {key: int(bound) if bound == int(bound) else bound for key, bound in bounds.items()}
    decimals = [-int(Decimal(repr(bound)).as_tuple().exponent) for bound in bounds.values()]
    return bounds | {"precision": max([_USUAL_PRECISION, *decimals])}


def _bounds(field: Json, constraints: Json) -> Arguments:
    keys = [key for key in ("minimum", "maximum") if key in constraints]
    if "expression" not in _object(field[EXTENSION], EXTENSION):
        raise SchemaError(f"Column {field['name']!r}: a formula needs an expression.")
    if _object(field[EXTENSION], EXTENSION).get("result", "number") != "number":
        return {key: constraints[key] for key in keys}
    return {key: _number(field["name"], constraints[key]) for key in keys}


def _number(name: str, value: object) -> int | float:
    """A bound of a number, which the standard also allows as text."""
    number = number_of(value.strip()) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not abs(number) < float("inf"):
        raise SchemaError(f"Column {name!r}: expected a finite number as minimum or maximum, got {value!r}.")
    return number


def _moments(field: Json, constraints: Json) -> Arguments:
    type_name = str(field.get("type", "datetime"))
    pattern = field.get("format")
    pattern = None if pattern in ("default", "any") else pattern
    bounds = {key: constraints[key] for key in ("minimum", "maximum") if key in constraints}
    if pattern is not None and EXTENSION not in field:  # our own documents keep bounds in ISO 8601
        bounds = {key: _iso(bound, pattern) for key, bound in bounds.items()}
    return bounds | {
        "format": pattern,
        "temporal": "datetime" if type_name == "datetime" else "date",
        "resolution": _RESOLUTION_OF_TYPE.get(type_name, "s"),
    }


def _iso(bound: object, pattern: str) -> object:
    """A bound in ISO 8601 if it is written in the pattern of the column."""
    seconds = seconds_of(bound, pattern) if isinstance(bound, str) else float("inf")
    if seconds == float("inf"):
        return bound
    return str(np.datetime64(int(seconds), "s"))
