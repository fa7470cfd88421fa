"""P19: the smallest spending counts, and no value of a budget means "no privacy"."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dpsynth.errors import BudgetExceededError, ConfigurationError
from dpsynth.privacy import (
    BasicFilter,
    Budget,
    Event,
    Filter,
    GaussianEvent,
    GDPFilter,
    LaplaceEvent,
    RepeatedEvent,
    ZCDPEvent,
    ZCDPFilter,
    fits,
    price,
)


def test_the_broken_twin_absorbs_tiny_spends() -> None:
    remaining = 1.0
    for _ in range(1000):
        remaining -= 1e-17
    assert remaining == 1.0


@pytest.mark.parametrize(
    ("gate", "tiny", "most"),
    [
        (BasicFilter(epsilon=1.0), LaplaceEvent(epsilon=1e-17), LaplaceEvent(epsilon=1.0)),
        (ZCDPFilter(rho=1.0), ZCDPEvent(rho=5e-324), ZCDPEvent(rho=1.0)),
        (GDPFilter(mu=1.0), GaussianEvent(mu=5e-324), GaussianEvent(mu=1.0)),
    ],
)
def test_a_filter_counts_the_tiniest_event(gate: Filter, tiny: Event, most: Event) -> None:
    assert gate.admits(most)
    started = gate.spend(tiny)
    assert started.spent > 0
    assert not started.admits(most)
    assert started.remaining < gate.remaining
    with pytest.raises(BudgetExceededError):
        gate.spend(most).spend(tiny)


@pytest.mark.parametrize(
    ("limit", "event"),
    [(BasicFilter(epsilon=0.3), LaplaceEvent(epsilon=0.1)), (ZCDPFilter(rho=0.3), ZCDPEvent(rho=0.1))],
)
def test_three_times_a_tenth_is_more_than_three_tenths(limit: Filter, event: Event) -> None:
    """0.1 is stored as slightly more than a tenth and 0.3 as slightly less: only exact sums notice."""
    gate = limit.spend(event).spend(event)
    assert not gate.admits(event)
    assert gate.remaining < 0.1


def test_many_tiny_spends_have_the_price_of_their_sum() -> None:
    tiny = RepeatedEvent(event=LaplaceEvent(epsilon=2.0**-60), times=2**60)
    assert price([LaplaceEvent(epsilon=1.0), tiny], delta=0.0).epsilon == 2.0
    in_mu = RepeatedEvent(event=GaussianEvent(mu=2.0**-600), times=2**1200)
    assert price([in_mu], delta=1e-9).mu == 1.0


def test_one_tiny_event_more_than_the_budget_is_too_much() -> None:
    assert fits([LaplaceEvent(epsilon=1.0)], Budget(epsilon=1.0))
    assert not fits([LaplaceEvent(epsilon=1.0), LaplaceEvent(epsilon=5e-324)], Budget(epsilon=1.0))
    assert price([LaplaceEvent(epsilon=1.0), LaplaceEvent(epsilon=5e-324)], delta=0.0).epsilon > 1.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Budget(epsilon=0.0, delta=1e-9),
        lambda: Budget(epsilon=None, delta=1e-9),
        lambda: Budget(epsilon=float("inf"), delta=1e-9),
        lambda: Budget(rho=0.0, delta=1e-9),
        lambda: LaplaceEvent(epsilon=0.0),
        lambda: GaussianEvent(mu=0.0),
        lambda: ZCDPFilter(rho=0.0),
        lambda: GDPFilter(mu=float("inf")),
        lambda: BasicFilter(epsilon=None),  # type: ignore[arg-type]
    ],
)
def test_no_value_means_no_privacy(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError, match=r"[Ee]xpected"):
        make()
