"""Rules for a table, as people write them down: columns in order, correlations, constraints."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, DpsynthError
from dpsynth.generators.rules.columns import (
    CategoryRule,
    ColumnRule,
    NumberRule,
)
from dpsynth.generators.rules.correlation import RankCorrelation
from dpsynth.generators.rules.dates import DateRule
from dpsynth.generators.rules.declared import schema_column
from dpsynth.generators.rules.document import FORMAT, fields_from, fields_to, read_document, write_document
from dpsynth.schema.formulas.facts import Facts, facts_of
from dpsynth.schema.formulas.syntax import columns_of, parse
from dpsynth.schema.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

    from dpsynth.generators.rules.simulated import SimulatedTable

__all__ = ["Rules"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """How to make a table from nothing but rules: epsilon = 0, since no data about people is read.

    Attributes:
        columns: Rules of the columns, in order. A rule may use the columns before it.
        name: Name of the table.
        rows: How many rows, if a call does not say.
        correlation: Rank correlations between columns of numbers, dates or ordered categories.
        constraints: Conditions that every row meets, for example `start <= end`. A row that breaks one is
            drawn again. A condition with a missing value counts as met.
        obeys: A schema whose constraints and rules about rows every row meets as well. It holds the columns
            that these speak about. Values that follow by a table are written, and rows are repaired
            or drawn again as those of a model are.
        rounds: How often rows are drawn again at most, before an error says that it is hopeless.
        description: What the table is about.

    Privacy: none is spent. The promise is as good as the rules: write them from public knowledge, and not
        from a look at private rows.
    """

    columns: tuple[ColumnRule, ...]
    name: str = "table"
    rows: int = 1000
    correlation: RankCorrelation | None = None
    constraints: tuple[str, ...] = ()
    obeys: Schema | None = None
    rounds: int = 100
    description: str = ""
    _facts: tuple[tuple[str, Facts], ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "constraints", tuple(self.constraints))
        if not isinstance(self.name, str) or not self.name.strip():
            raise ConfigurationError(f"Expected a name of the table, got {self.name!r}.")
        _validate.count("rows", self.rows, least=0)
        _validate.count("rounds", self.rounds)
        if not self.columns or not all(isinstance(rule, ColumnRule) for rule in self.columns):
            raise ConfigurationError("Expected at least one column, and nothing but rules of columns.")
        names = [rule.name for rule in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigurationError(f"Expected distinct column names; these occur more than once: {twice}.")
        object.__setattr__(self, "_facts", tuple(self._known().items()))
        self._check_correlation()
        for constraint in self.constraints:
            where = f"Constraint {constraint!r}"
            node = parse(constraint, where=where)
            if facts_of(node, self.facts, where=where).kind != "truth" or not [*columns_of(node)]:
                raise ConfigurationError(f"{where}: expected a condition on columns, such as 'start <= end'.")
        if self.obeys is not None:
            from dpsynth.generators.rules.obeying import check_obeys

            check_obeys(self)

    @property
    def facts(self) -> dict[str, Facts]:
        """What is known about each column without any row."""
        return dict(self._facts)

    def sample(self, rows: int | None = None, *, seed: int | None = None) -> pd.DataFrame:
        """Draw a table.

        Args:
            rows: How many rows; None takes the number of the rules.
            seed: Equal seeds give equal rows, also in tables of different lengths: the longer one begins with
                the shorter one. None takes a new seed each time.

        Returns:
            The rows. `frame.attrs["dpsynth"]` holds the statement that no data was read.

        Raises:
            ConfigurationError: Constraints or rules reject too much, or a key has too few digits.
        """
        table = self.simulate(rows, seed=seed)
        frame = table.frame.copy(deep=False)
        frame.attrs["dpsynth"] = table.statement.to_json()
        return frame

    def simulate(self, rows: int | None = None, *, seed: int | None = None) -> SimulatedTable:
        """Like `sample`, with the statement and the share of accepted rows beside the frame."""
        from dpsynth.generators.rules.simulated import simulated

        return simulated(self, self.rows if rows is None else rows, seed)

    def adherence(self, frame: pd.DataFrame) -> dict[str, float]:
        """The share of rows that meets each constraint, formula and rule; 1.0 in every table that we made.

        Args:
            frame: A table with these columns, for example one that was written, edited and read again.

        Raises:
            DataError: A column is lacking or cannot be read as its rule says.
        """
        from dpsynth.generators.rules.adherence import adherence

        return adherence(self, frame)

    def schema(self) -> Schema:
        """The schema of what the rules give: fit any generator to a sample, to rehearse or to tune.

        Constraints and `obeys` are not taken over; texts by pattern or by faker are declared as free text.

        Raises:
            ConfigurationError: A column of numbers or dates without bounds.
        """
        known = self.facts
        columns = tuple(schema_column(rule, known[rule.name]) for rule in self.columns)
        return Schema(name=self.name, description=self.description, columns=columns)

    @classmethod
    def from_schema(cls, schema: Schema, *, missing: float = 0.05) -> Rules:
        """Simple rules for a declared schema: every value as frequent as any other. A start to be edited.

        Samples meet its formulas, constraints and rules about rows. A formula stands after the columns that
        it uses.

        Args:
            schema: All categories and bounds are declared.
            missing: Share of missing values where they are allowed.

        Raises:
            ConfigurationError: Bounds or categories are unknown, or were read or bought from data: then rows
                made from them would not be free of data. Or the schema has a rule of a kind that rules
                cannot meet; the message names it.
        """
        from dpsynth.generators.rules.from_schema import rules_from_schema

        return rules_from_schema(schema, missing=missing)

    def to_json(self) -> dict[str, Any]:
        """The rules as plain JSON values; `from_json` reads them back."""
        fields = {
            "format": FORMAT,
            "name": self.name,
            "description": self.description,
            "rows": self.rows,
            "columns": [fields_to(rule) for rule in self.columns],
            "correlation": None if self.correlation is None else fields_to(self.correlation),
            "constraints": list(self.constraints),
            "obeys": None if self.obeys is None else self.obeys.to_json(),
            "rounds": self.rounds,
        }
        defaults: dict[str, Any] = {
            "description": "",
            "correlation": None,
            "constraints": [],
            "obeys": None,
            "rounds": 100,
        }
        return {key: value for key, value in fields.items() if key not in defaults or value != defaults[key]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Rules:
        """Read a document.

        Raises:
            ConfigurationError: A field is unknown, lacking or impossible; the message names the column.
        """
        known = tuple(item.name for item in dataclasses.fields(cls) if item.init)
        fields = fields_from(document, known=known)
        if "columns" not in fields:
            raise ConfigurationError("The document of rules lacks its columns.")
        return cls(**fields)

    def save(self, path: str | Path) -> None:
        """Write the document: YAML to `.yaml` and `.yml`, else JSON."""
        write_document(path, self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> Rules:
        """Read a document from a JSON or YAML file.

        Raises:
            ConfigurationError: The file cannot be read, or is no such document.
            MissingExtraError: YAML needs the extra `rules`.
        """
        return cls.from_json(read_document(path))

    def digest(self) -> str:
        """SHA-256 of the canonical JSON: equal digests mean equal rules."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def _known(self) -> dict[str, Facts]:
        known: dict[str, Facts] = {}
        obeyed = () if self.obeys is None else self.obeys.columns
        emptied = {column.name for column in obeyed if not column.required}  # perhaps, by a rule or a table
        for rule in self.columns:
            try:
                found = rule.facts(known)
                found = dataclasses.replace(found, gaps=found.gaps or rule.name in emptied)
                schema_column(rule, found, bounded=False)
            except DpsynthError as error:
                if f"Column {rule.name!r}" in str(error):
                    raise
                raise ConfigurationError(f"Column {rule.name!r}: {error}") from error
            known[rule.name] = found
        return known

    def _check_correlation(self) -> None:
        rules = {rule.name: rule for rule in self.columns}
        for name in () if self.correlation is None else self.correlation.columns:
            rule = rules.get(name)
            if rule is None:
                near = difflib.get_close_matches(name, rules, n=3) or list(rules)
                raise ConfigurationError(
                    f"There is no column {name!r} to correlate. Did you mean one of {near}?"
                )
            ordered = isinstance(rule, CategoryRule) and rule.ordered
            ordered = ordered or isinstance(rule, NumberRule | DateRule)
            if not ordered:
                raise ConfigurationError(
                    f"Column {name!r}: only numbers, dates and ordered categories can be correlated, "
                    f"not a rule of kind {rule.kind!r}."
                )
            if getattr(rule, "given", None) is not None:
                raise ConfigurationError(
                    f"Column {name!r}: it has both `given` and a correlation, which contradict each other. "
                    "Remove one of them."
                )
