"""Adaptive measurements: ask next for the pair of columns that the model explains worst.

After McKenna, Mullins, Sheldon and Miklau (2022), "AIM: an adaptive and iterative mechanism for
differentially private synthetic data", for the workload of all pairs of columns. Each round chooses a
pair privately, measures it, and fits the model again; when a measurement teaches no more than its noise
would, the next ones get less noise. Pairs are counted over buckets of codes that follow from the noisy
one-way counts, and a round is fitted from where the last one ended.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import Plan, Rng, Step
from dpsynth.generators.buckets import Groups, bucket_margins, choose_buckets, within_buckets
from dpsynth.generators.memory import DEFAULT_LIMIT, MemoryPlan
from dpsynth.generators.one_ways import Noisy, OneWays, clean_margins, one_ways, table_total, varied_columns
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.growing import GrowingTree
from dpsynth.graphical.junction_model import JunctionModel
from dpsynth.graphical.junction_tree import Edge
from dpsynth.mechanisms import (
    ExponentialMechanism,
    GaussianMechanism,
    Marginal,
    MarginalGap,
    MergedMarginal,
    gaussian_sigma,
    on_grid,
)
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import rho_of
from dpsynth.privacy.events import Event, ZCDPEvent
from dpsynth.privacy.filters import ZCDPFilter
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["AIM"]

_GRID_BITS = 10
_UNDER = 1 - 1e-9  # more than rounding can add to what a round costs
_SWEEPS, _LAST_SWEEPS = 4, 15


@dataclass(frozen=True, kw_only=True, slots=True)
class AIM:
    """Pairs of columns, chosen one after the other by what the model misses.

    Attributes:
        target: A column whose pairs count more than others; None treats all pairs alike.
        target_weight: How much more.
        one_way_share: Part of the budget (of rho) for the one-way counts.
        select_share: Part of a round for choosing its pair; the rest measures it.
        rounds_per_column: A first round costs what is left after the one-way counts, divided by so many
            rounds for each column. Noise is halved on the way, so there are far fewer.
        most_cells: Bound on the cells of the fitted model. A pair that would exceed it is not chosen.
        least_deviations: A bucket merged from several codes holds at least so many standard deviations
            of the noise of a one-way count.

    Privacy: one `GaussianMechanism` over one-ways; for each round one `ExponentialMechanism` over the
        pairs that the limit admits and one `GaussianMechanism` over the chosen pair, both over buckets
        that follow from the first answers. Noise levels and the number of rounds follow from answers, so
        the run is priced at the whole: a zCDP filter admits each event (pitfall P16). Which pairs are
        candidates follows from public sizes, buckets and pairs chosen before (pitfall P15).
    """

    name: ClassVar[str] = "aim"

    target: str | None = None
    target_weight: int = 4
    one_way_share: float = 0.25
    select_share: float = 0.1
    rounds_per_column: int = 16
    most_cells: int = 120_000
    least_deviations: float = 5.0

    def __post_init__(self) -> None:
        _validate.count("target_weight", self.target_weight)
        _validate.fraction("one_way_share", self.one_way_share)
        _validate.fraction("select_share", self.select_share)
        _validate.count("rounds_per_column", self.rounds_per_column)
        _validate.count("most_cells", self.most_cells)
        _validate.non_negative("least_deviations", self.least_deviations)

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """The whole, under a filter: what is asked depends on answers."""
        design = self._design(schema, budget)
        event = ZCDPEvent(rho=design.rho)
        return Plan(
            method=self.name,
            steps=(Step(label="adaptive rounds", event=event, detail="one-way counts, then pair by pair"),),
            adaptive=True,
            expected_error={
                "noise of a one-way count (rows)": max(design.one_ways.mechanism.sigmas(schema.unit))
            },
            memory_bytes=MemoryPlan.of(schema.domain, limit=DEFAULT_LIMIT, most_cells=self.most_cells).bytes,
        )

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> JunctionModel:  # noqa: ARG002 - nothing is random
        """Measure the columns, merge their codes, then choose, measure and fit until nothing is left."""
        schema = measurer.schema
        design = self._design(schema, measurer.budget)
        first = design.one_ways.mechanism
        room = ZCDPFilter(rho=design.rho).spend(first.event())
        columns = design.one_ways.read(measurer.measure(first))
        total = table_total(columns)
        margins = clean_margins(schema, columns, total)
        sigma = 0.0
        if design.pairs:
            mu = math.sqrt(2 * room.remaining)
            sigma = gaussian_sigma(Marginal(columns=design.pairs[0]), mu, schema.unit)
        groups = choose_buckets(
            schema, columns, margins, design.pairs, sigma=sigma, deviations=self.least_deviations
        ).groups
        coarse = bucket_margins(columns, margins, groups, {}, total)
        tree = GrowingTree([coarse[name] for name in schema.domain.columns], limit=self.most_cells)
        if design.pairs:
            _Rounds(self, measurer, design.pairs, groups, tree, room).run()
        return _model(schema, columns, margins, groups, tree)

    def _design(self, schema: Schema, budget: Budget) -> _Design:
        domain = schema.domain
        if self.target is not None and self.target not in domain.columns:
            raise ConfigurationError(
                f"Expected a modelled column as target, got {self.target!r}; they are {list(domain.columns)}."
            )
        pairs = tuple(itertools.combinations(varied_columns(domain), 2))
        rho = rho_of(budget)
        share = self.one_way_share if pairs else 1.0
        return _Design(rho=rho, one_ways=one_ways(domain, _UNDER * math.sqrt(2 * share * rho)), pairs=pairs)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Design:
    """All parameters of a run that are public before it."""

    rho: float
    one_ways: OneWays
    pairs: tuple[tuple[str, str], ...]


class _Rounds:
    """The adaptive part of one fit."""

    def __init__(
        self,
        options: AIM,
        measurer: Measurer,
        pairs: tuple[tuple[str, str], ...],
        groups: Mapping[str, Groups],
        tree: GrowingTree,
        room: ZCDPFilter,
    ) -> None:
        names = measurer.schema.domain.columns
        self._options = options
        self._measurer = measurer
        self._groups = groups
        self._tree = tree
        self._expected = tree.pairs()
        self._room = room
        self._pairs = {(names.index(left), names.index(right)): (left, right) for left, right in pairs}

    def run(self) -> None:
        """Choose, measure and fit; a round costs four times the last one if that taught nothing new."""
        columns = len({node for pair in self._pairs for node in pair})
        cost = self._room.remaining / (self._options.rounds_per_column * columns)
        while True:
            candidates = [pair for pair in self._pairs if self._tree.admits(pair)]
            if not candidates:
                return
            last = self._room.remaining < 2 * cost
            cost = self._room.remaining if last else cost
            if not self._round(candidates, cost):
                cost *= 4
            if last:
                return

    def _round(self, candidates: list[Edge], cost: float) -> bool:
        """Whether the measurement moved the model by more than its noise would."""
        share = self._options.select_share
        mu = _UNDER * math.sqrt(2 * (1 - share) * cost)  # a Gaussian costs mu² / 2, a choice epsilon² / 8
        score = self._score(candidates, mu)
        choice = ExponentialMechanism(score=score, epsilon=_UNDER * math.sqrt(8 * share * cost))
        self._pay(choice.event())
        chosen = candidates[self._measurer.select(choice)]
        query = self._query(chosen)
        measure = GaussianMechanism(queries=(query,), mus=(mu,))
        self._pay(measure.event())
        answer = self._measurer.measure(measure)
        sigma = answer.sigmas[0]
        self._tree.add(chosen, np.asarray(answer.values[0], np.float64).reshape(query.shape), sigma)
        self._tree.fit(sweeps=_SWEEPS)
        before, self._expected = self._expected[chosen], self._tree.pairs()
        moved = float(np.abs(self._expected[chosen] - before).sum())
        return moved > math.sqrt(2 / math.pi) * sigma * before.size

    def _score(self, candidates: list[Edge], mu: float) -> MarginalGap:
        """The distance of each pair from the model, less the noise that measuring it would add."""
        queries = [self._query(pair) for pair in candidates]
        sigma = gaussian_sigma(queries[0], mu, self._measurer.schema.unit)
        noise = 2.0**_GRID_BITS * math.sqrt(2 / math.pi) * sigma
        return MarginalGap(
            cliques=tuple(query.columns for query in queries),
            groups=tuple(query.groups for query in queries),
            estimates=tuple(on_grid(self._expected[pair].ravel(), _GRID_BITS) for pair in candidates),
            bits=_GRID_BITS,
            weights=tuple(self._weight(query) for query in queries),
            penalties=tuple(round(noise * self._expected[pair].size) for pair in candidates),
        )

    def _weight(self, query: MergedMarginal) -> int:
        return self._options.target_weight if self._options.target in query.columns else 1

    def _query(self, pair: Edge) -> MergedMarginal:
        left, right = self._pairs[pair]
        return MergedMarginal(columns=(left, right), groups=(self._groups[left], self._groups[right]))

    def _pay(self, event: Event) -> None:
        self._room = self._room.spend(event)


def _model(
    schema: Schema,
    columns: Mapping[str, Noisy],
    margins: Mapping[str, FloatArray],
    groups: Mapping[str, Groups],
    tree: GrowingTree,
) -> JunctionModel:
    """The last fit, to everything that is known about each column."""
    names = schema.domain.columns
    total = float(sum(margins[names[0]]))
    pairs = {(names[left], names[right]): noisy for (left, right), noisy in tree.noisy.items()}
    coarse = bucket_margins(columns, margins, groups, pairs, total)
    tree.fit(sweeps=_LAST_SWEEPS, margins=[coarse[name] for name in names])
    buckets = tuple(np.array(groups[name], np.int64) for name in names)
    return JunctionModel(
        schema=schema,
        total=total,
        tree=tree.tree,
        beliefs=tuple(belief / belief.sum() for belief in tree.beliefs),
        buckets=buckets,
        details=tuple(within_buckets(margins[name], groups[name]) for name in names),
        targets={pair: table[None] / table.sum() for pair, table in tree.pairs().items()},
    )
