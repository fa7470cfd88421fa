from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from generators.deep import BRIEF, BUDGET, REPLACED, chain, lose, schema_of

from dpsynth.errors import BudgetExceededError, ConfigurationError, MissingExtraError
from dpsynth.generators import deep
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.base import Generator
from dpsynth.generators.deep import DeepDesign, Portion, Schedule, as_columns, as_table, design
from dpsynth.generators.dpvae import DPVAE
from dpsynth.generators.hybrid import Hybrid
from dpsynth.generators.pretraining import Pretraining
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import Critic, DpSgd, TrainingState, parameter_count
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import fits, mu_of
from dpsynth.privacy.events import GaussianEvent, PoissonGaussianEvent
from dpsynth.session import PrivateTable, Session

Build = Callable[..., Any]
SCHEMA = schema_of(2, 3, 4)
CRITIC = Critic(hidden=(8,))
METHODS = pytest.mark.parametrize("method", [DPVAE, Hybrid], ids=lambda method: method.name)


def made(budget: Budget = BUDGET, *, share: float = 0.2, schedule: Schedule = BRIEF) -> DeepDesign:
    return design(AllPairs(), CRITIC, SCHEMA, budget, share=share, schedule=schedule)


@pytest.mark.parametrize(
    ("share", "thorough"), [pytest.param(0.2, True, marks=pytest.mark.slow), (0.2, False), (0.6, False)]
)
def test_counts_and_training_take_the_whole_budget(share: float, thorough: bool) -> None:
    schedule = Schedule(rounds=2, steps=10, sampling_rate=0.1, thorough=thorough)
    plan = made(share=share, schedule=schedule).plan("mine", SCHEMA)
    counts, rounds = plan.events[:-2], plan.events[-2:]
    assert plan.method == "mine"
    assert plan.thorough == thorough
    assert 0.97 < price(plan.events, delta=1e-6, thorough=thorough).epsilon <= 1.0
    assert rounds[0] == rounds[1]
    assert isinstance(rounds[0], PoissonGaussianEvent)
    assert (rounds[0].steps, rounds[0].sampling_rate) == (10, 0.1)
    assert all(isinstance(event, GaussianEvent) for event in counts)
    squared = sum(event.mu**2 for event in counts)
    assert squared == pytest.approx((1 - share) * mu_of(BUDGET) ** 2, rel=1e-6)


@pytest.mark.slow
def test_the_thorough_price_leaves_less_noise() -> None:
    noise = [
        made(schedule=Schedule(rounds=2, steps=10, sampling_rate=0.1, thorough=thorough)).event
        for thorough in (True, False)
    ]
    assert noise[0].noise_multiplier < 0.95 * noise[1].noise_multiplier


def test_a_budget_in_rho_takes_all_rows_and_adds_up() -> None:
    budget = Budget(rho=0.1, delta=1e-6)
    found = made(budget, schedule=Schedule(rounds=3, steps=5))
    plan = found.plan("mine", SCHEMA)
    cost = price(plan.events, delta=1e-6)
    assert not plan.thorough
    assert found.event.sampling_rate == 1.0
    assert 0.0999 < (cost.rho or 0.0) <= 0.1
    assert cost.mu is not None  # Gaussians, all of them
    assert 15 / found.event.noise_multiplier**2 == pytest.approx(0.2 * 2 * 0.1, rel=1e-6)


def test_the_plan_says_what_training_does() -> None:
    found = made()
    counts = AllPairs().plan(SCHEMA, found.counts_budget)
    plan = found.plan("mine", SCHEMA)
    assert plan.steps[:-2] == counts.steps
    assert [step.label for step in plan.steps[-2:]] == ["training"] * 2
    assert plan.steps[-1].detail.startswith("3 steps on 0.2 of the rows, noise ")
    assert plan.memory_bytes > counts.memory_bytes + 4 * parameter_count(CRITIC, SCHEMA.domain)
    error = plan.expected_error["noise of the mean of all summed gradients (clips)"]
    assert error == pytest.approx(found.event.noise_multiplier / math.sqrt(6))
    assert set(counts.expected_error) < set(plan.expected_error)
    rows = 2 * 3 * (0.2 * 100_000 + 1024)
    assert plan.seconds == pytest.approx(
        deep.training_seconds(parameter_count(CRITIC, SCHEMA.domain), rows), rel=1e-9
    )


def test_the_plan_knows_the_time_of_pretraining() -> None:
    short, long = (
        DPVAE(schedule=BRIEF, pretraining=Pretraining(rows=1000, epochs=epochs)).plan(SCHEMA, BUDGET).seconds
        for epochs in (1, 5)
    )
    network = DPVAE()._network()
    assert long - short == pytest.approx(
        deep.training_seconds(parameter_count(network, SCHEMA.domain), 4000), rel=1e-9
    )


@METHODS
def test_plans_need_no_data_and_repeat(method: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    first = method(schedule=BRIEF).plan(SCHEMA, BUDGET)
    deep._round_event.cache_clear()
    assert method(schedule=BRIEF).plan(SCHEMA, BUDGET) == first
    assert first.method == method.name


def test_the_default_schedules() -> None:
    assert DPVAE().schedule == Schedule(
        rounds=4,
        steps=100,
        sampling_rate=0.05,
        clip=1.0,
        learning_rate=1e-3,
        averaging=0.98,
        public_weight=1.0,
        thorough=True,
    )
    assert Hybrid().schedule == Schedule(rounds=8, clip=5.0, learning_rate=1e-2)
    assert DPVAE().pretraining == Pretraining(rows=50_000, epochs=12, batch=500, learning_rate=2e-3)


def spent_nothing(ledger: Ledger, method: Generator, frame: pd.DataFrame, unit: Any = None) -> Session:
    schema = schema_of(2, 3, 4, **({} if unit is None else {"unit": unit}))
    session = Session.open(PrivateTable.load(frame, schema), budget=BUDGET, ledger=ledger, dataset="people")
    before = len(list(ledger.entries()))
    with pytest.raises((ConfigurationError, MissingExtraError)) as refused:
        session.run(method)
    with pytest.raises(type(refused.value)):
        method.plan(schema, BUDGET)
    assert len(list(ledger.entries())) == before
    assert ledger.statement("people")[0].spent.epsilon == 0
    return session


FRAME = pd.DataFrame(chain(30, 2, 3, 4))


@METHODS
def test_replacing_rows_is_refused_before_anything_is_spent(method: type[Any], ledger: Ledger) -> None:
    spent_nothing(ledger, method(schedule=BRIEF), FRAME, unit=REPLACED)


@METHODS
@pytest.mark.parametrize("package", ["torch", "dp_accounting"])
def test_a_missing_package_is_told_before_anything_is_spent(
    method: type[Any], package: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep._round_event.cache_clear()
    lose(monkeypatch, package)
    spent_nothing(ledger, method(schedule=Schedule(rounds=1, steps=2)), FRAME)
    with pytest.raises(MissingExtraError, match=rf"{package}.*dpsynth\[deep\]"):
        method(schedule=Schedule(rounds=1, steps=2)).plan(SCHEMA, BUDGET)


@pytest.mark.parametrize(
    "method",
    [DPVAE(points=10**7), DPVAE(memory_limit=2**20), Hybrid(memory_limit=2**18)],
    ids=["points", "dpvae", "hybrid"],
)
def test_what_is_too_wide_is_refused_before_anything_is_spent(method: Generator, ledger: Ledger) -> None:
    wide = schema_of(*(50,) * 30)
    frame = pd.DataFrame({name: [0, 1] for name in wide.names})
    session = Session.open(PrivateTable.load(frame, wide), budget=BUDGET, ledger=ledger, dataset="people")
    with pytest.raises(ConfigurationError, match="memory limit"):
        session.run(method)
    assert ledger.statement("people")[0].spent.epsilon == 0


def test_a_budget_without_delta_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="delta"):
        made(Budget(epsilon=1.0, delta=0.0))


@pytest.mark.parametrize("thorough", [True, False])
def test_a_share_too_small_for_any_training_is_refused(thorough: bool) -> None:
    with pytest.raises(BudgetExceededError):
        made(share=1e-6, schedule=Schedule(rounds=2, steps=10, sampling_rate=0.1, thorough=thorough))


def _quick(fits: Callable[..., bool], events: Any, budget: Budget, *, thorough: bool) -> bool:
    return fits(events, budget)


def test_where_quick_accountants_pay_for_none_the_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the others say what quick ones would."""

    def none(*_: Any) -> float:
        raise BudgetExceededError("none")

    usual = made().event.noise_multiplier
    monkeypatch.setattr(deep, "calibrate", none)
    monkeypatch.setattr(deep, "fits", partial(_quick, fits))
    found = made(schedule=replace(BRIEF, thorough=True)).event.noise_multiplier
    deep._round_event.cache_clear()
    assert usual <= found < 1.01 * usual


@pytest.mark.parametrize(
    "options",
    [
        {"rounds": 0},
        {"steps": 0},
        {"clip": 0.0},
        {"learning_rate": -1.0},
        {"sampling_rate": 0.0},
        {"sampling_rate": 1.5},
        {"averaging": 1.0},
        {"public_weight": -0.1},
    ],
    ids=str,
)
def test_impossible_schedules_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Schedule(**options)
    assert Schedule(sampling_rate=1).sampling_rate == 1


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (DPVAE, {"training_share": 0.0}),
        (DPVAE, {"training_share": 1.0}),
        (DPVAE, {"points": 0}),
        (DPVAE, {"hidden": ()}),
        (DPVAE, {"latent": 0}),
        (DPVAE, {"prior_weight": 0.0}),
        (Hybrid, {"training_share": 1.0}),
        (Hybrid, {"public_rows": 0}),
        (Hybrid, {"candidates": 0}),
        (Hybrid, {"hidden": (0,)}),
    ],
    ids=str,
)
def test_impossible_options_are_refused(method: type[Any], options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        method(**options)


@pytest.mark.parametrize(("total", "batch"), [(0.0, 16.0), (1000.0, 200.0), (1e9, 2.0**18)])
def test_batches_stay_within_what_training_takes(total: float, batch: float) -> None:
    """Otherwise it would be refused when the counts are paid."""
    state = TrainingState.fresh(np.zeros(parameter_count(CRITIC, SCHEMA.domain), np.float32))
    asked = made().round(state, total, np.zeros((0, 3), np.int64))
    assert asked.batch == batch
    asked.check(SCHEMA.domain, SCHEMA.unit)


def test_rounds_go_on_where_the_last_ended(measurer: Build) -> None:
    codes = chain(200, 2, 3, 4)
    asked, found = measurer(codes, schema=SCHEMA), made()
    start = TrainingState.fresh(np.zeros(parameter_count(CRITIC, SCHEMA.domain), np.float32))
    public = as_table(SCHEMA, chain(50, 2, 3, 4, seed=1))
    last = found.trained(asked, start, 200.0, public)
    first, second = asked.asked
    assert isinstance(first, DpSgd)
    assert [(one.start.steps, one.steps) for one in (first, second)] == [(0, 3), (3, 3)]
    assert last.steps == 6
    assert first.start.parameters is start.parameters
    assert not np.array_equal(first.start.parameters, second.start.parameters)
    assert second.public is public
    assert second.clip == found.schedule.clip
    assert asked.events == (found.event,) * 2


def test_a_portion_is_the_measurer_under_a_part_of_its_budget(measurer: Build) -> None:
    whole, part = measurer(chain(20, 2, 3, 4), schema=SCHEMA), Budget(rho=0.01, delta=1e-6)
    portion = Portion(whole, part)
    assert (portion.schema, portion.budget) == (SCHEMA, part)
    AllPairs().fit(portion)
    assert whole.events == AllPairs().plan(SCHEMA, part).events
    assert portion.select == whole.select


def test_columns_to_rows_and_back() -> None:
    codes = chain(7, 2, 3, 4)
    table = as_table(SCHEMA, codes)
    assert table.shape == (7, 3)
    for name, column in as_columns(SCHEMA, table).items():
        np.testing.assert_array_equal(column, codes[name])
        assert column.dtype == np.int32
