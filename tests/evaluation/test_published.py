from __future__ import annotations

import itertools

import numpy as np
import pytest
from evaluation.people import SCHEMA, independent, people

from dpsynth import Budget, Ledger, Schema
from dpsynth.errors import BudgetExceededError, ConfigurationError
from dpsynth.evaluation.published import PublishedScores, published_scores
from dpsynth.evaluation.results import CONFIDENTIAL, worst
from dpsynth.ledger import Cap
from dpsynth.privacy.accountant import price
from dpsynth.schema.encode import encode_column
from dpsynth.testing.insecure import insecure_noise

BUDGET = Budget(epsilon=0.5, delta=1e-6)


def exact(real, synthetic) -> float:
    codes = [
        {c.name: encode_column(c, frame[c.name]) for c in SCHEMA.modelled} for frame in (real, synthetic)
    ]
    found = []
    for pair in itertools.combinations(SCHEMA.domain.columns, 2):
        shape = SCHEMA.domain.shape(pair)
        shares = [
            np.bincount(np.ravel_multi_index([one[name] for name in pair], shape), minlength=np.prod(shape))
            / len(one[pair[0]])
            for one in codes
        ]
        found.append(np.abs(shares[0] - shares[1]).sum() / 2)
    return float(np.mean(found))


def test_scores_are_charged_and_near_the_truth() -> None:
    real, synthetic = people(4000), independent(people(3000, seed=1))
    with Ledger.in_memory() as ledger:
        distance, towns = published_scores(
            real, synthetic, SCHEMA, budget=BUDGET, ledger=ledger, dataset="people", protected=["town"]
        )
        (statement,) = ledger.statement("people")
    assert distance.value == pytest.approx(exact(real, synthetic), abs=0.02)
    assert distance.interval is not None
    assert distance.interval[0] < distance.value < distance.interval[1]
    assert worst([distance.disclosure, towns.disclosure]) == distance.disclosure
    assert 0 < distance.disclosure.epsilon <= 0.5
    assert distance.disclosure.delta == 1e-6
    assert len(statement.runs) == 1
    assert statement.spent.epsilon == pytest.approx(distance.disclosure.epsilon)
    assert {part.label[1] for part in towns.parts} >= {"north", "east", "south"}


def test_the_interval_is_that_of_the_noise() -> None:
    real, synthetic = people(500), independent(people(500))
    truth, inside = exact(real, synthetic), 0
    for seed in range(40):
        with Ledger.in_memory() as ledger, insecure_noise(seed):
            (distance,) = published_scores(
                real, synthetic, SCHEMA, budget=Budget(epsilon=8.0, delta=1e-6), ledger=ledger, dataset="p"
            )
        assert distance.disclosure == CONFIDENTIAL  # test noise protects nobody
        assert distance.interval is not None
        inside += distance.interval[0] - 0.004 <= truth <= distance.interval[1] + 0.004
    assert inside >= 32


def test_the_plan_needs_no_data_and_stays_within_the_budget() -> None:
    synthetic = people(50)
    codes = {c.name: encode_column(c, synthetic[c.name]) for c in SCHEMA.modelled}
    for protected in ((), ("town", "owner")):
        plan = PublishedScores(codes=codes, protected=protected).plan(SCHEMA, BUDGET)
        assert 0.49 < price(plan.events, delta=1e-6).epsilon <= 0.5
        assert len(plan.steps) == (3 if protected else 2)


def test_what_cannot_be_told_is_refused_before_anything_is_drawn() -> None:
    real = people(30)
    with Ledger.in_memory() as ledger:
        ledger.account("people", str(SCHEMA.unit), cap=Cap(epsilon=0.1, delta=1e-5))
        with pytest.raises(BudgetExceededError):
            published_scores(real, real, SCHEMA, budget=BUDGET, ledger=ledger, dataset="people")
        with pytest.raises(ConfigurationError, match="height"):
            published_scores(
                real, real, SCHEMA, budget=BUDGET, ledger=ledger, dataset="other", protected=["height"]
            )
        one = Schema(columns=SCHEMA.columns[:1])
        with pytest.raises(ConfigurationError, match="two columns"):
            published_scores(real[["age"]], real[["age"]], one, budget=BUDGET, ledger=ledger, dataset="one")
        assert not [run for account in ledger.statement() for run in account.runs]
