"""A generative adversarial network: the critic sees private rows under DP-SGD, the generator only the critic.

The generator is the decoder of an autoencoder that was trained on rows from DP counts. Then critic and
generator take turns: many private steps of the critic, each with a batch and noise of its own, against a
fixed public batch of generated rows (Bie, Kamath and Zhang, 2023), then free steps of the generator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from dpsynth import _validate
from dpsynth.generators.adversary import Adversary
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
from dpsynth.mechanisms import Autoencoder, Critic, TrainingState
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["DPGAN"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DPGAN:
    """A critic under DP-SGD, and a generator that starts from the counts.

    Attributes:
        target: As for `allpairs`.
        hidden: Widths of the hidden layers of the generator.
        latent: Length of its latent vector.
        critic_hidden: Widths of the hidden layers of the critic.
        spectral_norm: Bound on the largest singular value of each of the critic's maps, set after each round.
        training_share: Part of the budget (of mu squared) for DP-SGD.
        cold: Start from a random generator instead of a pre-trained one; for comparisons.
        points: Latent points of the finished model.
        generator_steps: Steps of the generator after each round of the critic.
        generator_rate: Learning rate of these.
        anchor: Weight of the likelihood of rows from the counts in the generator's loss.
        pretraining: Fixed numbers of the first part.
        schedule: Fixed numbers of the critic.
        memory_limit: Bytes for the tables of the counts, and again for those of the model.

    Privacy: the releases of `AllPairs` on a part of the budget, then `DpSgd` rounds of the critic whose price
        is stated beforehand. The generator is computed from noised critics: post-processing.
    """

    name: ClassVar[str] = "dpgan"

    target: str | None = None
    hidden: tuple[int, ...] = (256, 256)
    latent: int = 16
    critic_hidden: tuple[int, ...] = (128, 128)
    spectral_norm: float = 2.0
    training_share: float = 0.2
    cold: bool = False
    points: int = 8192
    generator_steps: int = 20
    generator_rate: float = 2e-4
    anchor: float = 1.0
    pretraining: Pretraining = field(default_factory=Pretraining)
    schedule: Schedule = field(default_factory=lambda: Schedule(rounds=10, steps=40, learning_rate=5e-3))
    memory_limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        _validate.fraction("training_share", self.training_share)
        _validate.positive("spectral_norm", self.spectral_norm)
        _validate.positive("generator_rate", self.generator_rate)
        _validate.non_negative("anchor", self.anchor)
        _validate.count("points", self.points)
        _validate.count("generator_steps", self.generator_steps)
        self._network(), self._critic()

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """The plan of the counts, then the rounds of the critic."""
        plan = self._design(schema, budget).plan(self.name, schema)
        return with_pretraining(plan, schema, self._network(), self.pretraining, self.points)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> ProductMixture:
        """Count, pre-train, let critic and generator take turns, and ask the generator at fixed points."""
        schema, generator = measurer.schema, random_generator(rng)
        domain, network = schema.domain, self._network()
        made = self._design(schema, measurer.budget)
        counts = made.counts.fit(Portion(measurer, made.counts_budget))
        rows = as_table(schema, counts.sample_codes(self.pretraining.rows, generator))
        start = (
            first_parameters(network, domain, generator)
            if self.cold
            else pretrained(network, domain, rows, self.pretraining, generator)
        )
        adversary = Adversary(
            domain,
            network,
            self._critic(),
            start,
            rows,
            generator,
            learning_rate=self.generator_rate,
            anchor=0.0 if self.cold else self.anchor,
        )
        state = TrainingState.fresh(adversary.first_critic())
        for _ in range(self.schedule.fitted_rounds):
            asked = made.round(state, counts.total, adversary.generated())
            state = TrainingState.after(measurer.measure(asked), state.steps + asked.steps)
            state = adversary.bounded(state, self.spectral_norm)
            adversary.move(state.average, self.generator_steps)
        return mixture(counts, network, adversary.average, rows, self.points, generator)

    def _network(self) -> Autoencoder:
        return Autoencoder(hidden=self.hidden, latent=self.latent, prior_weight=0.5)

    def _critic(self) -> Critic:
        return Critic(hidden=self.critic_hidden)

    def _design(self, schema: Schema, budget: Budget) -> DeepDesign:
        require_width(schema, self.points, self.memory_limit)
        counts = AllPairs(target=self.target, memory_limit=self.memory_limit)
        share, schedule = self.training_share, self.schedule
        return design(counts, self._critic(), schema, budget, share=share, schedule=schedule)
