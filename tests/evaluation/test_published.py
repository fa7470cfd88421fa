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


def test_the_accuracy_on_a_holdout_is_charged_with_the_scores() -> None:
    """A cap of exactly the budget is enough for both tables, and nothing is left of it."""
    real, synthetic, holdout = people(3000), people(3000, seed=1), people(2000, seed=2)
    with Ledger.in_memory() as ledger:
        ledger.account("people", str(SCHEMA.unit), cap=Cap(epsilon=0.5, delta=1e-6))
        distance, accuracy = published_scores(
            real,
            synthetic,
            SCHEMA,
            budget=BUDGET,
            ledger=ledger,
            dataset="people",
            target="class",
            holdout=holdout,
        )
        (statement,) = ledger.statement("people")
    assert [run.method for run in statement.runs] == ["published scores", "published accuracy"]
    assert [run.status for run in statement.runs] == ["committed", "committed"]
    assert accuracy.name == "published_accuracy_class"
    assert accuracy.floor is not None
    assert accuracy.floor < accuracy.value - 0.1
    whole = worst([distance.disclosure, accuracy.disclosure])
    assert whole.epsilon == pytest.approx(statement.spent.epsilon, abs=1e-8)
    assert 0.49 < whole.epsilon <= 0.5
    assert whole.delta == pytest.approx(1e-6)
    assert accuracy.disclosure.epsilon == pytest.approx(0.125, abs=1e-4)


def test_room_for_both_tables_is_there_before_anything_is_drawn() -> None:
    """The scores alone would fit: the broken variant, which asks for one table after the other, draws them."""
    real = people(60)
    asked = {"budget": BUDGET, "dataset": "people", "target": "class", "holdout": people(60, seed=1)}
    for cap in (Cap(epsilon=0.4, delta=1e-5), Cap(epsilon=1.0, delta=8e-7)):
        with Ledger.in_memory() as ledger:
            ledger.account("people", str(SCHEMA.unit), cap=cap)
            with pytest.raises(BudgetExceededError):
                published_scores(real, real, SCHEMA, ledger=ledger, **asked)
            (statement,) = ledger.statement("people")
            assert not statement.runs


def test_a_rho_budget_is_divided_too() -> None:
    rows = people(100)
    with Ledger.in_memory() as ledger:
        ledger.account("people", str(SCHEMA.unit), cap=Cap(rho=0.1))
        found = published_scores(
            rows,
            rows,
            SCHEMA,
            budget=Budget(rho=0.1, delta=1e-6),
            ledger=ledger,
            dataset="people",
            target="class",
            holdout=rows,
        )
        (statement,) = ledger.statement("people")
    assert len(found) == 2
    assert statement.spent.rho == pytest.approx(0.1, abs=1e-6)
