"""P19: floating-point subtraction absorbs a small spend, so that ever so many of them are free."""

from __future__ import annotations

import pytest

from dpsynth.errors import BudgetExceededError, ConfigurationError
from dpsynth.ledger import Cap, Ledger, Spend

TINY = [1e-17, 1e-100, 5e-324]


def absorbed(remaining: float, spend: float) -> bool:
    """The broken twin: subtract floats."""
    return remaining - spend == remaining


@pytest.mark.parametrize("tiny", TINY)
@pytest.mark.parametrize("name", ["epsilon", "rho"])
def test_a_tiny_spend_costs_a_unit_and_runs_out(tiny: float, name: str) -> None:
    assert absorbed(1.0, tiny)
    smallest = {"epsilon": 1e-9, "rho": 1e-12}[name]
    with Ledger.in_memory() as ledger:
        account = ledger.account("people", "one row", cap=Cap(**{name: 5 * smallest}))
        spend = Spend(epsilon=tiny, rho=tiny)
        for count in range(1, 6):
            ledger.reserve(account, spend, method="m", plan_digest="p")
            assert getattr(ledger.statement()[0].spent, name) == pytest.approx(count * smallest, rel=1e-12)
        with pytest.raises(BudgetExceededError, match="no room"):
            ledger.reserve(account, spend, method="m", plan_digest="p")


@pytest.mark.parametrize("tiny", [1e-19, 1e-100, 5e-324])
def test_a_tiny_delta_costs_a_unit(tiny: float) -> None:
    with Ledger.in_memory() as ledger:
        account = ledger.account("people", "one row", cap=Cap(epsilon=1.0, delta=1e-18))
        ledger.reserve(account, Spend(epsilon=0.0, delta=tiny), method="m", plan_digest="p")
        with pytest.raises(BudgetExceededError, match="remaining epsilon 1, delta 0"):
            ledger.reserve(account, Spend(epsilon=0.0, delta=tiny), method="m", plan_digest="p")


def test_a_tiny_spend_is_not_absorbed_by_a_huge_sum() -> None:
    assert absorbed(1e12, 1e-9)
    with Ledger.in_memory() as ledger:
        account = ledger.account("people", "one row", cap=Cap(epsilon=1e12))
        ledger.reserve(account, Spend(epsilon=1e12), method="m", plan_digest="p")
        with pytest.raises(BudgetExceededError, match="no room"):
            ledger.reserve(account, Spend(epsilon=1e-9), method="m", plan_digest="p")


@pytest.mark.parametrize("epsilon", [0.0, -0.0, None, float("inf"), float("nan"), -1.0])
def test_no_value_means_no_privacy(epsilon: float) -> None:
    with pytest.raises(ConfigurationError, match="Expected"):
        Spend(epsilon=epsilon)
