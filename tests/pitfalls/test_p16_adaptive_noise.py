"""P16: noise levels chosen from earlier answers need a filter; only a fixed plan may use the tight engines."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dpsynth.errors import BudgetExceededError, UnsupportedEventError
from dpsynth.privacy import (
    Budget,
    ExponentialEvent,
    GaussianEvent,
    LaplaceEvent,
    PoissonGaussianEvent,
    ZCDPFilter,
    calibrate,
    price,
    rho_of,
)

BUDGET = Budget(epsilon=1.0, delta=1e-6)
FOR_FIXED_PLANS = {"pld", "rdp", "gdp+pure", "gdp+rdp"}


def test_an_adaptive_run_is_never_priced_by_an_engine_for_fixed_plans() -> None:
    events = [GaussianEvent(mu=0.2), ExponentialEvent(epsilon=0.1), LaplaceEvent(epsilon=0.1)]
    fixed = price(events, delta=1e-6, thorough=True)
    adaptive = price(events, delta=1e-6, adaptive=True, thorough=True)
    assert {name for name, _ in fixed.candidates} > FOR_FIXED_PLANS
    assert not {name for name, _ in adaptive.candidates} & FOR_FIXED_PLANS
    assert adaptive.epsilon > fixed.epsilon  # the broken twin prices both alike


def test_what_only_a_fixed_plan_can_have_is_refused_in_an_adaptive_run() -> None:
    training = PoissonGaussianEvent(sampling_rate=0.01, noise_multiplier=1.0, steps=10)
    with pytest.raises(UnsupportedEventError, match="commit a fixed plan"):
        price([training], delta=1e-6, adaptive=True, thorough=True)
    with pytest.raises(UnsupportedEventError, match="cannot bound"):
        ZCDPFilter(rho=1.0).admits(training)


def spend_greedily(admits: Callable[[GaussianEvent], bool], answers: list[float]) -> list[GaussianEvent]:
    """An analyst who takes less noise whenever the last answer looked interesting."""
    taken, mu = [], 0.05
    for answer in answers:
        mu *= 1.1 if answer > 0 else 1.0
        if admits(GaussianEvent(mu=mu)):
            taken.append(GaussianEvent(mu=mu))
    return taken


@pytest.mark.parametrize("answers", [[1.0] * 12, [-1.0] * 60, [1.0, -1.0] * 20])
def test_a_filter_keeps_every_path_of_an_adaptive_run_within_the_budget(answers: list[float]) -> None:
    gate = ZCDPFilter(rho=rho_of(BUDGET))

    def filtered(event: GaussianEvent) -> bool:
        nonlocal gate
        try:
            gate = gate.spend(event)
        except BudgetExceededError:
            return False
        return True

    def each_step_alone(event: GaussianEvent) -> bool:  # the broken twin: no memory
        return price([event], delta=BUDGET.delta).epsilon <= 1.0

    taken = spend_greedily(filtered, answers)
    assert taken
    assert price(taken, delta=BUDGET.delta, adaptive=True).epsilon <= 1.0
    assert price(spend_greedily(each_step_alone, answers), delta=BUDGET.delta).epsilon > 1.0


def test_an_adaptive_run_is_priced_by_the_limit_and_not_by_where_it_stopped() -> None:
    """Where it stopped depends on the data; two runs under one filter have one guarantee."""
    gate = ZCDPFilter(rho=rho_of(BUDGET))
    short, long = gate.spend(GaussianEvent(mu=0.01)), gate.spend(GaussianEvent(mu=0.2))
    assert short.guarantee == long.guarantee
    assert price(short.guarantee, delta=BUDGET.delta, adaptive=True).epsilon == pytest.approx(1.0, rel=1e-9)


def test_calibration_for_an_adaptive_run_uses_its_engines() -> None:
    def plan(scale: float) -> list[GaussianEvent | LaplaceEvent]:
        return [GaussianEvent(mu=scale), LaplaceEvent(epsilon=scale / 100)]

    scale = calibrate(plan, BUDGET, adaptive=True)
    assert price(plan(scale), delta=BUDGET.delta, adaptive=True).epsilon <= 1.0
    assert scale < calibrate(plan, BUDGET)
