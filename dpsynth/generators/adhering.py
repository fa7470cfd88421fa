"""Tables that meet every rule of their schema: repaired where that is natural, else drawn again.

Rows of a model that break a rule are drawn again in rounds, so that what is kept has the law of the model
given the rules. The number of rounds is bounded: a rule that the model hardly ever meets ends in an error
that names it, and never in a table that is too short. All of it is post-processing and costs nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dpsynth.errors import RulesError
from dpsynth.generators.completing import completed_frame
from dpsynth.generators.repairs import repaired
from dpsynth.generators.totals import with_totals
from dpsynth.schema.column import ModelledColumn
from dpsynth.schema.decode import decode_table, regenerate
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.formula_values import with_formulas
from dpsynth.schema.group_totals import group_totals
from dpsynth.schema.row_checks import violations
from dpsynth.schema.row_values import formulas, read_columns
from dpsynth.schema.schema import Schema

if TYPE_CHECKING:
    from dpsynth.generators.base import Model

__all__ = ["MOST_ROUNDS", "Acceptance", "adhering_completion", "adhering_table"]

MOST_ROUNDS = 50
"""After so many rounds a table that is not full is given up."""

_LEAST_DRAWN, _MOST_FACTOR = 256, 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """How a table came to meet the rules of its schema. Public, as the rows are.

    Attributes:
        rate: The share of drawn rows that met all rules, after repair.
        drawn: How many rows were drawn.
        repaired: How many of them were changed beyond the cells that the model gave them.
        rounds: How many times rows were drawn.
        broken: For each rule the share of drawn rows that broke it before any repair; totals are met by the
            whole table and have none.
        moved: How many rows of the table had numbers moved so that groups meet their totals.
    """

    rate: float
    drawn: int
    repaired: int
    rounds: int
    broken: Mapping[str, float]
    moved: int = 0

    def in_words(self) -> str:
        """One plain sentence."""
        return (
            f"All rows meet the rules of the schema: {self.rate:.1%} of {self.drawn} drawn rows were kept, "
            f"{self.repaired} of those drawn were repaired."
            + (f" Numbers of {self.moved} rows were moved to meet totals." if self.moved else "")
        )


def adhering_table(
    model: Model, rows: int, rng: np.random.Generator, given: Mapping[str, Any]
) -> tuple[pd.DataFrame, Acceptance | None]:
    """A table of `rows` rows that meet every rule, and how it came about (None if there are no rules).

    Raises:
        RulesError: Too few rows meet the rules; the message names the one that most rows break.
    """
    schema = model.schema
    if not schema.rules and not formulas(schema):
        return decode_table(schema, model.sample_codes(rows, rng, given or None), rows, rng), None
    fixed = {*given, *(name for constraint in schema.constraints for name in constraint.columns)}
    found = _Found(schema, rows)
    wanted = rows
    while found.wants(MOST_ROUNDS):
        codes = model.sample_codes(wanted, rng, given or None)
        frame = decode_table(schema, codes, wanted, rng)
        before = violations(schema, frame, totals=False)
        changed = np.zeros(wanted, dtype=bool)
        if any(broken.any() for broken in before.values()):
            frame, changed = repaired(schema, frame, codes, rng, fixed)
            frame = with_formulas(schema, frame)
        found.add(frame, before, changed)
        wanted = found.next_round()
    table, moved = with_totals(schema, found.frame(), in_cells=fixed)
    return _checked(schema, table), found.acceptance(moved)


def _checked(schema: Schema, table: pd.DataFrame) -> pd.DataFrame:
    """The table, checked once more as it is handed out."""
    wrong = [text for text, broken in violations(schema, table).items() if broken.any()]
    if wrong:
        raise RulesError(f"The table breaks the rules {wrong} after it was written. Report this.")
    return table


def adhering_completion(model: Model, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The rows of `frame`, completed so that they meet every rule; what is given is never changed.

    Raises:
        RulesError: Nothing that was drawn makes some rows meet a rule, which the message names.
    """
    schema = model.schema
    made = completed_frame(model, frame, rng)
    if not schema.rules and not formulas(schema):
        return made
    given = {column.name: frame[column.name] for column in formulas(schema) if column.name in frame}

    def computed(table: pd.DataFrame) -> pd.DataFrame:
        return with_formulas(schema, table).assign(**given)

    seen: Counter[str] = Counter()
    for round_ in range(MOST_ROUNDS):
        made = computed(made)
        found = violations(schema, made, totals=False)
        seen.update({text: int(broken.sum()) for text, broken in found.items()})
        bad = np.any([np.zeros(len(made), dtype=bool), *found.values()], axis=0)
        if not bad.any():
            held = {name: ~gaps for name, gaps in _gaps(schema, frame).items()}
            bound = {name for constraint in schema.constraints for name in constraint.columns}
            made, _ = with_totals(schema, made, in_cells=bound, held=held, computed=computed)
            return _checked(schema, made)
        if round_ < MOST_ROUNDS - 1:
            rows = np.flatnonzero(bad)
            drawn = completed_frame(model, frame.iloc[rows], rng)
            for name in drawn:
                column = made[name].copy()
                column.iloc[rows] = drawn[name].to_numpy()
                made[name] = column
    raise RulesError(
        f"In {MOST_ROUNDS} rounds nothing was drawn that makes all rows meet all rules. The rule "
        f"{seen.most_common(1)[0][0]!r} was broken most often. Empty the values that contradict it, or take "
        "the rule out."
    )


def _gaps(schema: Schema, frame: pd.DataFrame) -> dict[str, np.ndarray[Any, Any]]:
    """Where a frame leaves open a number that is added up."""
    names = [rule.column for rule in group_totals(schema) if rule.column in frame]
    return {name: values.gaps for name, values in read_columns(schema, frame, names).items()}


class _Found:
    """The rows so far that meet all rules, and what was seen on the way."""

    def __init__(self, schema: Schema, rows: int) -> None:
        self._schema, self._rows = schema, rows
        self._kept: pd.DataFrame | None = None
        self._rounds = self._drawn = self._passed = self._repaired = 0
        self._before: dict[str, int] = {}
        self._after: dict[str, int] = {}

    def wants(self, most: int) -> bool:
        """Whether rows lack and may be drawn; the first round is drawn in any case."""
        return self._kept is None or (len(self._kept) < self._rows and self._rounds < most)

    def add(self, frame: pd.DataFrame, before: Mapping[str, Any], changed: np.ndarray[Any, Any]) -> None:
        """Keep the rows that meet all rules, those about pairs of rows included."""
        known = 0 if self._kept is None else len(self._kept)
        joined = (
            frame if self._kept is None or not known else pd.concat([self._kept, frame], ignore_index=True)
        )
        bad = np.zeros(len(joined), dtype=bool)
        for text, broken in violations(self._schema, joined, totals=False).items():
            self._after[text] = self._after.get(text, 0) + int(broken.sum())
            self._before[text] = self._before.get(text, 0) + int(before[text].sum())
            bad |= broken
        self._kept = joined[~bad].reset_index(drop=True)
        self._passed += len(self._kept) - known
        self._rounds, self._drawn = self._rounds + 1, self._drawn + len(frame)
        self._repaired += int(changed.sum())

    def next_round(self) -> int:
        """Enough for the rows that lack, by the rate so far, within a bound."""
        lack = self._rows - (0 if self._kept is None else len(self._kept))
        rate = max(self._passed, 0.5) / max(self._drawn, 1)
        return min(max(math.ceil(1.1 * lack / rate), _LEAST_DRAWN), _MOST_FACTOR * max(self._rows, 1_000))

    def frame(self) -> pd.DataFrame:
        """The table, as long as it was asked to be.

        Raises:
            RulesError: It is not full.
        """
        kept = self._kept if self._kept is not None else pd.DataFrame()
        if len(kept) < self._rows:
            raise self._too_few(len(kept))
        table = kept.iloc[: self._rows].reset_index(drop=True)
        for column in self._schema.columns:  # surrogates of several rounds would repeat
            if column.name in table and not isinstance(column, (ModelledColumn, Formula)):
                table[column.name] = regenerate(column, self._rows)
        return table

    def acceptance(self, moved: int) -> Acceptance:
        """What was seen on the way."""
        return Acceptance(
            rate=self._passed / self._drawn if self._drawn else 1.0,
            drawn=self._drawn,
            repaired=self._repaired,
            rounds=self._rounds,
            broken={text: count / max(self._drawn, 1) for text, count in self._before.items()},
            moved=moved,
        )

    def _too_few(self, kept: int) -> RulesError:
        rule, count = max(self._after.items(), key=lambda item: item[1])
        return RulesError(
            f"Only {kept} of {self._rows} rows that meet all rules were found in {self._rounds} rounds of "
            f"{self._drawn} rows together. The rule {rule!r} was broken most often, by {count} of them after "
            "repair. Ask for fewer rows, loosen the rule or what is given, or hold it in the model: see "
            "`as_structural_zeros`."
        )
