"""One run of each method, read at many epsilons: what a session is asked, and what is made of the answers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, ReplayError
from dpsynth.generators.base import Generator, Plan, Step
from dpsynth.generators.earlier import origin
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import mu_of
from dpsynth.privacy.events import ExponentialEvent, GaussianEvent
from dpsynth.session.configuration import configuration_of
from dpsynth.tuning.charged import Cells, Estimate, scored
from dpsynth.tuning.degraded import Degraded, Fidelity
from dpsynth.tuning.drafts import Draft, kept
from dpsynth.tuning.paid import Recorder
from dpsynth.tuning.runs import digest_of

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Measurer, Transcript

__all__ = ["Found", "NestedSweep", "Place"]

_COUNTED = (GaussianEvent, ExponentialEvent)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One model of a sweep."""

    method: str
    epsilon: float
    replicate: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a sweep found.

    Attributes:
        drafts: The model of each place that could be read from the paid run.
        estimates: Its scores.
        ceiling: By metric.
    """

    drafts: Mapping[Place, Draft]
    estimates: Mapping[Place, Mapping[str, Estimate]]
    ceiling: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NestedSweep:
    """Runs each method once at the largest epsilon, then reads it at the others.

    Attributes:
        generators: By label.
        epsilons: Sorted.
        delta: Of each release.
        replicates: So many times noise is added for each smaller epsilon.
        score_share: The price of all scores, as part of that of one method (of mu squared).
        workers: Threads for the fits.
        folder: Where fitted points are kept; None keeps none.
        progress: Told after each point.

    Privacy: the plans of the methods, one after the other, then `NoisyScores` of all models. Prices are fixed
        beforehand. Everything at a smaller epsilon is post-processing (see `degraded`).
    """

    name: ClassVar[str] = "nested sweep"
    holds_zeros: ClassVar[bool] = True  # every method is one that `with_constraints` gave

    generators: Mapping[str, Generator]
    epsilons: tuple[float, ...]
    delta: float
    replicates: int = 1
    score_share: float = 0.05
    workers: int = field(default=1, repr=False)
    folder: Path | None = field(default=None, repr=False)
    progress: Callable[[int, int], None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _validate.count("replicates", self.replicates)
        _validate.count("workers", self.workers)
        _validate.fraction("score_share", self.score_share)

    @property
    def top(self) -> Budget:
        """At which each method runs."""
        return self._budget(self.epsilons[-1])

    @property
    def score_mu(self) -> float:
        """The price of the scores."""
        return mu_of(self.top) * math.sqrt(self.score_share)

    def plan(self, schema: Schema, budget: Budget) -> Plan:  # noqa: ARG002 - a sweep has its own price
        """The plan of each method at the largest epsilon, then the scores.

        Raises:
            ConfigurationError: A method trains, or chooses its noise levels as it goes.
        """
        steps, memory = [], 0
        for label, generator in self.generators.items():
            plan = generator.plan(schema, self.top)
            if plan.adaptive or not all(isinstance(event, _COUNTED) for event in plan.events):
                raise ConfigurationError(
                    f"The method {label!r} does not count and choose by a fixed plan, so one run of it does "
                    "not tell what it would do at a smaller epsilon. Sweep it over public data, or as a "
                    "trajectory."
                )
            steps += [Step(label=f"{label}: {one.label}", event=one.event) for one in plan.steps]
            memory = max(memory, plan.memory_bytes)
        steps.append(Step(label="scores of all points", event=GaussianEvent(mu=self.score_mu)))
        return Plan(method=self.name, steps=tuple(steps), memory_bytes=memory)

    def fit(self, measurer: Measurer, *, rng: int | None = None) -> Found:
        """Measure with each method, fit all points, score them."""
        seed: Any = np.random.SeedSequence(rng).entropy
        records: dict[str, Transcript] = {}
        tops: dict[str, Draft] = {}
        for number, (label, generator) in enumerate(self.generators.items()):
            recorder, begun = Recorder(measurer, self.top), time.perf_counter()
            model = generator.fit(recorder, rng=np.random.default_rng([seed, number]))
            records[label] = recorder.transcript
            tops[label] = Draft(model=model, seconds=time.perf_counter() - begun, fidelity=Fidelity())
        first = next(iter(tops.values())).model
        rows = max(round(first.total), 1)
        codes = first.sample_codes(rows, np.random.default_rng(seed))
        cells = Cells.of(measurer.schema, codes, models=len(self.places))

        def draft(place: Place) -> Draft | None:
            key = digest_of([origin(records[place.method]), self._key(place), str(seed), rows])
            path = None if self.folder is None else self.folder / "points" / f"{key}.zip"
            try:
                return kept(path, measurer.schema, lambda: made(place))
            except ReplayError:  # what is paid is not lost for one point that cannot be read
                return None

        def made(place: Place) -> Draft:
            source = np.random.default_rng([seed, *bytes.fromhex(digest_of(self._key(place)))[:16]])
            top = place.epsilon == self.epsilons[-1]
            one = tops[place.method] if top else self._fitted(place, records[place.method], source)
            return one.counted(cells, rows, source)

        every = zip(self.places, self._all(draft), strict=True)
        drafts = {place: one for place, one in every if one is not None}
        counts = [one.counts for one in drafts.values()]
        estimates = scored(measurer, cells, counts, mu=self.score_mu, rows=rows)
        found = dict(zip(drafts, estimates, strict=True))
        best = max(found, key=lambda place: found[place]["pair_accuracy"].value)
        return Found(drafts=drafts, estimates=found, ceiling=cells.ceiling(drafts[best].counts))

    @property
    def places(self) -> tuple[Place, ...]:
        """All models, the largest epsilon once: there noise is added to nothing."""
        return tuple(
            Place(method=label, epsilon=epsilon, replicate=replicate)
            for label in self.generators
            for epsilon in self.epsilons
            for replicate in range(1 if epsilon == self.epsilons[-1] else self.replicates)
        )

    def _fitted(self, place: Place, transcript: Transcript, source: np.random.Generator) -> Draft:
        begun = time.perf_counter()
        measurer = Degraded(transcript, self._budget(place.epsilon), source)
        model = self.generators[place.method].fit(measurer, rng=source)
        return Draft(model=model, seconds=time.perf_counter() - begun, fidelity=measurer.fidelity)

    def _all(self, draft: Callable[[Place], Draft | None]) -> Iterator[Draft | None]:
        with ThreadPoolExecutor(self.workers) as pool:
            for done, one in enumerate(pool.map(draft, self.places), start=1):
                if self.progress is not None:
                    self.progress(done, len(self.places))
                yield one

    def _key(self, place: Place) -> list[object]:
        chosen = configuration_of(self.generators[place.method])
        return [place.method, chosen, place.epsilon, self.delta, place.replicate]

    def _budget(self, epsilon: float) -> Budget:
        return Budget(epsilon=epsilon, delta=self.delta)
