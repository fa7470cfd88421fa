"""Rows that meet the rules and constraints of a schema, enforced as on the rows of a model.

Blocks of rows are drawn by the rules of the columns, values that follow from others are written from their
tables, small repairs are made (see `repairs`), formulas are computed again, and what still breaks something
is left out. So the table is the beginning of one endless sequence of good rows, which the seed fixes.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError, DataError
from dpsynth.generators.repairs import repaired
from dpsynth.generators.rules.columns import CategoryRule
from dpsynth.generators.rules.derived import DerivedRule, written
from dpsynth.generators.rules.drawing import BLOCK, Block, draw_block
from dpsynth.generators.rules.frames import read_column, series_of
from dpsynth.generators.rules.parts import refuse
from dpsynth.schema.column import ModelledColumn
from dpsynth.schema.columns import Boolean, Categorical
from dpsynth.schema.constraint_tables import allowed_table, dependency_order, determined_codes
from dpsynth.schema.constraints import Constraint, FunctionalDependency
from dpsynth.schema.decode import decode_column
from dpsynth.schema.encode import encode_column
from dpsynth.schema.formulas.evaluation import Values, evaluate, violated
from dpsynth.schema.formulas.facts import Facts
from dpsynth.schema.formulas.syntax import Node, parse
from dpsynth.schema.row_checks import violations
from dpsynth.schema.row_rules import UniqueKey
from dpsynth.schema.row_values import known_facts
from dpsynth.schema.schema import Schema

if TYPE_CHECKING:
    from dpsynth.generators.rules.specification import Rules

__all__ = ["Obedience", "check_obeys", "chosen_rows", "obeying_blocks"]

Array = np.ndarray[Any, Any]

_FIRST_BLOCK = 2**11


def obeying_blocks(
    rules: Rules, conditions: Mapping[str, Node], seed: int, rows: int
) -> tuple[list[dict[str, Values]], float]:
    """So many rows that meet all, in blocks, and the share of drawn rows that did.

    Raises:
        ConfigurationError: Too few do; the message names what is broken most often.
    """
    obedience, found = Obedience(rules), _Found(rules, rows)
    while found.lacking:
        size, block = min(_FIRST_BLOCK * 2 ** len(found.blocks), BLOCK), Block(seed, len(found.blocks), 0)
        drawn = draw_block(rules.columns, rules.facts, rules.correlation, block, size)
        values = obedience.mended(drawn, size, block.stream("repairs"))
        frame = obedience.frame(values)
        asked = {text: violated(node, values, size) for text, node in conditions.items()}
        ruled = obedience.broken(frame)
        nothing = np.zeros(size, dtype=bool)
        good = np.flatnonzero(~np.any([nothing, *asked.values(), *ruled.values()], axis=0))
        fresh, repeats = obedience.without_repeats(found.keys, frame.iloc[good])
        found.add(chosen_rows(values, good[fresh]), frame.iloc[good[fresh]][obedience.key_columns], size)
        for masks in (asked, ruled, repeats):
            found.broken.update({text: int(mask.sum()) for text, mask in masks.items()})
    return found.blocks, found.share


def chosen_rows(values: Mapping[str, Values], places: Array) -> dict[str, Values]:
    """Some rows of all columns."""
    return {
        name: dataclasses.replace(column, data=column.data[places], gaps=column.gaps[places])
        for name, column in values.items()
    }


def check_obeys(rules: Rules) -> None:
    """Refuse a schema to be obeyed that speaks about other values than the rules give.

    Raises:
        ConfigurationError: Names the column.
    """
    schema = _obeyed(rules)
    given = {rule.name: rule for rule in rules.columns}
    dependents = {c.dependent for c in schema.constraints if isinstance(c, FunctionalDependency)}
    known = known_facts(schema)
    for column in schema.columns:
        name, rule = column.name, given.get(column.name)
        if rule is None or not isinstance(column, ModelledColumn):
            refuse(name, "the schema in `obeys` holds columns that rules give values to, and no others")
        if isinstance(rule, DerivedRule) and name in dependents:
            refuse(name, "it follows from a formula and from a table in `obeys`; remove one of them")
        if not _fits(column, rule, rules.facts[name], known[name]):
            refuse(name, "its rule gives values that its column in `obeys` does not have; change one of them")


def _fits(column: ModelledColumn, rule: object, made: Facts, read: Facts) -> bool:
    if isinstance(column, Boolean):
        return made.kind == "truth"
    if isinstance(column, Categorical):
        labels = {str(category) for category in column.known_categories}
        labels |= set() if column.other_code is None else {column.other_label}
        values = rule.values if isinstance(rule, CategoryRule) else made.texts
        return made.kind in ("text", "number", "truth") and {str(value) for value in values} <= labels
    return made.kind == read.kind and read.low <= made.low and made.high <= read.high


def _obeyed(rules: Rules) -> Schema:
    assert rules.obeys is not None  # noqa: S101 - callers ask first
    return rules.obeys


class Obedience:
    """What a schema asks of rows that rules have drawn, worked out once.

    Attributes:
        key_columns: The columns of all keys.
    """

    def __init__(self, rules: Rules) -> None:
        schema = _obeyed(rules)
        self._facts = rules.facts
        self._rules = [rule for rule in rules.columns if rule.name in schema.names]
        self._derived = [rule for rule in rules.columns if isinstance(rule, DerivedRule)]
        self._schema, self._keys = schema, [rule for rule in schema.rules if isinstance(rule, UniqueKey)]
        self.key_columns = list(dict.fromkeys(name for rule in self._keys for name in rule.columns))
        others = tuple(rule for rule in schema.rules if not isinstance(rule, UniqueKey))
        self._row_by_row = dataclasses.replace(schema, rules=others)
        self._tables = [(c, allowed_table(schema, c)) for c in schema.constraints]
        self._follows = [(d, determined_codes(schema, d)) for d in dependency_order(schema)]

    def mended(self, values: Mapping[str, Values], rows: int, rng: np.random.Generator) -> dict[str, Values]:
        """Rows with what follows from tables and formulas, and with small repairs."""
        frame, computed = self.frame(values), {rule.name for rule in self._derived}
        self._follow(frame, rng)
        drawn = [name for name in self._schema.names if name not in computed]
        codes = {name: self._codes(name, frame) for name in drawn}
        fixed = {dependency.dependent for dependency, _ in self._follows}
        frame, _ = repaired(self._schema, frame, codes, rng, fixed)
        self._follow(frame, rng)
        made = dict(values) | {
            rule.name: read_column(rule, self._facts[rule.name], frame)
            for rule in self._rules
            if rule.name not in computed
        }
        for rule in self._derived:
            found = written(rule, self._facts[rule.name], evaluate(parse(rule.formula, where=""), made, rows))
            lost = values[rule.name].gaps if rule.gaps is not None else False
            made[rule.name] = dataclasses.replace(found, gaps=found.gaps | lost)
        return made

    def frame(self, values: Mapping[str, Values]) -> pd.DataFrame:
        """The columns that the schema speaks about."""
        return pd.DataFrame(
            {
                rule.name: series_of(
                    rule, self._facts[rule.name], values[rule.name].data, values[rule.name].gaps
                )
                for rule in self._rules
            }
        )

    def broken(self, frame: pd.DataFrame) -> dict[str, Array]:
        """Which rows break what is asked of single rows."""
        found: dict[str, Array] = dict(violations(self._row_by_row, frame))
        for constraint, allowed in self._tables:
            codes = tuple(self._codes(name, frame) for name in constraint.columns)
            text = _said(constraint)
            found[text] = found.get(text, False) | ~allowed[codes]
        return found

    def without_repeats(self, before: pd.DataFrame, frame: pd.DataFrame) -> tuple[Array, dict[str, Array]]:
        """The places of rows with no key of earlier ones, and which rows repeat each key."""
        if not self._keys:
            return np.arange(len(frame)), {}
        joined = pd.concat([before, frame[self.key_columns]], ignore_index=True) if len(before) else frame
        masks = self.repeats(joined)
        return np.flatnonzero(~np.any(list(masks.values()), axis=0)[len(before) :]), masks

    def repeats(self, frame: pd.DataFrame) -> dict[str, Array]:
        """Which rows have the key of an earlier one."""
        return dict(violations(dataclasses.replace(self._schema, rules=tuple(self._keys)), frame))

    def _follow(self, frame: pd.DataFrame, rng: np.random.Generator) -> None:
        """Write what follows by tables, where another code is there."""
        for dependency, codes in self._follows:
            name = dependency.dependent
            wanted = codes[tuple(self._codes(base, frame) for base in dependency.determinants)]
            rows = np.flatnonzero(wanted != self._codes(name, frame))
            series = frame[name].copy()
            series.iloc[rows] = decode_column(self._column(name), wanted[rows], rng).to_numpy()
            frame[name] = series

    def _codes(self, name: str, frame: pd.DataFrame) -> Array:
        if name not in frame:
            raise DataError(f"There is no column {name!r}, which a constraint uses.")
        return encode_column(self._column(name), frame[name], self._schema.missing_values)

    def _column(self, name: str) -> ModelledColumn:
        column = self._schema.column(name)
        assert isinstance(column, ModelledColumn)  # noqa: S101 - others are refused with the rules
        return column


def _said(constraint: Constraint) -> str:
    if isinstance(constraint, FunctionalDependency):
        return f"{constraint.dependent} follows from {', '.join(constraint.determinants)}"
    return constraint.description or f"possible combinations of {', '.join(constraint.columns)}"


class _Found:
    """The good rows so far, and what was seen on the way."""

    def __init__(self, rules: Rules, rows: int) -> None:
        self._rules, self._rows = rules, rows
        self._kept = self._drawn = 0
        self.blocks: list[dict[str, Values]] = []
        self.keys = pd.DataFrame()
        self.broken: Counter[str] = Counter()

    @property
    def lacking(self) -> bool:
        """Whether rows lack and may be drawn; the first block is drawn in any case.

        Raises:
            ConfigurationError: Too many were drawn for what was found.
        """
        if self.blocks and self._kept >= self._rows:
            return False
        most = self._rules.rounds * max(self._rows if self._kept else 0, _FIRST_BLOCK)
        if self._drawn < most:
            return True
        worst = self.broken.most_common(1)[0][0]
        raise ConfigurationError(
            f"Only {self._kept} of {self._rows} rows that meet all rules were found among {self._drawn} "
            f"drawn rows; {worst!r} was broken most often. No table was made. Ask for fewer rows, loosen "
            "the rule, choose columns that meet it more often, or raise `rounds`."
        )

    @property
    def share(self) -> float:
        """The share of drawn rows that met all."""
        return self._kept / self._drawn

    def add(self, values: dict[str, Values], keys: pd.DataFrame, drawn: int) -> None:
        """Keep the good rows of a block."""
        self.blocks.append(values)
        self.keys = pd.concat([self.keys, keys], ignore_index=True) if self._kept else keys
        self._kept, self._drawn = self._kept + len(keys), self._drawn + drawn
