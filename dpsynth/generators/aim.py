"""Adaptive measurements: ask next for the columns that the model explains worst.

After McKenna, Mullins, Sheldon and Miklau (2022), "AIM: an adaptive and iterative mechanism for
differentially private synthetic data". Each round chooses a set of columns privately, measures it, and
fits the model again; when a measurement teaches no more than its noise would, the next ones get less
noise. Sets are counted over buckets of codes that follow from the noisy one-way counts, and a round is
fitted from where the last one ended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dpsynth import _validate
from dpsynth.generators.allowance import Allowance
from dpsynth.generators.base import Plan, Rng, Step
from dpsynth.generators.buckets import Groups, bucket_margins, choose_buckets, within_buckets
from dpsynth.generators.memory import DEFAULT_LIMIT, MemoryPlan, fitting
from dpsynth.generators.one_ways import Noisy, OneWays, clean_margins, one_ways, table_total, varied_columns
from dpsynth.generators.shares import one_way_share
from dpsynth.generators.workload import (
    Clique,
    Workload,
    candidates,
    checked_target,
    every_way,
    given_workload,
)
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.growing import GrowingTree, Nodes
from dpsynth.graphical.junction_model import JunctionModel
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
from dpsynth.privacy.calibrate import mu_of
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["AIM"]

_GRID_BITS = 10
_SWEEPS, _LAST_SWEEPS = 4, 15


@dataclass(frozen=True, kw_only=True, slots=True)
class AIM:
    """Sets of columns, chosen one after the other by what the model misses.

    Attributes:
        degree: All sets of so many columns matter: 2 or 3.
        workload: Which sets of columns matter instead, and how much: ((column, ...), weight) each.
        target: A column whose sets count more than others; None treats all alike.
        target_weight: How much more.
        one_way_share: Part of the budget for the one-way counts; None derives it from the public sizes.
        select_share: Part of a round for choosing its set; the rest measures it.
        rounds_per_column: A first round costs what is left after the one-way counts, divided by so many
            rounds for each column. Noise is lowered on the way, so there are far fewer.
        most_cells: Bound on the cells of the fitted model, for speed; the memory limit may make it less. A
            set that would exceed it is not chosen.
        least_deviations: A bucket merged from several codes holds at least so many standard deviations
            of the noise of a one-way count.
        memory_limit: Bytes for all tables of a fit and its sampling. Where the tables of all candidates
            are too many, the smallest are kept.

    Privacy: one `GaussianMechanism` over one-ways; for each round one `ExponentialMechanism` over the
        sets that the limits admit and one `GaussianMechanism` over the chosen set, both over buckets
        that follow from the first answers. Noise levels and the number of rounds follow from answers, so
        the run is priced at the whole: a filter admits each event (pitfall P16). Which sets are
        candidates follows from the workload, public sizes, noisy answers and sets chosen before, never
        from counts (pitfall P15). Their weights are whole numbers before the sensitivity of the score
        follows from the largest of them (pitfall P42). The score compares exact counts with what the
        model expects; that is public, so it may be an approximation.
    """

    name: ClassVar[str] = "aim"

    degree: int = 2
    workload: Workload | Mapping[Clique, float] | None = None
    target: str | None = None
    target_weight: float = 4.0
    one_way_share: float | None = None
    select_share: float = 0.1
    rounds_per_column: int = 16
    most_cells: int = 120_000
    least_deviations: float = 5.0
    memory_limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        if self.workload is not None:
            object.__setattr__(self, "workload", given_workload(self.workload))
        _validate.one_of("degree", self.degree, (2, 3))
        _validate.positive("target_weight", self.target_weight)
        if self.one_way_share is not None:
            _validate.fraction("one_way_share", self.one_way_share)
        _validate.fraction("select_share", self.select_share)
        _validate.count("rounds_per_column", self.rounds_per_column)
        _validate.count("most_cells", self.most_cells)
        _validate.non_negative("least_deviations", self.least_deviations)
        _validate.count("memory_limit", self.memory_limit)

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """The whole, under a filter: what is asked depends on answers."""
        design = self._design(schema, budget)
        detail = "one-way counts, then set by set"
        noise = max(design.one_ways.mechanism.sigmas(schema.unit))
        return Plan(
            method=self.name,
            steps=(Step(label="adaptive rounds", event=design.allowance.whole, detail=detail),),
            adaptive=True,
            expected_error={"noise of a one-way count (rows)": noise},
            memory_bytes=self._memory(schema).bytes,
        )

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> JunctionModel:  # noqa: ARG002 - nothing is random
        """Measure the columns, merge their codes, then choose, measure and fit until nothing is left."""
        schema = measurer.schema
        design, memory = self._design(schema, measurer.budget), self._memory(schema)
        first = design.one_ways.mechanism
        allowance = design.allowance.spend(first.event())
        columns = design.one_ways.read(measurer.measure(first))
        total = table_total(columns)
        margins = clean_margins(schema, columns, total)
        sigma = 0.0
        if design.weights:
            any_set = Marginal(columns=next(iter(design.weights)))
            sigma = gaussian_sigma(any_set, allowance.mu(allowance.left), schema.unit)
        pairs = [(clique[0], clique[1]) for clique in design.weights if len(clique) == 2]
        groups = choose_buckets(
            schema,
            columns,
            margins,
            pairs,
            sigma=sigma,
            deviations=self.least_deviations,
            most_cells=memory.pair_cells,
        ).groups
        coarse = bucket_margins(columns, margins, groups, {}, total)
        tree = GrowingTree([coarse[name] for name in schema.domain.columns], limit=memory.clique_cells)
        if design.weights:
            rounds = _Rounds(self, measurer, design.weights, groups, tree, allowance)
            rounds.run(most_cells=memory.pair_cells + memory.finer_cells)
        return _model(schema, columns, margins, groups, tree)

    def _memory(self, schema: Schema) -> MemoryPlan:
        return MemoryPlan.of(schema.domain, limit=self.memory_limit, most_cells=self.most_cells)

    def _design(self, schema: Schema, budget: Budget) -> _Design:
        domain = schema.domain
        checked_target(self.target, domain)
        every = every_way(varied_columns(domain), self.degree)
        workload = every if self.workload is None else given_workload(self.workload)
        weights = candidates(domain, workload, target=self.target, target_weight=self.target_weight)
        share = 1.0
        if weights:
            sizes = [domain.size_of(name) for name in varied_columns(domain)]
            share = self.one_way_share or one_way_share(sizes, mu_of(budget))
        allowance = Allowance.of(budget, choices=self.select_share * (1 - share))
        first = one_ways(domain, allowance.mu(share * allowance.left))
        return _Design(allowance=allowance, one_ways=first, weights=weights)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Design:
    """All parameters of a run that are public before it."""

    allowance: Allowance
    one_ways: OneWays
    weights: Mapping[Clique, int]


class _Rounds:
    """The adaptive part of one fit."""

    def __init__(
        self,
        options: AIM,
        measurer: Measurer,
        weights: Mapping[Clique, int],
        groups: Mapping[str, Groups],
        tree: GrowingTree,
        allowance: Allowance,
    ) -> None:
        names = measurer.schema.domain.columns
        self._options = options
        self._measurer = measurer
        self._tree = tree
        self._allowance = allowance
        self._columns = len({name for clique in weights for name in clique})
        self._queries = {
            tuple(names.index(name) for name in clique): MergedMarginal(
                columns=clique, groups=tuple(groups[name] for name in clique)
            )
            for clique in weights
        }
        self._cells = {nodes: math.prod(query.shape) for nodes, query in self._queries.items()}
        self._weights = dict(zip(self._queries, weights.values(), strict=True))

    def run(self, *, most_cells: int) -> None:
        """Choose, measure and fit; a round costs twice the last one if that taught nothing new.

        The paper takes four times as much: rounds are cheap here, and gentler steps measure more sets.
        A round whose noise no candidate can beat is left out: no set differs from the model by more than
        twice the number of rows.

        Args:
            most_cells: Of the tables of all candidates of a round.
        """
        cost = self._allowance.left / (self._options.rounds_per_column * self._columns)
        while admitted := self._admitted(most_cells):
            last = self._allowance.left < 2 * cost
            cost = self._allowance.left if last else cost
            noise = self._noise(cost)
            offered = [nodes for nodes in admitted if noise * self._cells[nodes] < 2 * self._tree.total]
            taught = bool(offered or last) and self._round(offered or admitted, cost)
            if last:
                return
            cost *= 1 if taught else 2

    def _admitted(self, most_cells: int) -> list[Nodes]:
        """The candidates that the model has room for, the smallest ones that fit into memory."""
        admitted = [nodes for nodes in self._queries if self._tree.admits(nodes)]
        by_size = sorted(admitted, key=self._cells.__getitem__)
        held = fitting((self._cells[nodes] for nodes in by_size), most_cells)
        return admitted if held == len(admitted) else by_size[:held]

    def _round(self, offered: list[Nodes], cost: float) -> bool:
        """Whether the measurement moved the model by more than its noise would."""
        share = self._options.select_share
        expected = self._tree.expectation(offered)
        score = self._score({nodes: expected.of(nodes) for nodes in offered}, cost)
        choice = ExponentialMechanism(score=score, epsilon=self._allowance.epsilon(share * cost))
        self._allowance = self._allowance.spend(choice.event())
        chosen = offered[self._measurer.select(choice)]
        query = self._queries[chosen]
        measure = GaussianMechanism(queries=(query,), mus=(self._mu(cost),))
        self._allowance = self._allowance.spend(measure.event())
        answer = self._measurer.measure(measure)
        sigma = answer.sigmas[0]
        self._tree.add(chosen, np.asarray(answer.values[0], np.float64).reshape(query.shape), sigma)
        self._tree.fit(sweeps=_SWEEPS)
        moved = np.abs(self._tree.expectation([chosen]).of(chosen) - expected.of(chosen))
        return float(moved.sum()) > math.sqrt(2 / math.pi) * sigma * moved.size

    def _score(self, expected: Mapping[Nodes, FloatArray], cost: float) -> MarginalGap:
        """The distance of each set from the model, less the noise that measuring it would add."""
        queries = [self._queries[nodes] for nodes in expected]
        noise = 2.0**_GRID_BITS * self._noise(cost)
        return MarginalGap(
            cliques=tuple(query.columns for query in queries),
            groups=tuple(query.groups for query in queries),
            estimates=tuple(on_grid(table.ravel(), _GRID_BITS) for table in expected.values()),
            bits=_GRID_BITS,
            weights=tuple(self._weights[nodes] for nodes in expected),
            penalties=tuple(round(noise * self._cells[nodes]) for nodes in expected),
        )

    def _noise(self, cost: float) -> float:
        """The expected size of the noise that a round of this cost would add to a cell of any set."""
        any_set = next(iter(self._queries.values()))
        sigma = gaussian_sigma(any_set, self._mu(cost), self._measurer.schema.unit)
        return math.sqrt(2 / math.pi) * sigma

    def _mu(self, cost: float) -> float:
        return self._allowance.mu((1 - self._options.select_share) * cost)


def _model(
    schema: Schema,
    columns: Mapping[str, Noisy],
    margins: Mapping[str, FloatArray],
    groups: Mapping[str, Groups],
    tree: GrowingTree,
) -> JunctionModel:
    """The last fit, to everything that is known about each column.

    Larger sets than pairs say next to nothing about one column: their sums are too noisy.
    """
    names = schema.domain.columns
    pairs = {
        (names[nodes[0]], names[nodes[1]]): noisy for nodes, noisy in tree.noisy.items() if len(nodes) == 2
    }
    coarse = bucket_margins(columns, margins, groups, pairs, tree.total)
    tree.fit(sweeps=_LAST_SWEEPS, margins=[coarse[name] for name in names])
    return JunctionModel(
        schema=schema,
        total=tree.total,
        tree=tree.tree,
        beliefs=tuple(belief / belief.sum() for belief in tree.beliefs),
        buckets=tuple(np.array(groups[name], np.int64) for name in names),
        details=tuple(within_buckets(margins[name], groups[name]) for name in names),
        targets={pair: table[None] / table.sum() for pair, table in tree.expectation().pairs.items()},
    )
