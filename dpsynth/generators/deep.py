"""What the deep methods share: counts first, then training with the rest of the budget.

The counts are those of `allpairs`. A network is first trained on rows that its model gives, which costs
nothing; then by DP-SGD on the private rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dpsynth import _validate
from dpsynth._lazy import require
from dpsynth.errors import BudgetExceededError, ConfigurationError
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.base import Plan, Step
from dpsynth.mechanisms import DpSgd, Measurement, Mechanism, Network, TrainingState, parameter_count
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import calibrate, fits, mu_of
from dpsynth.privacy.events import Event, GaussianEvent, PoissonGaussianEvent
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = [
    "CodeTable",
    "DeepDesign",
    "Portion",
    "Schedule",
    "as_columns",
    "as_table",
    "design",
    "training_seconds",
]

CodeTable = np.ndarray[Any, np.dtype[np.int64]]

_BYTES_PER_PARAMETER = 40  # parameters, state, gradients, noise
_PUBLIC_BATCH = 1024
_LEAST_BATCH, _LARGEST_BATCH = 16.0, 2.0**18  # what `DpSgd` takes: refused after the counts, all were lost
_NOMINAL_ROWS = 100_000  # of the forecast of time: see `Plan.seconds`
_PRODUCTS_A_SECOND = (
    5e9  # a row passes each parameter, and its gradient; measured on two cores, within a factor of 2
)
_MOST_GAIN = 4.0  # of privacy loss distributions over Rényi orders, in scale
_HALVINGS = 9
_SMALL_SCALE = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Fixed numbers of training on private rows.

    Attributes:
        rounds: Paid accesses; after each the generator may act on what came out.
        steps: Steps of each round.
        sampling_rate: Probability with which a unit has rows in a batch. A budget in rho takes all rows in
            every step, because sampling is not priced in rho.
        clip: Largest norm of a row's gradient.
        learning_rate: Of the steps.
        averaging: Weight of the past in the average of the parameters.
        public_weight: Weight of the gradient of rows from the counts.
        thorough: Price the run by privacy loss distributions: less noise, some seconds more.
        until: After so many rounds a fit stops and gives its model; plan and noise stay those of all
            `rounds`. None: after all. A session takes no run that stops early: this is for reading models
            along a recorded one (`tuning.trajectory`).
    """

    rounds: int = 4
    steps: int = 100
    sampling_rate: float = 0.05
    clip: float = 1.0
    learning_rate: float = 1e-3
    averaging: float = 0.98
    public_weight: float = 1.0
    thorough: bool = True
    until: int | None = None

    def __post_init__(self) -> None:
        _validate.count("rounds", self.rounds)
        if self.until is not None and _validate.count("until", self.until, least=0) > self.rounds:
            raise ConfigurationError(f"Expected until <= rounds = {self.rounds}, got {self.until}.")
        _validate.count("steps", self.steps)
        for name in ("clip", "learning_rate"):
            _validate.positive(name, getattr(self, name))
        if self.sampling_rate != 1:
            _validate.fraction("sampling_rate", self.sampling_rate)
        _validate.fraction("averaging", self.averaging)
        _validate.non_negative("public_weight", self.public_weight)

    @property
    def fitted_rounds(self) -> int:
        """The rounds of a fit."""
        return self.rounds if self.until is None else self.until


@dataclass(frozen=True, kw_only=True, slots=True)
class DeepDesign:
    """Prices and parameters of a run, public before it.

    Attributes:
        counts: The method that counts.
        counts_budget: Its part of the budget.
        columns: What the network reads.
        network: What is trained on rows.
        schedule: How.
        event: The price of one round.
        thorough: Whether the price is that of privacy loss distributions.
        scores_mu: Price of a histogram of scores after all rounds; 0 if it is not asked.
        between: What is asked after the counts, before the rounds.
    """

    counts: AllPairs
    counts_budget: Budget
    columns: tuple[str, ...]
    network: Network
    schedule: Schedule
    event: PoissonGaussianEvent
    thorough: bool
    scores_mu: float = 0.0
    between: tuple[Step, ...] = ()

    def plan(self, method: str, schema: Schema) -> Plan:
        """The counts, then the rounds."""
        counts = self.counts.plan(schema, self.counts_budget)
        event, parameters = self.event, parameter_count(self.network, schema.domain)
        rate, multiplier = event.sampling_rate, event.noise_multiplier
        detail = f"{event.steps} steps on {rate:.3g} of the rows, noise {multiplier:.3g}"
        rounds = [Step(label="training", event=event, detail=detail)] * self.schedule.rounds
        after = []
        if self.scores_mu:
            after.append(Step(label="histogram of scores", event=GaussianEvent(mu=self.scores_mu)))
        noise = event.noise_multiplier / math.sqrt(event.steps * self.schedule.rounds)
        return Plan(
            method=method,
            steps=(*counts.steps, *self.between, *rounds, *after),
            expected_error={
                **counts.expected_error,
                "noise of the mean of all summed gradients (clips)": noise,
            },
            memory_bytes=counts.memory_bytes + _BYTES_PER_PARAMETER * parameters,
            seconds=self.schedule.rounds * event.steps * self._step_seconds(parameters),
            thorough=self.thorough,
        )

    def _step_seconds(self, parameters: int) -> float:
        public = _PUBLIC_BATCH if self.schedule.public_weight else 0
        return training_seconds(parameters, self.event.sampling_rate * _NOMINAL_ROWS + public)

    def round(self, state: TrainingState, total: float, public: CodeTable) -> DpSgd:
        """The next round of training."""
        schedule, event = self.schedule, self.event
        return DpSgd(
            network=self.network,
            start=state,
            steps=event.steps,
            sampling_rate=event.sampling_rate,
            noise_multiplier=event.noise_multiplier,
            batch=min(max(event.sampling_rate * total, _LEAST_BATCH), _LARGEST_BATCH),
            public=public,
            public_batch=_PUBLIC_BATCH,
            public_weight=schedule.public_weight,
            clip=schedule.clip,
            learning_rate=schedule.learning_rate,
            averaging=schedule.averaging,
            columns=self.columns,
        )

    def trained(
        self, measurer: Measurer, state: TrainingState, total: float, public: CodeTable
    ) -> TrainingState:
        """The state after all rounds on the same public rows."""
        for _ in range(self.schedule.fitted_rounds):
            asked = self.round(state, total, public)
            state = TrainingState.after(measurer.measure(asked), state.steps + asked.steps)
        return state


def training_seconds(parameters: int, rows: float) -> float:
    """Rough time of gradients of so many rows."""
    return parameters * rows / _PRODUCTS_A_SECOND


class Portion:
    """A measurer that grants a part of the budget.

    Args:
        measurer: Answers.
        budget: What the part may spend.
    """

    def __init__(self, measurer: Measurer, budget: Budget) -> None:
        self.schema = measurer.schema
        self.budget = budget
        self.measure: Callable[[Mechanism], Measurement] = measurer.measure
        self.select: Callable[[Mechanism], int] = measurer.select


def design(
    counts: AllPairs,
    network: Network,
    schema: Schema,
    budget: Budget,
    *,
    share: float,
    schedule: Schedule,
    scores: float = 0.0,
    between: tuple[Step, ...] = (),
) -> DeepDesign:
    """Divide the budget: `share` of it (of mu squared) for training, `scores` of that for a histogram.

    What is asked `between` counts and training has its own Gaussian prices; the counts get what is left.

    Raises:
        MissingExtraError: torch is not installed; nothing is spent then.
        ConfigurationError: The unit or the network cannot be trained on; nothing is spent then.
        BudgetExceededError: The share is too small to train with any noise.
    """
    require("torch", extra="deep")
    mu = mu_of(budget)
    gaussians = tuple(step.event for step in between)
    spent = sum(event.mu**2 for event in gaussians if isinstance(event, GaussianEvent))
    kept = Budget(rho=((1 - share) * mu**2 - spent) / 2, delta=budget.delta)
    scores_mu = mu * math.sqrt(share * scores)
    asked = (GaussianEvent(mu=scores_mu),) if scores else ()
    paid = (*counts.plan(schema, kept).events, *gaussians, *asked)
    thorough = schedule.thorough and budget.rho is None
    event = _round_event(
        paid, budget, schedule.steps, schedule.rounds, 1.0 if budget.rho else schedule.sampling_rate, thorough
    )
    made = DeepDesign(
        counts=counts,
        counts_budget=kept,
        columns=schema.domain.columns,
        network=network,
        schedule=schedule,
        event=event,
        thorough=thorough,
        scores_mu=scores_mu,
        between=between,
    )
    nothing = np.zeros(parameter_count(network, schema.domain), np.float32)
    none = np.zeros((0, len(schema.domain.sizes)), np.int64)
    made.round(TrainingState.fresh(nothing), 0.0, none).check(schema.domain, schema.unit)
    return made


@lru_cache(maxsize=64)
def _round_event(
    paid: tuple[Event, ...], budget: Budget, steps: int, rounds: int, rate: float, thorough: bool
) -> PoissonGaussianEvent:
    """The price of one of equal rounds that together take what `paid` leaves of the budget."""

    def round_at(scale: float) -> PoissonGaussianEvent:
        return PoissonGaussianEvent(sampling_rate=rate, noise_multiplier=1 / scale, steps=steps)

    def events(scale: float) -> Sequence[Event]:
        return (*paid, *(round_at(scale),) * rounds)

    if not thorough:
        return round_at(calibrate(events, budget))
    require("dp_accounting.pld.privacy_loss_distribution", extra="deep")
    low = _low_scale(events, budget)
    high = _MOST_GAIN * low
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if fits(events(middle), budget, thorough=True) else (low, middle)
    return round_at(low)


def _low_scale(events: Callable[[float], Sequence[Event]], budget: Budget) -> float:
    """The scale that the quick accountants pay for; where they pay for none, one found in large steps.

    Raises:
        BudgetExceededError: Privacy loss distributions do not pay for a small scale either.
    """
    scale = _SMALL_SCALE
    try:
        return calibrate(events, budget)
    except BudgetExceededError:
        if not fits(events(scale), budget, thorough=True):
            raise
    while fits(events(2 * scale), budget, thorough=True):
        scale *= 2
    return scale


def as_table(schema: Schema, codes: dict[str, Any]) -> CodeTable:
    """Rows of codes, one column each."""
    return np.stack([codes[name] for name in schema.domain.columns], axis=1).astype(np.int64)


def as_columns(schema: Schema, table: CodeTable) -> dict[str, Any]:
    """The columns of rows of codes."""
    return dict(zip(schema.domain.columns, table.T.astype(np.int32), strict=True))
