"""Rules as JSON or YAML: a plain document, in which an unknown field is an error."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from dpsynth import _lazy
from dpsynth.errors import ConfigurationError, SchemaError, StorageError
from dpsynth.generators.rules.columns import (
    CategoryRule,
    ColumnRule,
    FakerRule,
    KeyRule,
    NumberRule,
    TextRule,
)
from dpsynth.generators.rules.correlation import RankCorrelation
from dpsynth.generators.rules.dates import DateRule, DelayRule
from dpsynth.generators.rules.derived import DerivedRule
from dpsynth.generators.rules.distributions import Distribution
from dpsynth.generators.rules.parts import Case, Given, Missing
from dpsynth.schema.schema import Schema

__all__ = ["FORMAT", "fields_from", "fields_to", "read_document", "write_document"]

FORMAT = "dpsynth-rules/1"
_YAML = (".yaml", ".yml")
_KINDS: dict[str, type[ColumnRule]] = {
    rule.kind: rule
    for rule in (CategoryRule, DateRule, DelayRule, DerivedRule, FakerRule, KeyRule, NumberRule, TextRule)
}
T = TypeVar("T")
_LISTS = ("categories", "weights", "values")


def read_document(path: str | Path) -> Mapping[str, Any]:
    """The document in a `.json`, `.yaml` or `.yml` file.

    Raises:
        ConfigurationError: The file cannot be read or is none of these.
        MissingExtraError: YAML needs the package pyyaml.
    """
    target = Path(path)
    try:
        text = target.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"Cannot read rules from {str(path)!r}: expected a JSON or YAML file."
        ) from error
    if target.suffix in _YAML:
        yaml = _lazy.require("yaml", extra="rules")
        try:
            document = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise ConfigurationError(f"{str(path)!r} is no YAML document: {error}.") from error
    else:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{str(path)!r} is no JSON document: {error}.") from error
    return _mapping(document, f"The document {str(path)!r}")


def write_document(path: str | Path, document: Mapping[str, Any]) -> None:
    """Write a document as its suffix says.

    Raises:
        StorageError: The file cannot be written.
        MissingExtraError: YAML needs the package pyyaml.
    """
    target = Path(path)
    if target.suffix in _YAML:
        yaml = _lazy.require("yaml", extra="rules")
        text = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)
    else:
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"Cannot write {str(path)!r}: {error.strerror or error}.") from error


def fields_to(value: Any) -> Any:
    """A rule, or a part of one, as plain JSON values; fields that have their default are left out."""
    if isinstance(value, Distribution):
        return {"name": value.name, **dict(value.parameters)}
    if isinstance(value, Missing) and value.when is None:
        return value.share
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {"name": value.name, "kind": value.kind} if isinstance(value, ColumnRule) else {}
        return {**named, **_changed(value)}
    if isinstance(value, tuple):
        return [fields_to(item) for item in value]
    return value


def _changed(value: Any) -> dict[str, Any]:
    fields = [field for field in dataclasses.fields(value) if getattr(value, field.name) != field.default]
    return {
        field.name: dict(getattr(value, field.name))
        if field.name == "parameters"
        else fields_to(getattr(value, field.name))
        for field in fields
        if field.name != "name" or not isinstance(value, ColumnRule)
    }


def fields_from(document: Mapping[str, Any], *, known: tuple[str, ...]) -> dict[str, Any]:
    """The arguments of `Rules` that a document holds.

    Raises:
        ConfigurationError: A field is unknown or of another form; the message names the column.
    """
    fields = dict(_mapping(document, "The document of rules"))
    format_ = fields.pop("format", FORMAT)
    if format_ != FORMAT:
        raise ConfigurationError(
            f"Expected the format {FORMAT!r}, got {format_!r}; this version reads no other."
        )
    _refuse_unknown("The document of rules", fields, known)
    if "columns" in fields:
        fields["columns"] = tuple(_column(item) for item in _list(fields["columns"], "columns"))
    if fields.get("correlation") is not None:
        fields["correlation"] = _made(RankCorrelation, fields["correlation"], "correlation")
    if fields.get("obeys") is not None:
        fields["obeys"] = _schema(fields["obeys"])
    if "constraints" in fields:
        fields["constraints"] = tuple(_list(fields["constraints"], "constraints"))
    return fields


def _schema(item: Any) -> Schema:
    try:
        return Schema.from_json(_mapping(item, "obeys"))
    except SchemaError as error:
        raise ConfigurationError(f"obeys: {error}") from error


def _column(item: Any) -> ColumnRule:
    fields = dict(_mapping(item, "Every column"))
    name, kind = fields.get("name"), fields.pop("kind", None)
    where = f"Column {name!r}"
    if kind not in _KINDS:
        raise ConfigurationError(f"{where}: expected kind to be one of {sorted(_KINDS)}, got {kind!r}.")
    for field in ("distribution", "days"):
        if fields.get(field) is not None:
            fields[field] = _distribution(fields[field], f"{where}: {field}")
    if fields.get("given") is not None:
        fields["given"] = _given(fields["given"], f"{where}: given")
    if isinstance(fields.get("missing"), Mapping):
        fields["missing"] = _made(Missing, fields["missing"], f"{where}: missing")
    for field in ("minimum", "maximum"):
        if isinstance(fields.get(field), dt.date):  # YAML reads dates
            fields[field] = fields[field].isoformat()
    return _made(_KINDS[kind], fields, where)


def _distribution(item: Any, where: str) -> Distribution:
    fields = dict(_mapping(item, where))
    return _made(Distribution, {"name": fields.pop("name", None), "parameters": fields}, where)


def _given(item: Any, where: str) -> Given:
    fields = dict(_mapping(item, where))
    if "cases" in fields:
        fields["cases"] = tuple(
            _made(Case, case, f"{where}: cases") for case in _list(fields["cases"], where)
        )
    return _made(Given, fields, where)


def _made(made: type[T], fields: Any, where: str) -> T:
    """An object of these fields; lists become tuples."""
    fields, slots = dict(_mapping(fields, where)), dataclasses.fields(made)  # type: ignore[arg-type]
    _refuse_unknown(where, fields, tuple(slot.name for slot in slots))
    for field in _LISTS:
        if isinstance(fields.get(field), list):
            fields[field] = tuple(fields[field])
    try:
        return made(**fields)
    except TypeError as error:
        needed = [s.name for s in slots if s.default is dataclasses.MISSING and s.name not in fields]
        wrong = f"it lacks {needed}" if needed else "a field has a value of another type than it needs"
        raise ConfigurationError(f"{where}: {wrong}.") from error
    except ConfigurationError as error:
        if where in str(error):
            raise
        raise ConfigurationError(f"{where}: {error}") from error


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(f"{where}: expected fields with names, got {type(value).__name__}.")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{where}: expected a list, got {type(value).__name__}.")
    return list(value)


def _refuse_unknown(where: str, fields: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for field in fields:
        if field not in known:
            near = difflib.get_close_matches(field, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {list(known)}"
            raise ConfigurationError(f"{where}: there is no field {field!r}; {hint}")
