"""Many epsilons from one charge: measure once at the largest, and add noise for the others.

Each method runs once, at the largest epsilon, and its answers are kept. At a smaller one it is fitted again,
by its own code, to answers of `Degraded`. In the end all models are scored together. All of this is one
session with one price, and everything that comes out of it is covered by that price: any point may be
published, and its guarantee is then the one of the whole run.

**Which epsilon counts.** A point at epsilon' tells what a *fresh run* at epsilon' would give. It does not
make the paid run cheaper: whoever saw the points has seen the run at its full price. What `Degraded` says
about epsilon' itself holds only for a release of that one point, fixed beforehand, with no other seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import Generator, Model, Plan, Step
from dpsynth.generators.earlier import origin
from dpsynth.generators.fitted import FittedModel
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import mu_of
from dpsynth.privacy.events import ExponentialEvent, GaussianEvent
from dpsynth.session.configuration import configuration_of
from dpsynth.tuning.charged import Cells, Estimate, scored
from dpsynth.tuning.degraded import Degraded, Fidelity
from dpsynth.tuning.drafts import Draft, kept
from dpsynth.tuning.methods import Methods, configured, swept
from dpsynth.tuning.paid import Account, Recorder, cost_of, point_of, price_of, run_once
from dpsynth.tuning.result import Frontier
from dpsynth.tuning.runs import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dpsynth.ledger import Cap, Ledger
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Guarantee, Measurer, Source, Transcript

__all__ = ["NestedSweep", "nested", "nested_price"]

_COUNTED = (GaussianEvent, ExponentialEvent)
_NOTES = (
    "A point tells what a fresh run at its epsilon would give. Whatever is published of this run, at any point, "
    "has the epsilon of its cost: the points were seen together.",
    "Replicates share the noise of the paid run, more of it the nearer they are to the largest epsilon; they "
    "state no rate for a choice.",
)


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
        drafts: The model of each place.
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
        return mu_of(self.top) * self.score_share**0.5

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
                    f"The method {label!r} does not count and choose by a fixed plan, so one run of it does not "
                    "tell what it would do at a smaller epsilon. Sweep it over public data, or as a trajectory."
                )
            steps += [Step(label=f"{label}: {one.label}", event=one.event) for one in plan.steps]
            memory = max(memory, plan.memory_bytes)
        steps.append(Step(label="scores of all points", event=GaussianEvent(mu=self.score_mu)))
        return Plan(method=self.name, steps=tuple(steps), memory_bytes=memory)

    def fit(self, measurer: Measurer, *, rng: int | None = None) -> Found:
        """Measure with each method, fit all points, score them."""
        seed = np.random.SeedSequence(rng).entropy
        records: dict[str, Transcript] = {}
        tops: dict[str, Draft] = {}
        for number, (label, generator) in enumerate(self.generators.items()):
            recorder, begun = Recorder(measurer, self.top), time.perf_counter()
            model = generator.fit(recorder, rng=np.random.default_rng([seed, number]))
            records[label] = recorder.transcript
            tops[label] = Draft(model=model, seconds=time.perf_counter() - begun, fidelity=Fidelity())
        first = next(iter(tops.values())).model
        cells, rows = Cells.of(measurer.schema, first), max(round(first.total), 1)

        def draft(place: Place) -> Draft:
            key = digest_of([origin(records[place.method]), self._key(place), str(seed), rows])
            path = None if self.folder is None else self.folder / "points" / f"{key}.zip"
            return kept(path, measurer.schema, lambda: made(place))

        def made(place: Place) -> Draft:
            source = np.random.default_rng([seed, *bytes.fromhex(digest_of(self._key(place)))[:16]])
            top = place.epsilon == self.epsilons[-1]
            one = tops[place.method] if top else self._fitted(place, records[place.method], source)
            return one.counted(cells, rows, source)

        drafts = dict(zip(self.places, self._all(draft), strict=True))
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

    def _all(self, draft: Callable[[Place], Draft]) -> Iterator[Draft]:
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


def nested_price(
    *, schema: Schema, methods: Methods, epsilons: Sequence[float], delta: float, score_share: float = 0.05
) -> Budget:
    """What `nested` will cost. No data is opened.

    Raises:
        ConfigurationError: As for `nested`.
    """
    sweep = NestedSweep(
        generators=configured(methods, schema=schema),
        epsilons=swept(epsilons),
        delta=delta,
        score_share=score_share,
    )
    return price_of(sweep, schema)


def nested(  # noqa: PLR0913 - what is run, who pays, and where it is kept
    source: Source,
    *,
    schema: Schema,
    methods: Methods,
    epsilons: Sequence[float],
    delta: float,
    ledger: Ledger,
    dataset: str,
    cap: Cap | None = None,
    target: str | None = None,
    replicates: int = 1,
    score_share: float = 0.05,
    metric: str = "k_marginal",
    folder: str | Path | None = None,
    workers: int = 1,
    rng: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Frontier:
    """A frontier from one charge on the private table.

    Args:
        source: The private table: a path or a frame.
        schema: Complete, declared.
        methods: Those that count and choose by a fixed plan: `independent`, `allpairs`, `mst`, `privbayes`.
        epsilons: Where; each method runs at the largest of them.
        delta: Of each release, and of the sweep.
        ledger: Where the price is recorded.
        dataset: The account of the people in the table.
        cap: Ceiling of the account if it is new.
        target: A column that is predicted later, for the methods that can favour one.
        replicates: So many times noise is added for each smaller epsilon.
        score_share: The price of all scores, as part of that of one method (of mu squared).
        metric: `k_marginal` or `pair_accuracy`.
        folder: Keeps what was paid for, each fitted point, and the model of each point as a file. The same
            call goes on from it where it was interrupted, at no second price. Needs the same ledger.
        workers: Threads for the fits.
        rng: Seed of the post-processing. Noise that protects takes no seed.
        progress: Told after each point: how many are done, of how many.

    Returns:
        The frontier. Its cost is that of the whole sweep, and holds for whatever is published of it.

    Raises:
        ConfigurationError: A method cannot be read at smaller epsilons, or an argument makes no sense.
        BudgetExceededError: The account has no room; nothing was drawn.
        PrivacyError: A process died in the middle of a draw. Its price stays spent.

    Privacy: one session, one reservation: see `NestedSweep`.
    """
    place = None if folder is None else Path(folder)
    sweep = NestedSweep(
        generators=configured(methods, schema=schema, target=target),
        epsilons=swept(epsilons),
        delta=delta,
        replicates=replicates,
        score_share=score_share,
        workers=workers,
        folder=place,
        progress=progress,
    )
    _validate.one_of("metric", metric, ("k_marginal", "pair_accuracy"))
    found, guarantee = run_once(
        source,
        sweep,
        schema,
        Account(ledger=ledger, dataset=dataset, cap=cap),
        rng=rng,
        folder=place,
    )
    if place is not None:
        _save_models(place, found, guarantee)
    return _frontier(sweep, schema, found, guarantee, metric)


def _frontier(
    sweep: NestedSweep, schema: Schema, found: Found, guarantee: Guarantee, metric: str
) -> Frontier:
    words = (
        f"one charge of epsilon = {guarantee.epsilon:.4g}: each method once at epsilon = "
        f"{sweep.epsilons[-1]:g}, and the scores"
    )
    cost, disclosure = cost_of(guarantee, words)
    points = []
    for label, generator in sweep.generators.items():
        for epsilon in sweep.epsilons:
            places = [one for one in sweep.places if (one.method, one.epsilon) == (label, epsilon)]
            drafts = [found.drafts[one] for one in places]
            points.append(
                point_of(
                    label,
                    generator,
                    schema,
                    budget=Budget(epsilon=epsilon, delta=sweep.delta),
                    estimates=[found.estimates[one] for one in places],
                    seconds=[one.seconds for one in drafts],
                    note=f"{drafts[0].fidelity.in_words()} Published from this run: epsilon = "
                    f"{guarantee.epsilon:.4g}; a fresh run has epsilon = {epsilon:g}.",
                )
            )
    lowest = {one.method: one for one in points if one.epsilon == sweep.epsilons[-1]}.get("independent")
    return Frontier(
        mode="nested",
        metric=metric,
        points=tuple(points),
        cost=cost,
        ceiling=found.ceiling,
        floor={} if lowest is None else {name: band.median for name, band in lowest.utility.items()},
        disclosure=disclosure,
        notes=_NOTES,
    )


def _save_models(folder: Path, found: Found, guarantee: Guarantee) -> None:
    """One file for each point, with the guarantee of the whole run."""
    (folder / "models").mkdir(exist_ok=True)
    for place, draft in found.drafts.items():
        path = folder / "models" / f"{place.method}-{place.epsilon:g}.dps"
        if place.replicate == 0 and not path.exists():
            FittedModel(model=draft.model, guarantee=guarantee).save(path)
