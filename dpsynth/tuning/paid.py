"""One charge for a whole sweep: what is asked, what it costs, and the run through the one door.

A sweep is a method like any other to a session: it plans, it is reserved, it asks. So it has one reservation,
one certificate's worth of events, and a checkpoint from which it goes on after its process died.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from dpsynth.mechanisms import tainted
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.risk import risk
from dpsynth.session import PrivateTable, Session, Transcript
from dpsynth.tuning.assembly import disclosed
from dpsynth.tuning.result import Band, Cost, FrontierPoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dpsynth.evaluation.results import Disclosure
    from dpsynth.generators.base import Plan
    from dpsynth.ledger import Cap, Ledger
    from dpsynth.mechanisms import Measurement, Mechanism
    from dpsynth.privacy.events import Event
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Guarantee, Measurer, Source
    from dpsynth.tuning.charged import Estimate

__all__ = ["Account", "Recorder", "Sweep", "band_of", "cost_of", "point_of", "price_of", "run_once"]

FoundT_co = TypeVar("FoundT_co", covariant=True)

_NORMAL = 1.645  # 90 % of a normal number are nearer


class Sweep(Protocol[FoundT_co]):
    """A sweep as a session sees it."""

    @property
    def delta(self) -> float:
        """At which it is priced."""
        ...

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """What it asks; it does not depend on the budget, which is made to fit."""
        ...

    def fit(self, measurer: Measurer, *, rng: Any = None) -> FoundT_co:
        """Ask, and find."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Who pays.

    Attributes:
        ledger: Where it is recorded.
        dataset: Name of the account of the people in the table.
        cap: Ceiling of the account if it is new.
    """

    ledger: Ledger
    dataset: str
    cap: Cap | None = None


class Recorder:
    """A measurer with a budget of its own that keeps what was answered.

    Args:
        measurer: Answers, and is paid.
        budget: What the method plans with.
    """

    def __init__(self, measurer: Measurer, budget: Budget) -> None:
        self.schema, self.budget = measurer.schema, budget
        self._measurer, self._answers = measurer, list[Any]()

    def measure(self, mechanism: Mechanism) -> Measurement:
        """Pass it on, and keep the answer."""
        answer = self._measurer.measure(mechanism)
        self._answers.append(answer)
        return answer

    def select(self, mechanism: Mechanism) -> int:
        """Pass it on, and keep the choice."""
        return int(self.measure(mechanism).values[0][0])

    @property
    def transcript(self) -> Transcript:
        """What was answered so far."""
        return Transcript(
            schema=self.schema, budget=self.budget, measurements=tuple(self._answers), tainted=tainted()
        )


def price_of(sweep: Sweep[Any], schema: Schema) -> Budget:
    """What a sweep costs, before anything is opened."""
    plan = sweep.plan(schema, Budget(epsilon=1.0, delta=sweep.delta))
    cost = price(plan.events, delta=sweep.delta, thorough=plan.thorough)
    return Budget(epsilon=cost.epsilon, delta=sweep.delta)


def run_once(
    source: Source,
    sweep: Sweep[FoundT_co],
    schema: Schema,
    account: Account,
    *,
    rng: int | None,
    folder: Path | None,
) -> tuple[FoundT_co, Guarantee]:
    """Reserve the price of a sweep, and run it; or go on with the run of the folder, at no second price.

    Privacy: a `Session` over the table; the price of everything is in the ledger before the first draw.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    session = Session.open(
        PrivateTable.load(source, schema),
        budget=price_of(sweep, schema),
        ledger=account.ledger,
        dataset=account.dataset,
        cap=account.cap,
    )
    checkpoint = None if folder is None else folder / "paid.checkpoint"
    found = session.run(sweep, rng=rng, checkpoint=checkpoint)
    return found, session.guarantee()


def cost_of(guarantee: Guarantee, words: str) -> tuple[Cost, Disclosure]:
    """What the looking cost, and who may see what was found: everybody, at that price."""
    release, seen = guarantee.ledger.reserved.digest, disclosed(guarantee)
    cost = Cost(epsilon=guarantee.epsilon, delta=guarantee.delta, words=words, release=release)
    return cost, replace(seen, release=release) if seen.kind == "dp" else seen


def band_of(estimates: Sequence[Estimate]) -> Band:
    """The band of the replicates, wider by the noise of their scores."""
    band = Band.of([one.value for one in estimates])
    noise = _NORMAL * max(one.deviation for one in estimates)
    return Band(low=band.low - noise, median=band.median, high=band.high + noise)


def point_of(
    label: str,
    events: Sequence[Event],
    *,
    budget: Budget,
    estimates: Sequence[Mapping[str, Estimate]],
    seconds: Sequence[float],
    reliable: float | None,
    note: str,
) -> FrontierPoint:
    """A point of a sweep that ran once.

    Its replicates share the noise of that run, so they state no rate for a choice: `replicates` is 0.

    Args:
        label: Of the method.
        events: What a release at this point alone would ask.
        budget: What that costs.
        estimates: Of each replicate.
        seconds: Likewise.
        reliable: Rows of the smallest group whose count is known well.
        note: On this point alone.
    """
    found = risk(events, delta=budget.delta)
    return FrontierPoint(
        method=label,
        epsilon=budget.epsilon or 0.0,
        delta=budget.delta,
        mu=price(events, delta=budget.delta).mu,
        advantage=found.advantage,
        odds=found.sentence,
        utility={metric: band_of([one[metric] for one in estimates]) for metric in estimates[0]},
        smallest_reliable_group=reliable,
        seconds=float(np.median(seconds)),
        note=note,
    )
