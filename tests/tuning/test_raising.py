"""Accuracy first: the whole is claimed, wherever it stops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pytest

from dpsynth.errors import ConfigurationError, UnsupportedEventError
from dpsynth.generators.mst import MST
from dpsynth.generators.privbayes import PrivBayes
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import mu_of
from dpsynth.privacy.events import GaussianEvent, ZCDPEvent
from dpsynth.schema.schema import Schema
from dpsynth.session import Plan, Replay, Step
from dpsynth.tuning import Criterion, raise_budget
from dpsynth.tuning.raising import Raising

BUDGET = Budget(epsilon=2.0, delta=1e-6)


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Scores 0, 1, 2, ... in turn."""

    told: list[int] = field(default_factory=list)

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        return Plan(
            method="steps", steps=(Step(label="s", event=GaussianEvent(mu=mu_of(budget) * (1 - 1e-9))),)
        )

    def score(self, model: Any, measurer: Any) -> float:
        self.told.append(len(self.told))
        return float(self.told[-1])


def raised(frame: pd.DataFrame, schema: Schema, ledger: Ledger, **more: Any) -> Any:
    more = {"generator": MST(), "budget": BUDGET, "dataset": "people"} | more
    return raise_budget(frame, schema=schema, ledger=ledger, **more)


def test_it_stops_at_the_first_round_that_suffices(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    found = raised(frame, schema, ledger, criteria=[Criterion(threshold=2.0, judge=Steps())], rounds=5)
    assert [one.scores for one in found.rounds] == [(0.0,), (1.0,), (2.0,)]
    assert [one.reached for one in found.rounds] == [False, False, True]
    assert found.reached
    epsilons = [one.epsilon for one in found.rounds]
    assert epsilons == sorted(epsilons)


def test_the_whole_is_claimed_wherever_it_stops(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    early = raised(frame, schema, ledger, criteria=-1e9)
    late = raised(frame, schema, ledger, criteria=1e9, dataset="others")
    assert len(early.rounds) == 1
    assert len(late.rounds) == 4
    assert not late.reached
    for found in (early, late):
        guarantee = found.fitted.guarantee
        assert guarantee.adaptive
        assert guarantee.epsilon == found.cost.epsilon == early.cost.epsilon
        assert 1.99 < guarantee.epsilon <= 2.0
        assert isinstance(guarantee.committed.events[0], ZCDPEvent)
        assert guarantee.holds()
        assert guarantee.configuration["criteria"][0]["threshold"] in {-1e9, 1e9}
    assert early.drawn < late.drawn <= 2.0
    for account in ledger.statement():
        assert account.spent.epsilon == pytest.approx(early.cost.epsilon)


def test_all_rounds_are_in_the_transcript_and_replay(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    found = raised(frame, schema, ledger, criteria=1e9, rounds=2, seed=4)
    method = Raising(inner=MST(), criteria=(Criterion(threshold=1e9),), rounds=2)
    assert found.fitted.transcript is not None
    again = method.fit(Replay(found.fitted.transcript), rng=4)
    assert again.rounds == found.rounds
    assert again.model.total == found.fitted.model.total


def test_an_adaptive_method_and_several_criteria_keep_to_the_filter(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    criteria = [Criterion(threshold=0.0, judge=Steps()), Criterion(threshold=1.0, judge=Steps())]
    found = raised(frame, schema, ledger, generator=PrivBayes(), criteria=criteria, rounds=3, growth=1.0)
    assert [one.scores for one in found.rounds] == [(0.0, 0.0), (1.0, 1.0)]
    assert found.drawn <= 2.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"criteria": ()},
        {"rounds": 0},
        {"rounds": 101},
        {"growth": 0.5},
        {"share": 1.0},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Raising(**({"inner": MST(), "criteria": (Criterion(threshold=0.5),)} | wrong))
    with pytest.raises(ConfigurationError):
        Criterion(threshold=float("nan"))


def test_a_method_whose_price_is_not_rho_is_named(schema: Schema) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Trained:
        name: str = "trained"

        def plan(self, schema: Schema, budget: Budget) -> Plan:
            from dpsynth.privacy.events import PoissonGaussianEvent

            event = PoissonGaussianEvent(sampling_rate=0.1, noise_multiplier=5.0, steps=1)
            return Plan(method="trained", steps=(Step(label="s", event=event),))

    method = Raising(inner=Trained(), criteria=(Criterion(threshold=0.5),))  # type: ignore[arg-type]
    with pytest.raises(UnsupportedEventError, match="'trained' has no rho"):
        method.plan(schema, BUDGET)
    assert not method.holds_zeros
