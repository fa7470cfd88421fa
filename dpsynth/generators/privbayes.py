"""A Bayesian network, grown greedily: each column is explained by a few that were placed before it.

After Zhang, Cormode, Procopiuc, Srivastava and Xiao (2017), "PrivBayes: private data release via
Bayesian networks". Here a family is measured as soon as it is chosen, so that the next choice is made
against a joint estimate of the parents, not against their product; and the parents of a column share an
earlier family, so that inference stays exact and small.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import Plan, Rng, Step
from dpsynth.generators.growing import BYTES_PER_CELL, Growing, Limits
from dpsynth.generators.one_ways import OneWays, one_ways, varied_columns
from dpsynth.graphical.network import BayesianNetwork
from dpsynth.mechanisms import ExponentialMechanism, GaussianMechanism, Marginal
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import calibrate
from dpsynth.privacy.events import Event, ExponentialEvent
from dpsynth.schema.layout import Domain
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["PrivBayes"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivBayes:
    """Columns as a network: each depends on at most `degree` others.

    Attributes:
        degree: Most parents of a column.
        one_way_share: Part of the budget (of rho) for the one-way counts.
        select_share: Part for choosing families; the rest measures them.
        usefulness: A family with two parents or more is a candidate if its average count, by the
            noisy total, is at least this many standard deviations of its noise (theta-usefulness).
        noise_weight: Weight of the expected noise against the association in the choice of a family;
            chosen on the Adult table, where a weight of 1 kept too many columns to one parent.
        largest_table: Families with more cells are never measured.
        memory_limit: Bytes for the tables of all candidates of a choice.

    Privacy: one relation throughout, that of the schema's unit. One `GaussianMechanism` over the
        one-ways; then for each further column one `ExponentialMechanism` that chooses a column X with
        its parents P, and one `GaussianMechanism` over their counts. The number of events and their
        parameters follow from public sizes and the budget.
        The score is the family's L1 distance to independence (the function R of the paper): the sum
        over cells of |count(x, p) - E(x, p)|, less a public penalty. E = E(x) E(p) / N is made of
        noisy answers that were paid for before, so it is a constant in the comparison of two
        neighbours. Adding or removing a row moves one count by one and, by the triangle inequality,
        the score by at most one; replacing a row moves two counts, hence at most two; a unit with k
        rows k times that. This is the sensitivity that `MarginalGap` states, and the measurement
        takes its own from the same unit (pitfall P14). Had E been the product of the *exact*
        margins, they would move along with the counts, and one row would move the score by more.
        Mutual information, the other score of the paper, is not offered: its sensitivity holds for
        tables of n rows with n public, falls with n, and fails under adding and removing, under
        normalisation and in another base of the logarithm (pitfall P13).
        Candidates follow from public sizes, the noisy total and earlier choices (pitfall P15).
    """

    name: ClassVar[str] = "privbayes"

    degree: int = 2
    one_way_share: float = 0.3
    select_share: float = 0.05
    usefulness: float = 4.0
    noise_weight: float = 0.25
    largest_table: int = 1_000_000
    memory_limit: int = 2**30

    def __post_init__(self) -> None:
        _validate.count("degree", self.degree)
        _validate.fraction("one_way_share", self.one_way_share)
        _validate.fraction("select_share", self.select_share)
        _validate.fraction("one_way_share + select_share", self.one_way_share + self.select_share)
        _validate.non_negative("usefulness", self.usefulness)
        _validate.non_negative("noise_weight", self.noise_weight)
        _validate.count("largest_table", self.largest_table)
        _validate.count("memory_limit", self.memory_limit)

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """One-way counts, then a choice and a table for each further column."""
        design = self._design(schema, budget)
        first = design.one_ways.mechanism
        steps = [Step(label="one-way counts", event=first.event(), detail=f"{len(first.queries)} tables")]
        noise = {"noise of a one-way count (rows)": max(first.sigmas(schema.unit))}
        if design.rounds:
            choice, table = design.round_events()
            steps += [
                Step(label="family", event=choice, detail="a column and its parents"),
                Step(label="family counts", event=table, detail="one table"),
            ] * design.rounds
            example = GaussianMechanism(queries=(design.example,), mus=(design.table_mu,))
            noise["noise of a family count (rows)"] = max(example.sigmas(schema.unit))
        return Plan(
            method=self.name,
            steps=tuple(steps),
            expected_error=noise,
            memory_bytes=self._memory_bytes(schema.domain, design.rounds),
        )

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> BayesianNetwork:  # noqa: ARG002 - nothing is random
        """Measure the columns; then choose and measure one family after the other."""
        design = self._design(measurer.schema, measurer.budget)
        columns = design.one_ways.read(measurer.measure(design.one_ways.mechanism))
        limits = Limits(
            degree=self.degree,
            usefulness=self.usefulness,
            noise_weight=self.noise_weight,
            largest_table=self.largest_table,
            memory_limit=self.memory_limit,
        )
        growing = Growing(measurer.schema, columns, limits, design.table_mu)
        for _ in range(design.rounds):
            offer = growing.offer()
            mechanism = ExponentialMechanism(score=offer.score, epsilon=design.select_epsilon)
            family = offer.families[measurer.select(mechanism)]
            query = Marginal(columns=growing.columns_of(family))
            answer = measurer.measure(GaussianMechanism(queries=(query,), mus=(design.table_mu,)))
            ((values, sigma),) = answer
            growing.add(family, values, sigma)
        return growing.network()

    def _design(self, schema: Schema, budget: Budget) -> _Design:
        domain = schema.domain
        if BYTES_PER_CELL * sum(domain.sizes) > self.memory_limit:
            raise ConfigurationError(
                f"The columns alone have {sum(domain.sizes)} cells, too many for memory_limit = "
                f"{self.memory_limit} bytes. Declare coarser cells, or raise the limit."
            )
        varied = varied_columns(domain)
        largest = min(self.largest_table, self.memory_limit // BYTES_PER_CELL)
        possible = any(domain.cells(pair) <= largest for pair in itertools.combinations(varied, 2))
        rounds = len(varied) - 1 if possible else 0

        def at(scale: float) -> _Design:
            rest = 1 - self.one_way_share - self.select_share
            return _Design(
                one_ways=one_ways(domain, scale * (math.sqrt(self.one_way_share) if rounds else 1.0)),
                rounds=rounds,
                # rho = epsilon² / 8 for a choice, mu² / 2 for a Gaussian.
                select_epsilon=2 * scale * math.sqrt(self.select_share / max(rounds, 1)),
                table_mu=scale * math.sqrt(rest / max(rounds, 1)),
                example=Marginal(columns=domain.columns[:1]),
            )

        return at(calibrate(lambda scale: at(scale).events(), budget))

    def _memory_bytes(self, domain: Domain, rounds: int) -> int:
        """The candidates of a choice at worst, and the model twice."""
        sizes = sorted(domain.sizes)
        largest = min(math.prod(sizes[-self.degree - 1 :]), self.largest_table)
        pairs = sum(domain.cells(pair) for pair in itertools.combinations(varied_columns(domain), 2))
        sets = rounds * 2**self.degree if self.degree > 1 else 0
        candidates = min(BYTES_PER_CELL * (pairs + rounds * sets * largest), self.memory_limit)
        return (candidates if rounds else 0) + 16 * (sum(sizes) + rounds * largest)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Design:
    """All parameters of a run. Every family gets the same precision, whatever is chosen."""

    one_ways: OneWays
    rounds: int
    select_epsilon: float
    table_mu: float
    example: Marginal

    def round_events(self) -> tuple[Event, Event]:
        """What one round costs."""
        table = GaussianMechanism(queries=(self.example,), mus=(self.table_mu,))
        return ExponentialEvent(epsilon=self.select_epsilon), table.event()

    def events(self) -> Sequence[Event]:
        """What the run costs."""
        return (self.one_ways.mechanism.event(), *(self.round_events() * self.rounds if self.rounds else ()))
