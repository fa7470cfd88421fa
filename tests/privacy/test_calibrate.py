from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import BudgetExceededError, ConfigurationError, UnsupportedEventError
from dpsynth.privacy import gdp, zcdp
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import calibrate, fits, mu_of, rho_of
from dpsynth.privacy.events import (
    ApproximateEvent,
    Event,
    ExponentialEvent,
    GaussianEvent,
    LaplaceEvent,
    NonPrivateEvent,
    PoissonGaussianEvent,
    RepeatedEvent,
    ZCDPEvent,
)

Plan = Callable[[float], Sequence[Event]]
PLANS: dict[str, Plan] = {
    "gaussian": lambda s: [GaussianEvent(mu=s)],
    "many gaussians": lambda s: [GaussianEvent(mu=s * k) for k in range(1, 201)],
    "mst": lambda s: [GaussianEvent(mu=s), RepeatedEvent(event=ExponentialEvent(epsilon=s), times=13)],
    "laplace": lambda s: [LaplaceEvent(epsilon=s)],
    "with a fixed part": lambda s: [GaussianEvent(mu=s), ApproximateEvent(epsilon=0.05, delta=1e-12)],
    "training": lambda s: [PoissonGaussianEvent(sampling_rate=0.01, noise_multiplier=1 / s, steps=100)],
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 10.0])
def test_the_scale_is_the_largest_that_the_budget_pays(name: str, epsilon: float) -> None:
    plan, budget = PLANS[name], Budget(epsilon=epsilon, delta=1e-9)
    scale = calibrate(plan, budget)
    assert price(plan(scale), delta=1e-9).epsilon <= epsilon
    assert price(plan(scale * 1.001), delta=1e-9).epsilon > epsilon
    assert fits(plan(scale), budget)
    assert not fits(plan(scale * 1.001), budget)


@pytest.mark.slow
def test_an_adaptive_plan_gets_less_and_a_thorough_one_more() -> None:
    budget = Budget(epsilon=1.0, delta=1e-6)
    plan = PLANS["mst"]
    adaptive = calibrate(plan, budget, adaptive=True)
    assert price(plan(adaptive), delta=1e-6, adaptive=True).epsilon <= 1.0
    assert adaptive <= calibrate(plan, budget)
    quick = [
        calibrate(lambda s: [LaplaceEvent(epsilon=s), GaussianEvent(mu=s)], budget, thorough=t)
        for t in (False, True)
    ]
    assert quick[0] < quick[1]


def test_a_rho_budget_counts_rho_exactly() -> None:
    budget = Budget(rho=0.02, delta=1e-9)
    scale = calibrate(lambda s: [GaussianEvent(mu=s), ZCDPEvent(rho=s * s / 2)], budget)
    assert 0.02 * (1 - 1e-9) < scale**2 <= 0.02
    assert fits([ZCDPEvent(rho=0.01), ZCDPEvent(rho=0.01)], budget)
    assert not fits([ZCDPEvent(rho=0.02), ZCDPEvent(rho=1e-300)], budget)
    assert not fits([NonPrivateEvent(reason="test")], budget)
    with pytest.raises(UnsupportedEventError, match="rho budget"):
        fits(PLANS["training"](1.0), budget)
    with pytest.raises(ConfigurationError, match="state epsilon and delta"):
        fits([ApproximateEvent(epsilon=0.1, delta=1e-12)], budget)


def test_pure_plans_need_no_delta() -> None:
    scale = calibrate(lambda s: [RepeatedEvent(event=LaplaceEvent(epsilon=s), times=4)], Budget(epsilon=1.0))
    assert 0.25 * (1 - 1e-9) < scale <= 0.25


def test_fixed_costs_beyond_the_budget_are_refused() -> None:
    with pytest.raises(BudgetExceededError, match="fixed costs"):
        calibrate(lambda s: [LaplaceEvent(epsilon=2.0), GaussianEvent(mu=s)], Budget(epsilon=1.0, delta=1e-9))


def test_a_cost_that_does_not_grow_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="grows with the scale"):
        calibrate(lambda _: [GaussianEvent(mu=0.01)], Budget(epsilon=1.0, delta=1e-9))


def test_events_that_nobody_can_price_say_so() -> None:
    with pytest.raises(UnsupportedEventError, match="commit a fixed plan"):
        calibrate(PLANS["training"], Budget(epsilon=1.0, delta=1e-9), adaptive=True)
    with pytest.raises(ConfigurationError, match="needs delta > 0"):
        calibrate(PLANS["gaussian"], Budget(epsilon=1.0))


@given(st.floats(min_value=1e-3, max_value=50), st.floats(min_value=-50, max_value=-1).map(lambda x: 10.0**x))
@settings(deadline=None)
def test_rho_and_mu_of_a_budget_stay_within_it(epsilon: float, delta: float) -> None:
    budget = Budget(epsilon=epsilon, delta=delta)
    rho, mu = rho_of(budget), mu_of(budget)
    assert zcdp.epsilon(rho, delta) <= epsilon < zcdp.epsilon(rho * (1 + 1e-8), delta)
    assert gdp.epsilon(mu, delta) <= epsilon < gdp.epsilon(mu * (1 + 1e-8), delta)
    for share in (0.1, 0.7):  # parts that add up to the whole never cost more than the whole
        parts = [ZCDPEvent(rho=share * rho), ZCDPEvent(rho=math.nextafter(rho - share * rho, 0.0))]
        assert fits(parts, budget, adaptive=True)


def test_known_budgets() -> None:
    assert mu_of(Budget(epsilon=1.0, delta=1e-9)) == pytest.approx(0.1820, abs=5e-5)
    assert mu_of(Budget(epsilon=1, delta=1e-6)) == pytest.approx(0.237, abs=5e-4)
    assert rho_of(Budget(rho=0.3, delta=1e-9)) == 0.3
    assert mu_of(Budget(rho=0.5, delta=1e-9)) == 1.0


@pytest.mark.parametrize("of", [rho_of, mu_of])
def test_without_delta_there_is_neither_rho_nor_mu(of: Callable[[Budget], float]) -> None:
    with pytest.raises(ConfigurationError, match="needs delta > 0"):
        of(Budget(epsilon=1.0))


def test_a_cost_beyond_all_engines_is_too_much() -> None:
    """The search meets it on its way out: the next scale that it tries has a mu of e^400."""
    scale = calibrate(lambda s: [GaussianEvent(mu=s**400)], Budget(epsilon=100.0, delta=1e-9))
    assert gdp.epsilon(scale**400, 1e-9) == pytest.approx(100.0, rel=1e-6)


def test_calibration_takes_few_steps() -> None:
    calls = 0

    def plan(scale: float) -> Sequence[Event]:
        nonlocal calls
        calls += 1
        return PLANS["mst"](scale)

    calibrate(plan, Budget(epsilon=1.0, delta=1e-9))
    assert calls <= 45  # by closed forms, then by all engines
