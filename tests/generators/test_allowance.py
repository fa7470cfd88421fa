from __future__ import annotations

import math

import pytest

from dpsynth.errors import BudgetExceededError
from dpsynth.generators.allowance import Allowance
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import ExponentialEvent, GaussianEvent, ZCDPEvent
from dpsynth.privacy.filters import GDPFilter, ZCDPFilter

BUDGETS = [
    Budget(epsilon=0.1, delta=1e-9),
    Budget(epsilon=1.0, delta=1e-6),
    Budget(epsilon=20.0, delta=1e-9),
    Budget(rho=0.02, delta=1e-9),
]


@pytest.mark.parametrize("budget", BUDGETS, ids=str)
@pytest.mark.parametrize("share", [0.05, 0.3])
def test_amounts_add_up_to_the_whole_and_the_whole_to_the_budget(budget: Budget, share: float) -> None:
    allowance = Allowance.of(budget, choices=share)
    whole, steps = allowance.left, 7
    for _ in range(steps):
        allowance = allowance.spend(GaussianEvent(mu=allowance.mu((1 - share) * whole / steps)))
        allowance = allowance.spend(ExponentialEvent(epsilon=allowance.epsilon(share * whole / steps)))
    assert 0 <= allowance.left < 1e-6 * whole
    with pytest.raises(BudgetExceededError):
        allowance.spend(GaussianEvent(mu=allowance.mu(0.01 * whole)))
    limit = budget.epsilon or price([ZCDPEvent(rho=budget.rho or 0.0)], delta=budget.delta).epsilon
    assert 0.999 * limit < price([allowance.whole], delta=budget.delta, adaptive=True).epsilon <= limit


def test_the_filter_is_the_one_that_goes_further() -> None:
    assert isinstance(Allowance.of(Budget(epsilon=1.0, delta=1e-9), choices=0.1).room, GDPFilter)
    assert isinstance(Allowance.of(Budget(epsilon=1.0, delta=1e-9), choices=0.5).room, ZCDPFilter)
    assert isinstance(Allowance.of(Budget(rho=0.01, delta=1e-9), choices=0.01).room, ZCDPFilter)
    assert isinstance(Allowance.of(Budget(epsilon=1.0, delta=1e-300), choices=0.1).room, ZCDPFilter)


def test_a_budget_in_rho_is_not_exceeded_in_rho() -> None:
    """What is mu-GDP is mu²/2-zCDP, and a filter of rho counts choices as rho."""
    for choices in (0.001, 0.9):
        whole = Allowance.of(Budget(rho=0.02, delta=1e-9), choices=choices).whole
        rho = price([whole], delta=1e-9).rho
        assert rho is not None
        assert rho <= 0.02


def test_the_currencies() -> None:
    rho, mu = Allowance(ZCDPFilter(rho=0.5)), Allowance(GDPFilter(mu=1.0))
    assert rho.left == mu.left == 0.5
    assert rho.mu(0.5) == mu.mu(0.5) == pytest.approx(1.0)
    assert rho.epsilon(0.5) == pytest.approx(2.0)
    assert mu.epsilon(0.5) == pytest.approx(math.sqrt(8 / math.pi))
    assert rho.whole == ZCDPEvent(rho=0.5)
    assert mu.whole == GaussianEvent(mu=1.0)
