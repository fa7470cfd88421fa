"""The schema of a table: its columns, its missing values, and the unit of privacy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dpsynth.errors import SchemaError
from dpsynth.privacy.unit import Unit
from dpsynth.schema.column import Column, ModelledColumn
from dpsynth.schema.columns import Boolean, Categorical, Identifier
from dpsynth.schema.constraint_tables import check_constraints
from dpsynth.schema.constraints import Constraint
from dpsynth.schema.layout import Domain
from dpsynth.schema.row_checks import check_rules
from dpsynth.schema.row_rules import RowRule

__all__ = ["Schema"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """What a table may hold. Public by construction: nothing in it is ever read from the rows.

    Attributes:
        columns: The columns, in order.
        unit: The unit of privacy.
        missing_values: Texts that mean "missing" in every column that does not say otherwise. Blank
            text, NaN, infinite numbers and null are missing in any case.
        name: Name of the table.
        title: A short heading for people.
        description: What the table is about.
        constraints: What codes obey for reasons known beforehand; see `dpsynth.schema.constraints`.
        rules: What values of synthetic rows obey, whatever the method; see `dpsynth.schema.row_rules`.
    """

    columns: tuple[Column, ...]
    unit: Unit = field(default_factory=Unit)
    missing_values: tuple[str, ...] = ("",)
    name: str = "table"
    title: str = ""
    description: str = ""
    constraints: tuple[Constraint, ...] = ()
    rules: tuple[RowRule, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "missing_values", tuple(self.missing_values))
        if not self.columns or not all(isinstance(column, Column) for column in self.columns):
            raise SchemaError("Expected at least one column, and nothing but columns.")
        if not all(isinstance(token, str) for token in self.missing_values):
            raise SchemaError(f"Expected missing_values to be texts, got {self.missing_values!r}.")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise SchemaError(f"Expected distinct column names; these occur more than once: {twice}.")
        if self.unit.id_column is not None and not isinstance(self.column(self.unit.id_column), Identifier):
            raise SchemaError(
                f"Column {self.unit.id_column!r} names the unit of privacy: declare it as an Identifier, "
                f"not as {self.column(self.unit.id_column).kind}."
            )
        for column in self.columns:
            _check_missing_values(column, self.missing_values)
        object.__setattr__(self, "constraints", tuple(self.constraints))
        check_constraints(self)
        object.__setattr__(self, "rules", tuple(self.rules))
        check_rules(self)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column `name`.

        Raises:
            SchemaError: There is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(f"There is no column {name!r}. Expected one of {list(self.names)}.")

    @property
    def modelled(self) -> tuple[ModelledColumn, ...]:
        """The columns that have codes: all but identifiers and text."""
        return tuple(column for column in self.columns if isinstance(column, ModelledColumn))

    @property
    def domain(self) -> Domain:
        """The modelled columns and their sizes.

        Raises:
            SchemaError: Categories or bounds of a column are not known yet.
        """
        return Domain(
            columns=tuple(column.name for column in self.modelled),
            sizes=tuple(column.size for column in self.modelled),
        )

    @property
    def unknown(self) -> tuple[str, ...]:
        """The names of modelled columns whose categories or bounds are not known yet."""
        return tuple(column.name for column in self.modelled if not column.complete)

    @property
    def complete(self) -> bool:
        """Whether every modelled column has its categories or bounds."""
        return not self.unknown

    @property
    def assumed(self) -> tuple[str, ...]:
        """The names of columns that somebody filled in by looking at the data."""
        return tuple(column.name for column in self.columns if column.origin == "assumed")

    def replace_columns(self, columns: Mapping[str, Column]) -> Schema:
        """The schema with some columns, given by name, replaced."""
        for name in columns:
            self.column(name)
        return replace(self, columns=tuple(columns.get(column.name, column) for column in self.columns))

    def to_json(self) -> dict[str, Any]:
        """The schema as a Table Schema v2 document; `from_json` reads it back."""
        from dpsynth.schema.table_schema import schema_to_json

        return schema_to_json(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Schema:
        """Read a Table Schema v2 document, with or without the `dpsynth` extension.

        Raises:
            SchemaError: The document contradicts itself or asks for what is not supported.
        """
        from dpsynth.schema.table_schema import schema_from_json

        return schema_from_json(document)

    def digest(self) -> str:
        """SHA-256 of the canonical JSON: equal digests mean equal schemas."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the JSON document to `path`."""
        Path(path).write_text(
            json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )

    @classmethod
    def load(cls, path: str | Path) -> Schema:
        """Read a JSON document from `path`.

        Raises:
            SchemaError: The file cannot be read, is no JSON, or is no schema.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SchemaError(
                f"Cannot read a schema from {str(path)!r}: expected a JSON document."
            ) from error
        return cls.from_json(document)

    def __str__(self) -> str:
        from dpsynth.schema.describe import describe

        return describe(self)


def _check_missing_values(column: Column, shared: tuple[str, ...]) -> None:
    """A text cannot be both a missing value and a value."""
    if not isinstance(column, (Categorical, Boolean)) or not column.complete:
        return
    tokens = shared if column.missing_values is None else column.missing_values
    values = column.lookup()
    clashes = [token for token in tokens if values.find(token.strip()) is not None]
    if clashes:
        raise SchemaError(
            f"Column {column.name!r}: {clashes} are both missing values and values. "
            "Remove them from one of the two, or give the column its own missing values."
        )
