"""Counts first, then what they miss: rows of the counts, weighted by a critic that DP-SGD trained.

The critic tells private rows from rows of the counts' model: where it can, the counts miss something, of any
order. A noisy histogram of its scores on private rows says how much likelier they are at each score than rows
of the model; a critic that learned nothing so changes nothing. Rows of the model are drawn with that ratio as
weight, raked and polished back to the measured pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from dpsynth import _validate
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.base import Plan, Rng, random_generator
from dpsynth.generators.deep import DeepDesign, Portion, Schedule, as_table, design
from dpsynth.generators.hybrid_model import HybridModel
from dpsynth.generators.memory import DEFAULT_LIMIT
from dpsynth.generators.pretraining import first_parameters
from dpsynth.generators.rating import Rating, score_edges, score_ratios
from dpsynth.generators.triples import TripleSearch
from dpsynth.graphical.triples import Triples
from dpsynth.mechanisms import Critic, ScoreHistogram, TrainingState
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import mu_of
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["Hybrid"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hybrid:
    """`allpairs` on a part of the budget, corrected by a critic on the rest.

    Attributes:
        target: As for `allpairs`.
        hidden: Widths of the critic's hidden layers.
        training_share: Part of the budget (of mu squared) for DP-SGD and the scores.
        scores_share: Part of that for the histogram of scores.
        triples: So many tables of three columns are counted at most: those that the counts miss most.
        triples_share: Part of the budget (of mu squared) for finding and counting them, less in tables of
            few columns.
        public_rows: Rows of the counts' model that the critic compares with.
        candidates: Rows drawn for each row that is kept.
        schedule: Fixed numbers of training.
        memory_limit: Bytes for the tables of the counts.

    Privacy: the releases of `AllPairs` on a part of the budget, then `NoisyScores` and a `GaussianMechanism`
        for tables of three columns (see `TripleSearch`), then `DpSgd` rounds and a `ScoreHistogram`
        whose prices are stated beforehand. All else is post-processing.
    """

    name: ClassVar[str] = "hybrid"

    target: str | None = None
    hidden: tuple[int, ...] = (128, 128)
    training_share: float = 0.05
    scores_share: float = 0.1
    triples: int = 16
    triples_share: float = 0.06
    public_rows: int = 40_000
    candidates: int = 4
    schedule: Schedule = field(default_factory=lambda: Schedule(rounds=8, clip=5.0, learning_rate=1e-2))
    memory_limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        _validate.fraction("training_share", self.training_share)
        _validate.fraction("scores_share", self.scores_share)
        _validate.count("triples", self.triples, least=0)
        _validate.fraction("triples_share", self.triples_share)
        _validate.fraction("training_share + triples_share", self.training_share + self.triples_share)
        _validate.count("public_rows", self.public_rows)
        _validate.count("candidates", self.candidates)
        self._network()

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """The plan of the counts, then triples, then the rounds of training."""
        plan = self._design(schema, budget).plan(self.name, schema)
        search = self._search(schema, budget)
        return plan if search is None else replace(plan, memory_bytes=plan.memory_bytes + search.memory_bytes)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> HybridModel:
        """Count, then train the critic against rows of the counts."""
        schema, generator = measurer.schema, random_generator(rng)
        made = self._design(schema, measurer.budget)
        counts = made.counts.fit(Portion(measurer, made.counts_budget))
        rows = as_table(schema, counts.sample_codes(self.public_rows, generator))
        search, triples = self._search(schema, measurer.budget), Triples()
        if search is not None:
            triples = search.found(measurer, counts, rows)
            if triples.wanted:
                rows = as_table(schema, counts.sample_codes(self.public_rows, generator, triples=triples))
        start = first_parameters(self._network(), schema.domain, generator)
        last = self._network().layers(schema.domain)[-1]
        start[-last.size :] = 0.0  # no opinion before the first step
        state = made.trained(measurer, TrainingState.fresh(start), counts.total, rows)
        critic = Rating(critic=self._network(), parameters=state.average)
        edges = score_edges(critic.scores(schema.domain, rows))
        asked = ScoreHistogram(
            critic=critic.critic,
            parameters=critic.parameters,
            edges=edges,
            mu=made.scores_mu,
            columns=schema.domain.columns,
        )
        ((noisy, sigma),) = measurer.measure(asked)
        ratios = score_ratios(critic.scores(schema.domain, rows), edges, noisy, sigma)
        rating = replace(critic, edges=np.array(edges), ratios=ratios)
        return HybridModel(counts=counts, triples=triples, rating=rating, candidates=self.candidates)

    def _network(self) -> Critic:
        return Critic(hidden=self.hidden)

    def _design(self, schema: Schema, budget: Budget) -> DeepDesign:
        counts = AllPairs(target=self.target, memory_limit=self.memory_limit)
        search = self._search(schema, budget)
        return design(
            counts,
            self._network(),
            schema,
            budget,
            share=self.training_share,
            schedule=self.schedule,
            scores=self.scores_share,
            between=() if search is None else search.steps,
        )

    def _search(self, schema: Schema, budget: Budget) -> TripleSearch | None:
        number, share = self.triples, self.triples_share
        return TripleSearch.of(schema, mu_of(budget), target=self.target, number=number, share=share)
