"""A frontier by private selection: at each epsilon the best of a secret number of runs, charged by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.evaluation.results import CONFIDENTIAL, Disclosure
from dpsynth.ledger import Spend
from dpsynth.privacy.budget import Budget
from dpsynth.tuning.methods import Methods, configured, swept
from dpsynth.tuning.result import Band, Cost, Frontier, FrontierPoint
from dpsynth.tuning.selection import Selected, select

if TYPE_CHECKING:
    from dpsynth.ledger import Ledger
    from dpsynth.privacy.repeats import Repetitions
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Source

__all__ = ["selected"]

_METRIC = "pair_accuracy"


def selected(  # noqa: PLR0913 - what is selected from, where, and who pays
    source: Source,
    *,
    schema: Schema,
    methods: Methods,
    epsilons: Sequence[float],
    delta: float = 1e-9,
    repetitions: Repetitions | None = None,
    ledger: Ledger,
    dataset: str,
    models: str | Path | None = None,
) -> Frontier:
    """Select privately at each epsilon. Every winner is paid for and may be released.

    Args:
        source: The private table: a path or a frame.
        schema: What it may hold, complete.
        methods: What is selected from, see `dpsynth.tuning.methods`.
        epsilons: What each selection costs with its release. All of them are charged.
        delta: Likewise.
        repetitions: Law of the number of runs of each; None takes the logarithmic one with a mean of 10.
        ledger: Where they are recorded.
        dataset: The account.
        models: A folder that keeps the winners; None keeps none.

    Raises:
        BudgetExceededError: The account has no room for all of them. Nothing was drawn.

    Privacy: one private selection for each epsilon (see `select`); their prices add up.
    """
    generators, places = configured(methods, schema=schema), swept(epsilons)
    account = ledger.account(dataset, str(schema.unit))
    ledger.require_room(account, [Spend(epsilon=epsilon, delta=delta) for epsilon in places])
    found: list[Selected] = []
    for epsilon in places:
        one = select(
            source,
            schema=schema,
            candidates=list(generators.values()),
            budget=Budget(epsilon=epsilon, delta=delta),
            repetitions=repetitions,
            ledger=ledger,
            dataset=dataset,
        )
        if models is not None:
            Path(models).mkdir(parents=True, exist_ok=True)
            one.fitted.save(Path(models) / f"selected-{epsilon:g}.dps")
        found.append(one)
    label = "best of " + ", ".join(generators)
    whole = math.fsum(one.cost.epsilon for one in found), math.fsum(one.cost.delta for one in found)
    release = " ".join(one.cost.release for one in found)
    tainted = any(one.fitted.guarantee.taints for one in found)
    paid = Disclosure(kind="dp", epsilon=whole[0], delta=whole[1], release=release)
    return Frontier(
        mode="select",
        metric=_METRIC,
        points=tuple(_point(label, one) for one in found),
        cost=Cost(
            epsilon=whole[0],
            delta=whole[1],
            words=f"a private selection at each epsilon, all of them charged: {whole[0]:.3g} together",
            release=release,
        ),
        disclosure=CONFIDENTIAL if tainted else paid,
        notes=(
            "Each score is the noisy one of a winner, and as the best of several on average too good.",
            "How long it took tells about how many runs there were: do not publish it.",
        ),
    )


def _point(label: str, one: Selected) -> FrontierPoint:
    risk = one.fitted.guarantee.risk()
    return FrontierPoint(
        method=label,
        epsilon=one.cost.epsilon,
        delta=one.cost.delta,
        advantage=risk.advantage,
        odds=risk.sentence,
        utility={_METRIC: Band.of([one.score])},
        replicates=1,
        note=f"{one.generator.name} won",
    )
