"""The best of a random number of runs: each measures and scores itself, and only the winner leaves this file.

What is selected from, how often at most in the mean, and what one run may spend is fixed and paid before the
first run. The number of runs, the losers, their scores, errors and warnings are never shown: the price of a
selection is that of telling the winner and nothing else (Papernot and Steinke, 2022).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms.base import Measurement
from dpsynth.mechanisms.repetitions import drawn_index, drawn_number, drawn_seed
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.composition import compose, up
from dpsynth.privacy.events import ComposedEvent, Event, RepeatSelectEvent, ZCDPEvent
from dpsynth.privacy.repeats import Repetitions
from dpsynth.session._draws import Draws
from dpsynth.session.measurer import Door, Fits, Judges
from dpsynth.session.plan import Plan

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema

__all__ = ["Best", "Candidates", "best_run"]

FittedT = TypeVar("FittedT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates(Generic[FittedT]):
    """What is selected from, and how. All of it is public, and fixed before the first run.

    Attributes:
        generators: The configured methods. Each run takes one of them, whatever other runs took.
        judge: Rates the model of a run on measurements that the run pays for.
        base: What one run may spend, its score included.
        repetitions: Law of the number of runs.
        weights: In proportion to the chance that a run takes this generator; empty: all alike.
        share: Part of the base budget that is for the score.
    """

    generators: Sequence[Fits[FittedT]]
    judge: Judges[FittedT]
    base: Budget
    repetitions: Repetitions = field(default_factory=Repetitions)
    weights: Sequence[float] = ()
    share: float = 0.1

    def __post_init__(self) -> None:
        _validate.fraction("share", self.share)
        if not self.generators or len(self.weights) not in {0, len(self.generators)}:
            raise ConfigurationError("Expected at least one generator, and one weight for each or none.")
        for weight in self.weights:
            _validate.positive("weight", weight)

    @property
    def measured(self) -> Budget:
        """What the generator of one run may spend."""
        return self._part(1 - self.share)

    @property
    def judged(self) -> Budget:
        """What the score of one run may spend."""
        return self._part(self.share)

    def _part(self, share: float) -> Budget:
        # Rounded down by far more than any rounding, so that two parts never cost more than the whole.
        epsilon, rho = (
            None if one is None else share * one * (1 - 1e-12) for one in (self.base.epsilon, self.base.rho)
        )
        delta = self.base.delta if rho is not None else share * self.base.delta
        return Budget(epsilon=epsilon, rho=rho, delta=delta)

    def plans(self, schema: Schema) -> tuple[tuple[Plan, ...], Plan]:
        """The plan of each generator, and that of the judge. Uses no data."""
        judging = self.judge.plan(schema, self.judged)
        if judging.adaptive:
            raise ConfigurationError("The plan of a judge is fixed: its steps are the same for every model.")
        return tuple(one.plan(schema, self.measured) for one in self.generators), judging

    def event(self, plans: Sequence[Plan], judging: Plan) -> RepeatSelectEvent:
        """What the selection costs: the winner of runs of which each follows one of `plans`.

        Where every run has a rho, one run costs what the dearest of them does: a Gaussian and a zCDP step of
        one rho have the same divergences. An adaptive plan counts as the whole that its filter keeps to.
        """
        runs = [(*plan.events, *judging.events) for plan in plans]
        whole = [compose(run) for run in runs]
        known = [one.rho for one in whole if one.rho is not None and one.protected and not one.failure]
        alternatives: Sequence[Event] = list(dict.fromkeys(ComposedEvent(events=run) for run in runs))
        if len(known) == len(runs):
            alternatives = [ZCDPEvent(rho=up(max(known)))]
        return self.repetitions.event(alternatives)


@dataclass(frozen=True, kw_only=True, slots=True)
class Best(Generic[FittedT]):
    """The winner. It is all that a selection tells.

    Attributes:
        model: Its model.
        generator: Its configured method.
        place: Of its generator among the candidates, counted from 0.
        score: Its own noisy score. As the best of several it is on average too good.
        seed: Of its post-processing: `generator.fit(Replay(transcript), rng=seed)` gives the model again.
        plan: The plan of its generator.
        measurements: What its generator measured.
    """

    model: FittedT
    generator: Fits[FittedT]
    place: int
    score: float
    seed: int
    plan: Plan = field(repr=False)
    measurements: tuple[Measurement, ...] = field(repr=False)


def best_run(
    candidates: Candidates[FittedT],
    event: RepeatSelectEvent,
    plans: tuple[Sequence[Plan], Plan],
    schema: Schema,
    table: Any,
) -> Best[FittedT] | None:
    """Run them and keep the best; None if no run gave a model.

    Privacy: `event` is in the ledger. Each run commits one of `plans` and that of the judge, so it spends
        one of the alternatives of `event`. A run that fails counts as the worst. Ties go to the earlier run,
        which of independent runs is a random one.
    """
    best: Best[FittedT] | None = None
    weights = candidates.weights or [1.0] * len(candidates.generators)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(drawn_number(event)):
            place = drawn_index(weights)
            try:
                run = _run(candidates, place, plans[0][place], plans[1], schema, table)
            except Exception:  # noqa: BLE001, S112 - that a run failed, and why, is not shown
                continue
            if best is None or run.score > best.score:
                best = run
    return best


def _run(
    candidates: Candidates[FittedT], place: int, plan: Plan, judging: Plan, schema: Schema, table: Any
) -> Best[FittedT]:
    generator, seed = candidates.generators[place], drawn_seed()
    asked, rated = Draws(schema.unit), Draws(schema.unit)
    asked.commit(plan)
    rated.commit(judging)
    model = generator.fit(
        Door(schema, candidates.measured, lambda mechanism: asked.draw(mechanism, table)), rng=seed
    )
    asked.finish()
    score = candidates.judge.score(
        model, Door(schema, candidates.judged, lambda mechanism: rated.draw(mechanism, table))
    )
    rated.finish()
    return Best(
        model=model,
        generator=generator,
        place=place,
        score=-math.inf if math.isnan(score) else float(score),
        seed=seed,
        plan=plan,
        measurements=tuple(asked.measurements),
    )
