"""Private selection: the best of a secret number of complete runs, for little more than twice one run.

A sweep whose every score is shown costs the sum of its runs. If the number of runs is random, each run draws
its own candidate, and nothing but the best is ever shown, the price grows with the logarithm of the number of
runs (Papernot and Steinke, 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.generators.derived import with_constraints
from dpsynth.generators.fitted import FittedModel
from dpsynth.privacy.accountant import price
from dpsynth.privacy.repeats import Repetitions, base_of
from dpsynth.session import Candidates, Judges, PrivateTable, Session, Source
from dpsynth.tuning.judges import PairJudge
from dpsynth.tuning.result import Cost
from dpsynth.tuning.spaces import Space

if TYPE_CHECKING:
    from dpsynth.generators.base import Generator
    from dpsynth.ledger import Cap, Ledger
    from dpsynth.privacy.budget import Budget
    from dpsynth.privacy.events import RepeatSelectEvent
    from dpsynth.schema.schema import Schema

__all__ = ["Search", "Selected", "select"]

Search = Sequence["Generator | Space"]
"""Configured generators, and spaces from which some are drawn beforehand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selected:
    """What private selection found. Nothing is known of the other runs, not even how many there were.

    Attributes:
        fitted: The best model, with the guarantee of the whole selection and the transcript of its own run.
        generator: Its configured method.
        values: The settings that were drawn for it; empty for a generator that was given.
        score: Its own noisy score. As the best of several it is on average too good.
        candidates: How many different ones there were to draw from.
        cost: Of the whole selection, this release included.
        alone: The epsilon of one run without selection, at the same delta.
    """

    fitted: FittedModel
    generator: Generator
    values: dict[str, Any]
    score: float
    candidates: int
    cost: Cost
    alone: float


def select(  # noqa: PLR0913 - what is searched, by which law, who pays
    source: Source,
    *,
    schema: Schema,
    candidates: Search,
    budget: Budget,
    ledger: Ledger,
    dataset: str,
    repetitions: Repetitions | None = None,
    weights: Sequence[float] = (),
    base: Budget | None = None,
    share: float = 0.1,
    judge: Judges[Any] | None = None,
    draws: int = 32,
    seed: int = 0,
    cap: Cap | None = None,
) -> Selected:
    """Run candidates a random number of times, and keep the best model.

    Args:
        source: The private table: a path or a frame.
        schema: What it may hold, complete.
        candidates: Configured generators and spaces. Spaces are drawn from before the data is touched.
        budget: What the selection and the release may cost together, as epsilon and delta.
        ledger: Where it is recorded; its account adds epsilon and delta (rule `basic`).
        dataset: The account.
        repetitions: Law of the number of runs; None takes the logarithmic one with a mean of 10.
        weights: Of the candidates as given; a space shares its weight among its draws. Empty: all alike.
        base: What one run may spend; None takes all that `budget` pays for, as rho. Under rho, methods that
            train use all rows at each step: for samples of them state (epsilon, delta).
        share: Part of the base that is for the score.
        judge: Rates a model; None takes `PairJudge`.
        draws: How many configurations of each space there are to draw from.
        seed: Of those draws. They are public, and so is the seed.
        cap: Ceiling of the account when it is new.

    Raises:
        ConfigurationError: There is no candidate, or one cannot hold the schema's constraints.
        BudgetExceededError: The selection costs more than the budget, or the account has no room.
        PrivacyError: No run gave a model. The price stays spent.

    Privacy: the whole price is in the ledger before the first run (`Session.select`). Running time and memory
        are outside the guarantee; they tell about how many runs there were, so keep them to yourself.
    """
    law = repetitions or Repetitions()
    tried = _listed(candidates, weights, draws=draws, seed=seed)
    generators = [with_constraints(one.generator, schema) for one in tried]
    asked = Candidates(
        generators=generators,
        judge=judge or PairJudge(),
        base=base or base_of(budget, law),
        repetitions=law,
        weights=[one.weight for one in tried],
        share=share,
    )
    table = PrivateTable.load(source, schema)
    session = Session.open(table, budget=budget, ledger=ledger, dataset=dataset, cap=cap)
    best = session.select(asked)
    guarantee = session.guarantee()
    event: RepeatSelectEvent = guarantee.committed.events[0]  # type: ignore[assignment]
    alone = max(price((run,), delta=guarantee.delta).epsilon for run in event.events)
    return Selected(
        fitted=FittedModel(model=best.model, guarantee=guarantee, transcript=session.transcript),
        generator=tried[best.place].generator,
        values=tried[best.place].values,
        score=best.score,
        candidates=len(tried),
        cost=Cost(
            epsilon=guarantee.epsilon,
            delta=guarantee.delta,
            words=f"private selection, the release included: epsilon = {guarantee.epsilon:.3g} "
            f"(one run alone: {alone:.3g})",
            release=guarantee.ledger.reserved.digest,
        ),
        alone=alone,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tried:
    generator: Generator
    values: dict[str, Any]
    weight: float


def _listed(candidates: Search, weights: Sequence[float], *, draws: int, seed: int) -> list[_Tried]:
    """Every configuration that a run may take. Uses no data."""
    _validate.count("draws", draws)
    if not candidates or len(weights) not in {0, len(candidates)}:
        raise ConfigurationError("Expected at least one candidate, and one weight for each or none.")
    rng, found = np.random.default_rng(seed), list[_Tried]()
    for one, weight in zip(candidates, weights or [1.0] * len(candidates), strict=True):
        if not isinstance(one, Space):
            found.append(_Tried(generator=one, values={}, weight=weight))
            continue
        drawn = [one.valid(rng) for _ in range(draws if one.parameters else 1)]
        found += [
            _Tried(generator=one.generator(values), values=values, weight=weight / len(drawn))
            for values in drawn
        ]
    return found
