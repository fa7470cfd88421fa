"""A schema as a Table Schema v2 document (https://datapackage.org/standard/table-schema/).

Everything that the standard can say is said in its words; what it cannot say, such as where a bound
comes from, stands under the one key `dpsynth` of a field or of the document.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from dpsynth.schema.column import Column
from dpsynth.schema.columns import Boolean, Categorical, Identifier
from dpsynth.schema.constraints import Combination, Constraint, Entry, ImpossibleCombinations
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.numeric import Datetime, NumericColumn, Real
from dpsynth.schema.row_rules import RowRule
from dpsynth.schema.schema import Schema

__all__ = ["EXTENSION", "VERSION", "extension_keys", "schema_to_json"]

EXTENSION = "dpsynth"
VERSION = 1

Json = dict[str, Any]

_PROFILE = "https://datapackage.org/profiles/2.0/tableschema.json"
_EXTENDED = (
    "origin",
    "out_of_domain",
    "other_label",
    "labels",
    "ordered",
    "cells",
    "edges",
    "step",
    "precision",
    "resolution",
    "pattern",
    "rule",
    "filler",
    "expression",
    "result",
)
_FORMULA_KEYS = {  # what says nothing about a result is not written
    "number": ("origin", "outOfDomain", "precision", "expression"),
    "date": ("origin", "outOfDomain", "resolution", "expression", "result"),
    "truth": ("origin", "outOfDomain", "expression", "result"),
}
_TYPE_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def extension_keys(kind: type[Column]) -> dict[str, str]:
    """For a kind of column, the keys of its extension and the attributes that they set."""
    own = {field.name for field in fields(kind)}
    return {_camel(name): name for name in _EXTENDED if name in own}


def schema_to_json(schema: Schema) -> Json:
    """The document of `schema`."""
    unit: Json = {"relation": schema.unit.relation}
    if schema.unit.id_column is not None:
        unit |= {"idColumn": schema.unit.id_column, "contributions": schema.unit.contributions}
    described = {"title": schema.title, "description": schema.description}
    extension: Json = {"version": VERSION, "name": schema.name, "unit": unit}
    if schema.constraints:
        extension["constraints"] = [_constraint(constraint) for constraint in schema.constraints]
    if schema.rules:
        extension["rules"] = [_rule(rule) for rule in schema.rules]
    return {
        "$schema": _PROFILE,
        **{key: text for key, text in described.items() if text},
        "fields": [_field(column) for column in schema.columns],
        "missingValues": list(schema.missing_values),
        EXTENSION: extension,
    }


def _field(column: Column) -> Json:
    described = {"name": column.name, "title": column.title, "description": column.description}
    field: Json = {key: text for key, text in described.items() if text}
    field |= _standard(column)
    constraints = _constraints(column, has_categories="categories" in field)
    if constraints:
        field["constraints"] = constraints
    if column.missing_values is not None:
        field["missingValues"] = list(column.missing_values)
    said = {"labels", "ordered"} if "categories" in field else set()
    values = {
        k: getattr(column, name) for k, name in extension_keys(type(column)).items() if name not in said
    }
    if isinstance(column, Formula):
        values = {key: v for key, v in values.items() if key in _FORMULA_KEYS[column.result]}
    plain = {key: list(v) if isinstance(v, tuple) else v for key, v in values.items() if v is not None}
    return field | {EXTENSION: {"kind": column.kind} | plain}


def _standard(column: Column) -> Json:
    """The type of the field, and what the standard says about it beside the constraints."""
    if isinstance(column, Categorical):
        return _categories(column)
    if isinstance(column, Boolean):
        values = {"trueValues": list(column.true_values), "falseValues": list(column.false_values)}
        return {"type": "boolean"} | values
    if isinstance(column, Datetime):
        return {"type": column.temporal} | ({"format": column.format} if column.format else {})
    if isinstance(column, NumericColumn):
        return {"type": "number" if isinstance(column, Real) else "integer"}
    if isinstance(column, Formula):
        return {"type": _type_of_result(column)}
    return {"type": "any" if isinstance(column, Identifier) else "string"}


def _type_of_result(column: Formula) -> str:
    if column.result == "truth":
        return "boolean"
    if column.result == "date":
        return "date" if column.resolution in "YMD" else "datetime"
    return "number" if column.precision else "integer"


def _categories(column: Categorical) -> Json:
    if column.categories is None:
        return {"type": "any"}
    kinds = {type(category) for category in column.categories}
    if kinds not in ({str}, {int}):  # the standard gives `categories` to texts and integers only
        return {"type": _TYPE_NAMES[kinds.pop()] if len(kinds) == 1 else "any"}
    categories: list[Any] = list(column.categories)
    if column.labels is not None:
        pairs = zip(categories, column.labels, strict=True)
        categories = [{"value": value, "label": label} for value, label in pairs]
    return {"type": _TYPE_NAMES[kinds.pop()], "categories": categories, "categoriesOrdered": column.ordered}


def _constraints(column: Column, *, has_categories: bool) -> Json:
    constraints: Json = {"required": True} if column.required else {}
    if isinstance(column, Categorical) and column.categories is not None and not has_categories:
        constraints["enum"] = list(column.categories)
    if isinstance(column, (NumericColumn, Formula)):
        bounds = {"minimum": column.minimum, "maximum": column.maximum}
        constraints |= {key: bound for key, bound in bounds.items() if bound is not None}
    return constraints


def _constraint(constraint: Constraint) -> Json:
    described = {"description": constraint.description} if constraint.description else {}
    if isinstance(constraint, ImpossibleCombinations):
        body: Json = {"columns": list(constraint.columns)}
        for key in ("combinations", "allowed"):
            listed = getattr(constraint, key)
            body |= {} if listed is None else {key: [_combination(combination) for combination in listed]}
    else:
        mapping = [[_combination(names), _entry(value)] for names, value in constraint.mapping]
        body = {"determinants": list(constraint.determinants), "dependent": constraint.dependent}
        body |= {"mapping": mapping}
        body |= {} if constraint.default is ... else {"default": _entry(constraint.default)}
    return {"kind": constraint.kind} | described | body


def _rule(rule: RowRule) -> Json:
    """The fields of a rule by their names; what is empty is left out."""
    body = {_camel(field.name): _listed(getattr(rule, field.name)) for field in fields(rule)}
    return {"kind": rule.kind} | {key: value for key, value in body.items() if value not in ("", [], None)}


def _listed(value: Any) -> Any:
    return [_listed(part) for part in value] if isinstance(value, tuple) else value


def _combination(combination: Combination) -> list[Any]:
    return [_entry(entry) for entry in combination]


def _entry(entry: Entry) -> Any:
    """A value, null, a range, a list of these, or any code; lists in an order that no hash decides."""
    if entry is ...:
        return {"any": True}
    if isinstance(entry, frozenset):
        return sorted((_entry(choice) for choice in entry), key=_rank)
    if isinstance(entry, tuple):
        ends = {key: end for key, end in zip(("from", "to"), entry, strict=True) if end is not None}
        return ends or {"from": None}
    return entry


def _rank(written: Any) -> tuple[int, float, str]:
    """Numbers by size, then texts, ranges, and missing at the end."""
    if isinstance(written, (int, float)):
        return (0, float(written), "")
    return (1 if isinstance(written, str) else 3 if written is None else 2, 0.0, str(written))
