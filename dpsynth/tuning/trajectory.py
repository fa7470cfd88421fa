"""Models along one run of DP-SGD: after each round a point, for the price of the run.

The rounds of a run are a plan that is fixed beforehand, so its first t rounds are a plan too, with a price
of their own: epsilon_t, by adaptive composition of their events. A fresh run that was planned to stop there
would cost that much. The models after t rounds follow from the recorded answers, without another look at the
rows; only what a method asks *about* the trained network (the histogram of scores of `hybrid`) is asked again
for each model, and paid.

**Which epsilon counts.** As for `nested`: the points were seen together, so whatever is published of this run
has the price of the whole of it. Stopping where the curve looks best, and stating epsilon_t, would let the
answers decide what was asked (pitfall P16).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import Generator, Plan, Step
from dpsynth.generators.deep import Schedule
from dpsynth.generators.derived import Derived
from dpsynth.generators.fitted import FittedModel
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import mu_of
from dpsynth.privacy.events import Event, GaussianEvent, PoissonGaussianEvent
from dpsynth.tuning.charged import Cells, Estimate, require_metric, scored
from dpsynth.tuning.degraded import Fidelity
from dpsynth.tuning.drafts import Draft
from dpsynth.tuning.methods import Methods, configured, promised, swept
from dpsynth.tuning.paid import Account, Recorder, cost_of, point_of, run_once
from dpsynth.tuning.result import Frontier

if TYPE_CHECKING:
    from dpsynth.ledger import Cap, Ledger
    from dpsynth.mechanisms import Measurement, Mechanism
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Guarantee, Measurer, Source, Transcript

__all__ = ["Along", "TrajectorySweep", "trajectory"]

_MOST = 5  # models that are looked at unless it is said which, the first and the last among them


class Along:
    """A measurer that replays a run up to the end of some round, and pays for what is asked after it.

    Args:
        transcript: The whole run.
        measurer: Pays.
        rounds: So many rounds are replayed.
    """

    def __init__(self, transcript: Transcript, measurer: Measurer, rounds: int) -> None:
        self.schema, self.budget = transcript.schema, transcript.budget
        kinds = [answer.mechanism["type"] for answer in transcript.measurements]
        self._transcript, self._measurer = transcript, measurer
        self._left = iter(range(kinds.index("dp-sgd/1") + rounds))

    def measure(self, mechanism: Mechanism) -> Measurement:
        """The recorded answer, or a paid one.

        Raises:
            ReplayError: The run asked something else here.
        """
        position = next(self._left, None)
        if position is None:
            return self._measurer.measure(mechanism)
        return self._transcript.answer(position, mechanism)

    def select(self, mechanism: Mechanism) -> int:
        """Likewise."""
        return int(self.measure(mechanism).values[0][0])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrajectorySweep:
    """Runs a method that trains, and looks at its models on the way.

    Attributes:
        generator: The method.
        epsilon: Of the run without looking.
        delta: Of it, and of the sweep.
        rounds: After which rounds; sorted, the last one is the end of the run.
        score_share: The price of all scores, as part of that of the run (of mu squared).

    Privacy: the plan of the method; for each model on the way what the plan asks after training; then
        `NoisyScores` of all models. All of it is fixed beforehand, the rest is post-processing.
    """

    name: ClassVar[str] = "trajectory"
    holds_zeros: ClassVar[bool] = True  # the method is one that `with_constraints` gave

    generator: Generator
    epsilon: float
    delta: float
    rounds: tuple[int, ...]
    score_share: float = field(default=0.05)

    def __post_init__(self) -> None:
        _validate.fraction("score_share", self.score_share)

    @property
    def budget(self) -> Budget:
        """Of the run."""
        return Budget(epsilon=self.epsilon, delta=self.delta)

    @property
    def score_mu(self) -> float:
        """The price of the scores."""
        return mu_of(self.budget) * math.sqrt(self.score_share)

    def plan(self, schema: Schema, budget: Budget) -> Plan:  # noqa: ARG002 - a sweep has its own price
        """The run, what is asked again on the way, the scores."""
        plan = self.generator.plan(schema, self.budget)
        _, _, after = _parts(plan)
        scores = Step(label="scores of all points", event=GaussianEvent(mu=self.score_mu))
        return replace(plan, method=self.name, steps=(*plan.steps, *after * (len(self.rounds) - 1), scores))

    def fit(
        self, measurer: Measurer, *, rng: int | None = None
    ) -> tuple[list[Draft], list[dict[str, Estimate]]]:
        """Run, fit the models on the way, score them all."""
        seed: Any = np.random.SeedSequence(rng).entropy
        recorder, begun = Recorder(measurer, self.budget), time.perf_counter()
        last = self.generator.fit(recorder, rng=np.random.default_rng(seed))
        whole = Draft(model=last, seconds=time.perf_counter() - begun, fidelity=Fidelity())
        drafts = [self._after(rounds, recorder.transcript, measurer, seed) for rounds in self.rounds[:-1]]
        rows = max(round(last.total), 1)
        codes = last.sample_codes(rows, np.random.default_rng(seed))
        cells = Cells.of(measurer.schema, codes, models=len(self.rounds))
        counted = [
            one.counted(cells, rows, np.random.default_rng([seed, number]))
            for number, one in enumerate([*drafts, whole])
        ]
        return counted, scored(measurer, cells, [one.counts for one in counted], mu=self.score_mu, rows=rows)

    def _after(self, rounds: int, transcript: Transcript, measurer: Measurer, seed: Any) -> Draft:
        begun = time.perf_counter()
        stopped = _stopped(self.generator, rounds)
        model = stopped.fit(Along(transcript, measurer, rounds), rng=np.random.default_rng(seed))
        return Draft(model=model, seconds=time.perf_counter() - begun, fidelity=Fidelity())

    def events_after(self, rounds: int, schema: Schema) -> tuple[Event, ...]:
        """What a run asks that was planned to stop after so many rounds."""
        before, training, after = _parts(self.generator.plan(schema, self.budget))
        return tuple(step.event for step in (*before, *training[:rounds], *after))


def trajectory(  # noqa: PLR0913 - what is run, who pays, and where it is kept
    source: Source,
    schema: Schema,
    *,
    methods: Methods,
    epsilons: float | Sequence[float],
    delta: float = 1e-9,
    ledger: Ledger,
    dataset: str,
    rounds: Sequence[int] | None = None,
    cap: Cap | None = None,
    target: str | None = None,
    score_share: float = 0.05,
    metric: str = "k_marginal",
    folder: str | Path | None = None,
    rng: int | None = None,
) -> Frontier:
    """How a model grows with the rounds of its training, from one charge on the private table.

    Args:
        source: The private table: a path or a frame.
        schema: Complete, declared.
        methods: One that trains on rows: `dpvae`, `dpgan` or `hybrid`.
        epsilons: Of the run, the largest if there are several; looking costs a little more. The epsilons of
            the points are those of its rounds.
        delta: Of it, and of the sweep.
        ledger: Where the price is recorded.
        dataset: The account of the people in the table.
        rounds: After which rounds models are looked at; 0 is before training. The end of the run is one in
            any case. None: five at most, evenly.
        cap: Ceiling of the account if it is new.
        target: A column that is predicted later.
        score_share: The price of all scores, as part of that of the run (of mu squared).
        metric: `k_marginal` or `pair_accuracy`.
        folder: Keeps what was paid for, and the model of each point as a file. The same call goes on from it
            where it was interrupted, at no second price. Needs the same ledger and, as all training, the same
            machine.
        rng: Seed of the post-processing. Noise that protects takes no seed.

    Returns:
        The frontier. Its cost is that of the whole sweep, and holds for whatever is published of it.

    Raises:
        ConfigurationError: There are several methods, or the one does not train in rounds, or in fewer.
        BudgetExceededError: The account has no room; nothing was drawn.

    Privacy: one session, one reservation: see `TrajectorySweep`.
    """
    require_metric(schema, metric)
    chosen = configured(methods, schema=schema, target=target)
    if len(chosen) > 1:
        raise ConfigurationError(f"A trajectory is that of one method, not of {list(chosen)}.")
    ((label, generator),) = chosen.items()
    epsilon = swept([epsilons] if isinstance(epsilons, (int, float)) else epsilons)[-1]
    place = None if folder is None else Path(folder)
    sweep = TrajectorySweep(
        generator=generator,
        epsilon=epsilon,
        delta=delta,
        rounds=_wanted(rounds, _schedule(generator).rounds),
        score_share=score_share,
    )
    account = Account(ledger=ledger, dataset=dataset, cap=cap)
    (drafts, estimates), guarantee = run_once(source, sweep, schema, account, rng=rng, folder=place)
    if place is not None:
        _save_models(place, sweep, drafts, guarantee)
    promise = promised(generator, schema, epsilon=epsilon, delta=delta)
    points = []
    for number, draft, estimate in zip(sweep.rounds, drafts, estimates, strict=True):
        events = sweep.events_after(number, schema)
        spent = price(events, delta=delta, thorough=promise.plan.thorough).epsilon
        points.append(
            point_of(
                label,
                events,
                budget=Budget(epsilon=spent, delta=delta),
                estimates=[estimate],
                seconds=[draft.seconds],
                reliable=promise.reliable,
                note=f"After {number} of {sweep.rounds[-1]} rounds. Published from this run: epsilon = "
                f"{guarantee.epsilon:.4g}; a fresh run planned to stop here has epsilon = {spent:.4g}.",
            )
        )
    words = f"one charge of epsilon = {guarantee.epsilon:.4g}: one run of {label}, and the scores"
    cost, disclosure = cost_of(guarantee, words)
    return Frontier(
        mode="trajectory",
        metric=metric,
        points=tuple(points),
        cost=cost,
        disclosure=disclosure,
        notes=(
            "All points share the counts, the noise and the learning rates of one run; a run planned for "
            "fewer rounds at the same epsilon would have less noise in each.",
            "Whatever is published of this run has the epsilon of its cost: the points were seen together.",
        ),
    )


def _parts(plan: Plan) -> tuple[tuple[Step, ...], tuple[Step, ...], tuple[Step, ...]]:
    """What is asked before, in, and after the rounds."""
    trained = [place for place, step in enumerate(plan.steps) if isinstance(step.event, PoissonGaussianEvent)]
    first, end = trained[0], trained[-1] + 1
    return plan.steps[:first], plan.steps[first:end], plan.steps[end:]


def _schedule(generator: Generator) -> Schedule:
    plain = generator.inner if isinstance(generator, Derived) else generator
    found = getattr(plain, "schedule", None)
    if not isinstance(found, Schedule):
        raise ConfigurationError(
            f"The method {generator.name!r} does not train in rounds. Methods that count have `nested`."
        )
    return found


def _stopped(generator: Generator, rounds: int) -> Generator:
    """The method, giving its model after so many rounds."""
    if isinstance(generator, Derived):
        return replace(generator, inner=_stopped(generator.inner, rounds))
    stopped: Generator = replace(generator, schedule=replace(_schedule(generator), until=rounds))  # type: ignore[type-var]  # a dataclass, as it has a schedule
    return stopped


def _wanted(rounds: Sequence[int] | None, last: int) -> tuple[int, ...]:
    """After which rounds, sorted, the end among them."""
    if rounds is None:
        return tuple(sorted({round(place) for place in np.linspace(0, last, min(_MOST, last + 1))}))
    found = sorted({_validate.count("rounds", one, least=0) for one in rounds} | {last})
    if found[-1] > last:
        raise ConfigurationError(f"Expected rounds of the run, which has {last}, got {found[-1]}.")
    return tuple(found)


def _save_models(folder: Path, sweep: TrajectorySweep, drafts: Sequence[Draft], guarantee: Guarantee) -> None:
    """One file for each point, with the guarantee of the whole run."""
    (folder / "models").mkdir(exist_ok=True)
    for rounds, draft in zip(sweep.rounds, drafts, strict=True):
        path = folder / "models" / f"{sweep.generator.name}-after-{rounds}.dps"
        if not path.exists():
            FittedModel(model=draft.model, guarantee=guarantee).save(path)
