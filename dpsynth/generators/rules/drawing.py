"""Draws columns of values, block by block.

Each column of each block of rows has its own stream of uniform numbers, found from the seed, the name of
the column, the number of the block and the round of redrawing. So a table depends on the seed alone: more
rows begin with the same rows, and another column changes nothing in those that do not use it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dpsynth import _lazy
from dpsynth.errors import ConfigurationError
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
from dpsynth.generators.rules.derived import DerivedRule, written
from dpsynth.generators.rules.parts import cases_of
from dpsynth.generators.rules.patterns import choices_of, texts_by
from dpsynth.schema.formulas.evaluation import Values, evaluate, floor_to, holds
from dpsynth.schema.formulas.facts import Facts
from dpsynth.schema.formulas.syntax import parse

__all__ = ["BLOCK", "Block", "draw_block"]

BLOCK = 2**16
"""Rows that are drawn together."""

Array = np.ndarray[Any, Any]
_DAY = 86_400.0


class Block:
    """Where a block of draws gets its randomness from."""

    def __init__(self, seed: int, number: int, attempt: int) -> None:
        self._seed = seed
        self._place = (number, attempt)

    def stream(self, purpose: str) -> np.random.Generator:
        """The stream of one purpose, for example of one column."""
        return np.random.Generator(np.random.PCG64(self._sequence(purpose)))

    def seed_of(self, purpose: str) -> int:
        """A whole number for a generator that is not numpy's."""
        return int.from_bytes(self._sequence(purpose).generate_state(2, np.uint64).tobytes(), "little")

    def _sequence(self, purpose: str) -> np.random.SeedSequence:
        words = np.frombuffer(hashlib.sha256(purpose.encode()).digest(), dtype="<u4")[:4]
        return np.random.SeedSequence(self._seed, spawn_key=(*self._place, *(int(word) for word in words)))


def draw_block(
    columns: tuple[ColumnRule, ...],
    facts: Mapping[str, Facts],
    correlation: RankCorrelation | None,
    block: Block,
    rows: int,
) -> dict[str, Values]:
    """So many rows of all columns, one after the other, without regard to constraints."""
    correlated = {} if correlation is None else correlation.uniforms(rows, block.stream("correlation"))
    so_far = _SoFar(facts=facts, block=block, rows=rows, correlated=correlated)
    for rule in columns:
        if not isinstance(rule, KeyRule):
            found = _DRAW[type(rule)](rule, so_far)
            so_far.drawn[rule.name] = _with_gaps(rule, found, so_far)
    return so_far.drawn


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _SoFar:
    """A block while its columns are drawn one after the other."""

    facts: Mapping[str, Facts]
    block: Block
    rows: int
    correlated: Mapping[str, Array]
    drawn: dict[str, Values] = field(default_factory=dict)

    def uniforms(self, name: str) -> Array:
        if name in self.correlated:
            return self.correlated[name]
        return self.block.stream(f"column: {name}").random(self.rows)

    @property
    def no_gaps(self) -> Array:
        return np.zeros(self.rows, dtype=bool)


def _with_gaps(rule: ColumnRule, found: Values, so_far: _SoFar) -> Values:
    gaps = rule.gaps
    if gaps is None:
        return found
    share: Array | float = gaps.share
    if gaps.when is not None:
        known = {**so_far.drawn, rule.name: found}
        chosen = holds(parse(gaps.when, where=rule.name), known, so_far.rows)
        share = np.where(chosen, gaps.share, gaps.otherwise)
    lost = so_far.block.stream(f"missing: {rule.name}").random(so_far.rows) < share
    return Values(kind=found.kind, data=found.data, gaps=found.gaps | lost, texts=found.texts)


def _number(rule: NumberRule, so_far: _SoFar) -> Values:
    uniforms = so_far.uniforms(rule.name)
    own = so_far.facts[rule.name]
    origin = 0.0 if rule.minimum is None else float(np.rint(rule.minimum * rule.scale))
    laws = rule.distributions()
    if laws:
        exact = (
            _by_case(laws, cases_of(rule.given, so_far.drawn, so_far.rows), uniforms, *rule.bounds)
            * rule.scale
        )
        if not np.isfinite(exact).all():
            raise ConfigurationError(
                f"Column {rule.name!r}: scipy cannot invert its distribution everywhere. "
                "Give it a minimum and a maximum, or take another one."
            )
        units = origin + rule.stride * np.rint((exact - origin) / rule.stride)
        low, high = (np.rint(end * rule.scale) if math.isfinite(end) else end for end in (own.low, own.high))
        units = np.clip(units, low, high)
    else:
        points = (np.rint(own.high * rule.scale) - origin) // rule.stride + 1
        units = origin + rule.stride * np.minimum(np.floor(uniforms * points), points - 1)
    return Values(kind="number", data=units / rule.scale + 0.0, gaps=so_far.no_gaps)


def _by_case(laws: tuple[Any, ...], cases: Array, uniforms: Array, low: float, high: float) -> Array:
    if len(laws) == 1:
        return np.asarray(laws[0].quantiles(uniforms, low, high))
    found = np.empty(len(uniforms))
    for case in np.unique(cases):  # -1, the default, is the last one
        rows = cases == case
        found[rows] = laws[case].quantiles(uniforms[rows], low, high)
    return found


def _category(rule: CategoryRule, so_far: _SoFar) -> Values:
    uniforms = so_far.uniforms(rule.name)
    cases = cases_of(rule.given, so_far.drawn, so_far.rows)
    tables = [np.cumsum(table) / np.cumsum(table)[-1] for table in rule.tables()]
    codes = np.empty(so_far.rows, dtype=np.int64)
    for case in np.unique(cases):
        chosen = cases == case
        codes[chosen] = np.searchsorted(tables[case], uniforms[chosen], side="right")
    kind = so_far.facts[rule.name].kind
    if kind == "text":
        return Values(kind="text", data=codes, gaps=so_far.no_gaps, texts=rule.values)
    values = np.array(rule.values, dtype=bool if kind == "truth" else np.float64)
    return Values(kind=kind, data=values[codes], gaps=so_far.no_gaps)


def _date(rule: DateRule, so_far: _SoFar) -> Values:
    uniforms = so_far.uniforms(rule.name)
    column = rule.column()
    days = rule.days() if rule.business_days else None
    points = column.lattice.points if days is None else len(days)
    index = np.minimum((uniforms * points).astype(np.int64), points - 1)
    moments = column.values_at(index) if days is None else days[index].astype("datetime64[s]")
    return Values(kind="date", data=moments.astype(np.int64).astype(np.float64), gaps=so_far.no_gaps)


def _delay(rule: DelayRule, so_far: _SoFar) -> Values:
    uniforms = so_far.uniforms(rule.name)
    start = so_far.drawn[rule.start]
    days = _by_case(
        rule.distributions(), cases_of(rule.given, so_far.drawn, so_far.rows), uniforms, *rule.bounds
    )
    if rule.business_days:
        firsts = start.data.astype(np.int64).astype("datetime64[s]").astype("datetime64[D]")
        moved = np.busday_offset(firsts, np.floor(days).astype(np.int64), roll="forward")
        seconds = moved.astype("datetime64[s]").astype(np.int64).astype(np.float64)
    else:
        seconds = floor_to(start.data + days * _DAY, so_far.facts[rule.name].resolution)
    return Values(kind="date", data=seconds, gaps=start.gaps)


def _derived(rule: DerivedRule, so_far: _SoFar) -> Values:
    found = evaluate(parse(rule.formula, where=rule.name), so_far.drawn, so_far.rows)
    return written(rule, so_far.facts[rule.name], found)


def _text(rule: TextRule, so_far: _SoFar) -> Values:
    texts = texts_by(
        choices_of(rule.pattern, where=rule.name), so_far.rows, so_far.block.stream(f"column: {rule.name}")
    )
    return Values(kind="free", data=texts, gaps=so_far.no_gaps)


def _faker(rule: FakerRule, so_far: _SoFar) -> Values:
    faker = _lazy.require("faker", extra="rules")
    try:
        source = faker.Faker(rule.locale)
    except AttributeError as error:
        raise ConfigurationError(
            f"Column {rule.name!r}: faker has no locale {rule.locale!r}. Choose another, such as 'en_US'."
        ) from error
    # Only what a provider offers: the object has other methods, which are none of our business.
    if not any(callable(getattr(provider, rule.provider, None)) for provider in source.get_providers()):
        raise ConfigurationError(
            f"Column {rule.name!r}: faker has no provider {rule.provider!r} for {rule.locale!r}. "
            "Its documentation lists them; 'name', 'city' and 'email' are always there."
        )
    source.seed_instance(so_far.block.seed_of(f"column: {rule.name}"))
    make = getattr(source, rule.provider)
    try:
        texts = np.array([str(make()) for _ in range(so_far.rows)], dtype=object)
    except TypeError as error:
        raise ConfigurationError(
            f"Column {rule.name!r}: the provider {rule.provider!r} of faker needs arguments. Take another."
        ) from error
    return Values(kind="free", data=texts, gaps=so_far.no_gaps)


_DRAW: dict[type[ColumnRule], Callable[..., Values]] = {
    NumberRule: _number,
    CategoryRule: _category,
    DateRule: _date,
    DelayRule: _delay,
    DerivedRule: _derived,
    TextRule: _text,
    FakerRule: _faker,
}
