"""The method that chooses itself, from public facts alone: sizes, budget, target, memory limit.

The number of rows decides much and is private, so it decides nothing here; `allpairs` learns it from its
first noisy answers and asks accordingly.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, ClassVar

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.base import Generator, Model, Plan, Rng
from dpsynth.generators.independent import Independent
from dpsynth.generators.memory import DEFAULT_LIMIT, MemoryPlan
from dpsynth.generators.one_ways import varied_columns
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["Auto", "Choice", "explanation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A method, configured, and why it was taken.

    Attributes:
        generator: The configured method.
        reasons: Sentences for people.
    """

    generator: Generator
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Auto:
    """Takes the method that suits the schema and the budget; plans and models carry the name of that one.

    Attributes:
        target: A column that others are to be predicted from or for; None treats all alike.
        memory_limit: Bytes for the tables of a fit and of sampling.

    Privacy: the choice is a function of the public schema and the budget. Everything else is the chosen
        method's.
    """

    name: ClassVar[str] = "auto"
    holds_zeros: ClassVar[bool] = True

    target: str | None = None
    memory_limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        _validate.count("memory_limit", self.memory_limit)

    def choose(self, schema: Schema, budget: Budget) -> Choice:
        """The method for a complete schema.

        Raises:
            ConfigurationError: The target is no modelled column, the budget has no delta, or the memory
                limit is too small for what the schema demands.
        """
        self._check(schema, budget)
        domain = schema.domain
        varied = varied_columns(domain)
        if len(varied) < 2:
            return Choice(
                generator=Independent(),
                reasons=("Fewer than two columns can vary, so there is no association to keep.",),
            )
        chosen = AllPairs(target=self.target, memory_limit=self.memory_limit)
        try:
            memory = MemoryPlan.of(domain, limit=self.memory_limit, most_cells=chosen.most_cells)
        except ConfigurationError:
            if schema.constraints:
                raise
            megabytes = self.memory_limit / 2**20
            return Choice(
                generator=Independent(),
                reasons=(
                    f"Tables of pairs do not fit in {megabytes:.3g} MB: columns are drawn independently. "
                    "Give more memory to keep associations.",
                ),
            )
        return Choice(generator=chosen, reasons=self._reasons(chosen, len(varied), memory))

    def resolved(self, schema: Schema, budget: Budget) -> Generator:
        """The chosen method with its settings: what a certificate names."""
        return self.choose(schema, budget).generator

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """The plan of the chosen method."""
        return self.resolved(schema, budget).plan(schema, budget)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> Model:
        """Fit the chosen method."""
        return self.resolved(measurer.schema, measurer.budget).fit(measurer, rng=rng)

    def _check(self, schema: Schema, budget: Budget) -> None:
        columns = schema.domain.columns
        if self.target is not None and self.target not in columns:
            near = difflib.get_close_matches(self.target, columns, n=3) or list(columns)
            raise ConfigurationError(
                f"Expected a modelled column as target, got {self.target!r}. Did you mean one of {near}?"
            )
        if budget.rho is None and budget.delta == 0:
            raise ConfigurationError(
                "No method here keeps a budget with delta = 0. Give a delta far below one over the number of "
                "people, such as 1e-9."
            )

    def _reasons(self, chosen: AllPairs, varied: int, memory: MemoryPlan) -> tuple[str, ...]:
        pairs = varied * (varied - 1) // 2
        reasons = [f"All {pairs} pairs of {varied} columns are counted in one release."]
        if pairs > chosen.most_pairs:
            reasons = [
                f"Of {pairs} pairs of {varied} columns the {chosen.most_pairs} that stand out are counted; "
                "a tenth of the budget finds them."
            ]
        if self.target is not None:
            reasons.append(
                f"Pairs are counted within the classes of {self.target}, which is to be predicted."
            )
        reasons.append(f"Its tables stay within {memory.bytes / 2**20:,.0f} MB.")
        return tuple(reasons)


def explanation(generator: Any, schema: Schema, budget: Budget) -> str | None:
    """Why `auto` takes what it takes; None for methods that people named, and for open schemas."""
    inner = getattr(generator, "inner", generator)
    if not isinstance(inner, Auto) or not schema.complete:
        return None
    choice = inner.choose(schema, budget)
    return f"auto takes {choice.generator.name}: " + " ".join(choice.reasons)
