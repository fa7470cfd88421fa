"""A variational autoencoder: pre-trained on rows from DP counts, then trained on private rows by DP-SGD."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from dpsynth import _validate
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.base import Plan, Rng, random_generator
from dpsynth.generators.deep import DeepDesign, Portion, Schedule, as_table, design
from dpsynth.generators.memory import DEFAULT_LIMIT
from dpsynth.generators.pretraining import (
    Pretraining,
    first_parameters,
    mixture,
    pretrained,
    with_pretraining,
)
from dpsynth.graphical.product_mixture import ProductMixture, require_width
from dpsynth.mechanisms import Autoencoder, TrainingState
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["DPVAE"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DPVAE:
    """Encoder and decoder, both under clipping; rows are drawn from the decoder's distributions.

    Latent vectors are drawn as the encoder places rows of the DP counts, so decoder and latent distribution
    fit together without a price; each column is calibrated to its noisy counts.

    Attributes:
        target: As for `allpairs`.
        hidden: Widths of the hidden layers.
        latent: Length of the latent vector.
        prior_weight: Weight of the divergence from a normal prior. Latent vectors are not drawn from that
            prior, so less than one loses nothing.
        training_share: Part of the budget (of mu squared) for DP-SGD.
        cold: Start from random parameters instead of pre-training; for comparisons.
        points: Latent points of the finished model.
        pretraining: Fixed numbers of the first part.
        schedule: Fixed numbers of the second.
        memory_limit: Bytes for the tables of the counts, and again for those of the model.

    Privacy: the releases of `AllPairs` on a part of the budget, then `DpSgd` rounds whose price is stated
        beforehand. All else is post-processing.
    """

    name: ClassVar[str] = "dpvae"

    target: str | None = None
    hidden: tuple[int, ...] = (256, 256)
    latent: int = 16
    prior_weight: float = 0.5
    training_share: float = 0.2
    cold: bool = False
    points: int = 8192
    pretraining: Pretraining = field(default_factory=Pretraining)
    schedule: Schedule = field(default_factory=Schedule)
    memory_limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        _validate.fraction("training_share", self.training_share)
        _validate.count("points", self.points)
        self._network()

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """The plan of the counts, then the rounds of training."""
        plan = self._design(schema, budget).plan(self.name, schema)
        return with_pretraining(plan, schema, self._network(), self.pretraining, self.points)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> ProductMixture:
        """Count, pre-train, train, and ask the decoder at fixed points."""
        schema, generator = measurer.schema, random_generator(rng)
        made = self._design(schema, measurer.budget)
        counts = made.counts.fit(Portion(measurer, made.counts_budget))
        rows = as_table(schema, counts.sample_codes(self.pretraining.rows, generator))
        network, domain = self._network(), schema.domain
        start = (
            first_parameters(network, domain, generator)
            if self.cold
            else pretrained(network, domain, rows, self.pretraining, generator)
        )
        public = rows[:0] if self.cold else rows
        state = made.trained(measurer, TrainingState.fresh(start), counts.total, public)
        return mixture(counts, network, state.average, rows, self.points, generator)

    def _network(self) -> Autoencoder:
        return Autoencoder(hidden=self.hidden, latent=self.latent, prior_weight=self.prior_weight)

    def _design(self, schema: Schema, budget: Budget) -> DeepDesign:
        require_width(schema, self.points, self.memory_limit)
        counts = AllPairs(target=self.target, memory_limit=self.memory_limit)
        share, schedule = self.training_share, self.schedule
        return design(counts, self._network(), schema, budget, share=share, schedule=schedule)
