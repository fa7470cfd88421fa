"""Accuracy first: raise the budget until private scores reach thresholds that were stated beforehand.

The sound form of "generate again until it is good enough". Each round is a complete run with its own
private score, at a larger budget than the round before; the first whose scores all reach their thresholds
is the last. Where it stops depends on the data, so the whole does not cost what was drawn: every draw of
every round passes one filter over the sum of all rounds (Feldman and Zrnic, 2021; Whitehouse et al., 2023),
and that sum is reserved and claimed. What no round drew stays spent. Theorems about the price of the round
at which one stops (Ligett et al., 2017; Whitehouse et al., 2022) promise something weaker, a loss that
itself depends on the data: that figure is told and not claimed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, UnsupportedEventError
from dpsynth.generators.base import holds_zeros
from dpsynth.generators.derived import with_constraints
from dpsynth.generators.fitted import FittedModel
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import rho_of
from dpsynth.privacy.composition import compose
from dpsynth.privacy.events import ZCDPEvent
from dpsynth.session import Judges, Plan, PrivateTable, Session, Source, Step
from dpsynth.session.measurer import Door
from dpsynth.tuning.judges import PairJudge
from dpsynth.tuning.result import Cost

if TYPE_CHECKING:
    from dpsynth.generators.base import Generator, Model
    from dpsynth.ledger import Cap, Ledger
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Measurer

__all__ = ["Criterion", "Raised", "Raising", "Round", "raise_budget"]

_ROUND_OFF = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """What is good enough.

    Attributes:
        threshold: The least noisy score. Noise decides near it: a round may pass by luck.
        judge: Rates a model.
    """

    threshold: float
    judge: Judges[Any] = field(default_factory=PairJudge)

    def __post_init__(self) -> None:
        _validate.number("threshold", self.threshold)


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """One run and its scores.

    Attributes:
        epsilon: What this round alone costs, at the delta of the whole.
        scores: The noisy scores, in the order of the criteria.
        reached: Whether all of them reach their thresholds.
    """

    epsilon: float
    scores: tuple[float, ...]
    reached: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stopped:
    model: Model
    rounds: tuple[Round, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Raising:
    """A method that runs another one at growing budgets until its scores suffice.

    Attributes:
        inner: The method. Its price must be known as rho; methods that train use all rows at each step then.
        criteria: When to stop; all must be met.
        rounds: How many runs there are at most.
        growth: The rho of a round is that of the round before times this. With 2 the last round has half of
            the whole.
        share: Part of each round that is for the scores.

    Privacy: every draw passes a zCDP filter over the whole budget; no other access is made.
    """

    name: ClassVar[str] = "raising"

    inner: Generator
    criteria: tuple[Criterion, ...]
    rounds: int = 4
    growth: float = 2.0
    share: float = 0.1

    def __post_init__(self) -> None:
        if not self.criteria:
            raise ConfigurationError("Expected at least one criterion, stated before anything is measured.")
        if _validate.count("rounds", self.rounds) > 100:
            raise ConfigurationError(f"Expected at most 100 rounds, got {self.rounds}.")
        if _validate.number("growth", self.growth) < 1:
            raise ConfigurationError(f"Expected growth >= 1, got {self.growth!r}.")
        _validate.fraction("share", self.share)

    @property
    def holds_zeros(self) -> bool:
        """Whether the models hold the constraints of their schema."""
        return holds_zeros(self.inner)

    def budgets(self, budget: Budget) -> tuple[tuple[Budget, Budget], ...]:
        """For each round what its run and each of its scores may spend."""
        weights = [self.growth**place for place in range(self.rounds)]
        rhos = [rho_of(budget) * (1 - _ROUND_OFF) * weight / math.fsum(weights) for weight in weights]
        parts = (1 - self.share, self.share / len(self.criteria))
        first, second = ([Budget(rho=rho * part, delta=budget.delta) for rho in rhos] for part in parts)
        return tuple(zip(first, second, strict=True))

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """The whole that all rounds may cost together.

        Raises:
            UnsupportedEventError: The method, or a judge, has no rho.
        """
        memory = 0
        for measured, judged in self.budgets(budget):
            inner = self.inner.plan(schema, measured)
            memory = max(memory, inner.memory_bytes)
            judging = [event for one in self.criteria for event in one.judge.plan(schema, judged).events]
            whole = compose((*inner.events, *judging))
            if whole.rho is None or whole.failure or not whole.protected:
                raise UnsupportedEventError(
                    f"The method {inner.method!r} has no rho, so no filter can add up its rounds. Take "
                    "one that has."
                )
        step = Step(label=f"up to {self.rounds} rounds", event=ZCDPEvent(rho=rho_of(budget)))
        method = f"{self.inner.name}, budget raised"
        return Plan(method=method, steps=(step,), adaptive=True, memory_bytes=memory)

    def fit(self, measurer: Measurer, *, rng: Any = None) -> _Stopped:
        """Run, score, and stop or go on."""
        done: list[Round] = []
        for measured, judged in self.budgets(measurer.budget):
            model = self.inner.fit(Door(measurer.schema, measured, measurer.measure), rng=rng)
            door = Door(measurer.schema, judged, measurer.measure)
            scores = tuple(one.judge.score(model, door) for one in self.criteria)
            rho = (measured.rho or 0.0) + len(self.criteria) * (judged.rho or 0.0)
            done.append(
                Round(
                    epsilon=price((ZCDPEvent(rho=rho),), delta=measurer.budget.delta).epsilon,
                    scores=scores,
                    reached=all(
                        score >= one.threshold for score, one in zip(scores, self.criteria, strict=True)
                    ),
                )
            )
            if done[-1].reached:
                break
        return _Stopped(model=model, rounds=tuple(done))


@dataclass(frozen=True, kw_only=True, slots=True)
class Raised:
    """Where raising stopped.

    Attributes:
        fitted: The model of the last round. Its guarantee is that of the whole budget, and its transcript has
            all rounds: all of it may be published.
        rounds: What each round scored.
        reached: Whether the last one met all criteria.
        cost: What is reserved and claimed, wherever it stopped.
        drawn: The epsilon of what was drawn. It depends on the data: no guarantee is made at it.
    """

    fitted: FittedModel
    rounds: tuple[Round, ...]
    reached: bool
    cost: Cost
    drawn: float


def raise_budget(  # noqa: PLR0913 - what is good enough, how it is raised, who pays
    source: Source,
    *,
    schema: Schema,
    generator: Generator,
    criteria: Sequence[Criterion] | float,
    budget: Budget,
    ledger: Ledger,
    dataset: str,
    rounds: int = 4,
    growth: float = 2.0,
    share: float = 0.1,
    seed: int | None = None,
    cap: Cap | None = None,
) -> Raised:
    """Run at growing budgets until the private scores reach their thresholds.

    Args:
        source: The private table: a path or a frame.
        schema: What it may hold, complete.
        generator: The method.
        criteria: Thresholds, stated before anything is seen; a number is one for the pair accuracy.
        budget: What all rounds may cost together. This is the price, wherever it stops.
        ledger: Where it is recorded.
        dataset: The account.
        rounds: See `Raising`.
        growth: See `Raising`.
        share: See `Raising`.
        seed: Of the post-processing.
        cap: Ceiling of the account when it is new.

    Raises:
        UnsupportedEventError: The method has no rho. Nothing was spent.
        BudgetExceededError: The account has no room. Nothing was drawn.

    Privacy: one adaptive session; the whole budget is in the ledger before the first draw.
    """
    asked = (Criterion(threshold=float(criteria)),) if isinstance(criteria, (int, float)) else tuple(criteria)
    method = Raising(
        inner=with_constraints(generator, schema), criteria=asked, rounds=rounds, growth=growth, share=share
    )
    table = PrivateTable.load(source, schema)
    session = Session.open(table, budget=budget, ledger=ledger, dataset=dataset, cap=cap)
    stopped = session.run(method, rng=seed)
    guarantee = session.guarantee()
    drawn = price(guarantee.events, delta=guarantee.delta, adaptive=True).epsilon
    return Raised(
        fitted=FittedModel(model=stopped.model, guarantee=guarantee, transcript=session.transcript),
        rounds=stopped.rounds,
        reached=stopped.rounds[-1].reached,
        cost=Cost(
            epsilon=guarantee.epsilon,
            delta=guarantee.delta,
            words=f"all rounds that there could have been: epsilon = {guarantee.epsilon:.3g}",
            release=guarantee.ledger.reserved.digest,
        ),
        drawn=drawn,
    )
