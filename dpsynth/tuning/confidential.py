"""A frontier on the private rows themselves: paid run by run, or for their owner's eyes only.

The tutorials' way, made honest. *Accounted*: each run and each score is charged to the ledger of the data,
and scores are noisy, since an exact score is a function of private rows too. Every model may then be
released, and so may the choice among them. *Not accounted*: runs cost nothing and scores are exact, so
nothing of it may guide a release: the picture says so, and every model that is kept carries a taint that a
release refuses.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.errors import StorageError
from dpsynth.evaluation.published import published_scores
from dpsynth.evaluation.results import CONFIDENTIAL, Disclosure
from dpsynth.generators.fitted import FittedModel
from dpsynth.ledger import Spend
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import mu_of
from dpsynth.privacy.events import GaussianEvent
from dpsynth.release.pipeline import fit_table
from dpsynth.session.configuration import configuration_of
from dpsynth.tuning.assembly import swept_runs
from dpsynth.tuning.methods import Methods, configured, promised, swept
from dpsynth.tuning.result import Band, Cost, Frontier, FrontierPoint
from dpsynth.tuning.runs import Bench, Progress, Run, digest_of, store, stored

if TYPE_CHECKING:
    import pandas as pd

    from dpsynth.generators.base import Generator, Plan
    from dpsynth.ledger import Cap, Ledger
    from dpsynth.privacy.events import Event
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Source

__all__ = ["accounted", "unaccounted"]


def unaccounted(  # noqa: PLR0913 - the rows, what is run on them, and where it is kept
    frame: pd.DataFrame,
    schema: Schema,
    *,
    methods: Methods,
    epsilons: Sequence[float],
    delta: float = 1e-9,
    replicates: int = 3,
    metric: str = "k_marginal",
    target: str | None = None,
    holdout: pd.DataFrame | None = None,
    protected: Sequence[str] = (),
    models: str | Path | None = None,
    cache: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Frontier:
    """Full runs on private rows that nobody pays for, and exact scores: for research, never for a release.

    Args:
        frame: The rows.
        schema: Complete.
        methods: Names, or configured generators.
        epsilons: Where.
        delta: Of each run.
        replicates: Runs at each point.
        metric: `k_marginal`, `pair_accuracy`, or with a target `tstr`.
        target: A column that models predict.
        holdout: Private rows that no run sees, for the test of models.
        protected: Columns whose groups are looked at.
        models: A folder for the models, each with a taint that a release refuses; None keeps none.
        cache: A folder that keeps each run. It is as confidential as the rows.
        workers: Processes.
        progress: Told after each run.

    Privacy: none. Scores are plain functions of private rows. The result is `CONFIDENTIAL`, its cost says
        `accounted=False`, and an epsilon or a method that was chosen by it follows the private rows.
    """
    bench = Bench(
        frame=frame,
        schema=schema,
        generators=configured(methods, schema=schema, target=target),
        delta=delta,
        holdout=holdout,
        target=target,
        protected=tuple(protected),
        models=None if models is None else Path(models),
    )
    return swept_runs(
        "confidential",
        bench,
        epsilons=swept(epsilons),
        replicates=replicates,
        metric=metric,
        cost=Cost(words="runs and exact scores on the private rows that no ledger has", accounted=False),
        disclosure=CONFIDENTIAL,
        notes=(
            "What is chosen by this picture follows the private rows and is covered by no guarantee. Choose "
            "by a mode that is paid, or free of private rows, before a release.",
        ),
        cache=cache,
        workers=workers,
        progress=progress,
    )


def accounted(  # noqa: PLR0913 - who pays, for what, from which account
    source: Source,
    schema: Schema,
    *,
    methods: Methods,
    epsilons: Sequence[float],
    delta: float = 1e-9,
    replicates: int = 1,
    score_epsilon: float = 0.1,
    score_delta: float = 1e-10,
    target: str | None = None,
    ledger: Ledger,
    dataset: str,
    cap: Cap | None = None,
    models: str | Path,
    progress: Progress | None = None,
) -> Frontier:
    """Full runs on private rows, each charged, each judged by a noisy score that is charged as well.

    Args:
        source: The private table: a path or a frame.
        schema: Complete.
        methods: Names, or configured generators.
        epsilons: Where.
        delta: Of each run.
        replicates: Runs at each point; each one costs.
        score_epsilon: Of the score of each run.
        score_delta: Likewise.
        target: A column that is predicted later, for methods that can favour one.
        ledger: Where it is recorded.
        dataset: The account of the people in the table.
        cap: Ceiling of the account when it is new.
        models: A folder for all models; any may be released. It keeps the scores too: the same call with the
            same account pays nothing a second time, and goes on where it was interrupted. The account stands
            for the table: a table that has changed needs another folder.
        progress: Told after each run.

    Returns:
        A frontier by `pair_accuracy`, whose cost is all runs and scores together.

    Raises:
        BudgetExceededError: The account has no room for all that is left to run. Nothing was drawn.
        StorageError: A score in the folder is damaged.

    Privacy: all parameters are fixed before the first draw, so the price is that of everything together. Each
        run and each score is in the ledger before its first draw.
    """
    generators = configured(methods, schema=schema, target=target)
    grid = swept(epsilons)
    sweep = _Sweep(
        source=source,
        schema=schema,
        generators=generators,
        delta=delta,
        score=Budget(epsilon=score_epsilon, delta=score_delta),
        ledger=ledger,
        dataset=dataset,
        cap=cap,
        folder=Path(models),
    )
    runs = [
        Run(method=label, epsilon=epsilon, replicate=replicate)
        for replicate in range(replicates)
        for epsilon in grid
        for label in generators
    ]
    sweep.require_room(runs)
    paid: dict[Run, _Paid] = {}
    for run in runs:
        paid[run] = sweep.paid(run)
        if progress is not None:
            progress(len(paid), len(runs))
    return sweep.frontier(paid)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Paid:
    """What one paid run told."""

    accuracy: float
    half_width: float
    epsilon: float
    delta: float
    releases: tuple[str, str]
    seconds: float
    tainted: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Sweep:
    """One account, one folder."""

    source: Source
    schema: Schema
    generators: dict[str, Generator]
    delta: float
    score: Budget
    ledger: Ledger
    dataset: str
    cap: Cap | None
    folder: Path

    def require_room(self, runs: Sequence[Run]) -> None:
        """Refuse a sweep that the account cannot pay to its end. What is in the folder was paid before."""
        account = self.ledger.account(self.dataset, str(self.schema.unit), cap=self.cap)
        left = [run for run in runs if stored(self.folder, f"{self._name(run)}.json") is None]
        spends = []
        for run in left:
            if not (self.folder / f"{self._name(run)}.dps").is_file():
                plan = self._plan(run)
                spends.append(_spend(plan.events, self.delta, adaptive=plan.adaptive))
            spends.append(_spend((self._score_event(),), self.score.delta))
        if spends:
            self.ledger.require_room(account, spends)

    def paid(self, run: Run) -> _Paid:
        """The run and its score; from the folder if they were paid for."""
        name = self._name(run)
        text = stored(self.folder, f"{name}.json")
        if text is not None:
            return _read(text)
        begun = time.perf_counter()
        fitted = self._fitted(run, name)
        seconds = time.perf_counter() - begun
        found = published_scores(
            self.source,
            fitted.sample().frame,
            self.schema,
            budget=self.score,
            ledger=self.ledger,
            dataset=self.dataset,
        )
        told = next(one for one in found if one.name == "published_tvd2")
        low, high = told.interval or (math.nan, math.nan)
        promise, price_of_score = fitted.guarantee, told.disclosure
        outcome = _Paid(
            accuracy=1 - told.value,
            half_width=(high - low) / 2,
            epsilon=promise.epsilon,
            delta=promise.delta,
            releases=(promise.ledger.reserved.digest, price_of_score.release),
            seconds=seconds,
            tainted=not promise.certifiable or price_of_score.kind != "dp",
        )
        store(self.folder, f"{name}.json", json.dumps(asdict(outcome)))
        return outcome

    def frontier(self, paid: dict[Run, _Paid]) -> Frontier:
        """All of it, with what it cost together."""
        grouped: dict[tuple[str, float], list[_Paid]] = {}
        for run, outcome in paid.items():
            grouped.setdefault((run.method, run.epsilon), []).append(outcome)
        epsilon, delta = self._price(list(paid))
        release = " + ".join(sorted({one for outcome in paid.values() for one in outcome.releases if one}))
        tainted = any(outcome.tainted for outcome in paid.values())
        total = f"epsilon = {epsilon:.4g} at delta = {delta:.2g}"
        words = f"paid: {len(paid)} runs and their scores, together {total}"
        width = max(outcome.half_width for outcome in paid.values())
        return Frontier(
            mode="confidential",
            metric="pair_accuracy",
            points=tuple(self._point(*place, several) for place, several in grouped.items()),
            cost=Cost(epsilon=epsilon, delta=delta, words=words, release=release),
            disclosure=CONFIDENTIAL
            if tainted
            else Disclosure(kind="dp", epsilon=epsilon, delta=delta, release=release),
            notes=(
                f"Scores are noisy: each is within {width:.2g} of the exact one, 95 % of the time. They are "
                "on the cells of the schema, and a choice speaks of such scores.",
            ),
        )

    def _fitted(self, run: Run, name: str) -> FittedModel:
        """The model of the run, from its file if it is there; continued if it can be."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.dps"
        if path.is_file():
            return FittedModel.load(path)
        generator, budget = self.generators[run.method], Budget(epsilon=run.epsilon, delta=self.delta)
        adaptive = self._plan(run).adaptive
        record = self.folder / f"{name}.checkpoint"
        fitted = fit_table(
            self.source,
            schema=self.schema,
            generator=generator,
            budget=budget,
            ledger=self.ledger,
            dataset=self.dataset,
            cap=self.cap,
            checkpoint=None if adaptive else record,
        )
        fitted.save(path)
        record.unlink(missing_ok=True)
        return fitted

    def _name(self, run: Run) -> str:
        """Of the files of a run: by what it is, and by all that determines what is paid for it."""
        account = [self.schema.digest(), self.ledger.identity, self.dataset]
        chosen = [configuration_of(self.generators[run.method]), self.delta, configuration_of(self.score)]
        digest = digest_of([*account, *chosen, run.epsilon, run.replicate])
        return f"{run.method}-{run.epsilon:g}-{run.replicate}-{digest[:12]}"

    def _price(self, runs: Sequence[Run]) -> tuple[float, float]:
        """Of everything together: the smaller of basic composition and all that the accountants know."""
        plans = [self._plan(run) for run in runs]
        events = [event for plan in plans for event in plan.events]
        events += [self._score_event()] * len(runs)
        delta = len(runs) * (self.delta + self.score.delta)
        together = price(events, delta=delta, adaptive=any(plan.adaptive for plan in plans)).epsilon
        basic = sum(run.epsilon + (self.score.epsilon or 0.0) for run in runs)
        return min(together, basic), delta

    def _plan(self, run: Run) -> Plan:
        budget = Budget(epsilon=run.epsilon, delta=self.delta)
        return self.generators[run.method].plan(self.schema, budget)

    def _score_event(self) -> GaussianEvent:
        return GaussianEvent(mu=mu_of(self.score))

    def _point(self, method: str, epsilon: float, several: Sequence[_Paid]) -> FrontierPoint:
        promise = promised(self.generators[method], self.schema, epsilon=epsilon, delta=self.delta)
        return FrontierPoint(
            method=method,
            epsilon=epsilon,
            delta=self.delta,
            mu=promise.mu,
            advantage=promise.advantage,
            odds=promise.odds,
            utility={"pair_accuracy": Band.of([one.accuracy for one in several])},
            replicates=len(several),
            smallest_reliable_group=promise.reliable,
            seconds=sorted(one.seconds for one in several)[len(several) // 2],
            note="one of several paid runs: a release of it alone costs its own epsilon, the account has all",
        )


def _read(text: str) -> _Paid:
    try:
        body = json.loads(text)
        return _Paid(**{**body, "releases": tuple(body["releases"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError("A score in the folder is damaged. Its price stays spent.") from error


def _spend(events: Sequence[Event], delta: float, *, adaptive: bool = False) -> Spend:
    cost = price(events, delta=delta, adaptive=adaptive)
    return Spend(epsilon=cost.epsilon, delta=cost.delta, rho=cost.rho)
