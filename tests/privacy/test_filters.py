from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import BudgetExceededError, ConfigurationError, UnsupportedEventError
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import rho_of
from dpsynth.privacy.events import (
    ApproximateEvent,
    ComposedEvent,
    Event,
    ExponentialEvent,
    GaussianEvent,
    LaplaceEvent,
    NonPrivateEvent,
    PoissonGaussianEvent,
    RepeatedEvent,
    ZCDPEvent,
)
from dpsynth.privacy.filters import BasicFilter, Filter, GDPFilter, ZCDPFilter

sizes = st.floats(min_value=1e-12, max_value=1.5)
gaussians = sizes.map(lambda size: GaussianEvent(mu=size))
pure = st.one_of(
    sizes.map(lambda size: LaplaceEvent(epsilon=size)),
    sizes.map(lambda size: ExponentialEvent(epsilon=size)),
    st.builds(ApproximateEvent, epsilon=sizes, delta=st.sampled_from([0.0, 1e-9, 1e-7])),
)


def exact_rho(event: Event) -> Fraction:
    """The amount of one event, written down again without the library."""
    match event:
        case GaussianEvent():
            return Fraction(event.mu) ** 2 / 2
        case ExponentialEvent():
            return Fraction(event.epsilon) ** 2 / 8
        case _:
            return Fraction(event.epsilon) ** 2 / 2  # type: ignore[attr-defined]


def spend_what_fits(gate: Filter, events: list[Event]) -> tuple[Filter, list[Event]]:
    taken = []
    for event in events:
        if gate.admits(event):
            gate = gate.spend(event)
            taken.append(event)
        else:
            with pytest.raises(BudgetExceededError, match=r"does not fit"):
                gate.spend(event)
    return gate, taken


@given(st.lists(st.one_of(gaussians, pure), max_size=15), st.floats(1e-6, 2.0))
@settings(deadline=None)
def test_a_zcdp_filter_admits_nothing_beyond_its_limit(events: list[Event], rho: float) -> None:
    gate, taken = spend_what_fits(ZCDPFilter(rho=rho, delta=1.5e-7), events)
    assert gate.spent == sum(map(exact_rho, taken)) <= Fraction(rho)
    assert gate.failed == sum(Fraction(getattr(event, "delta", 0.0)) for event in taken) <= Fraction(1.5e-7)
    assert set(events) - set(taken) == {e for e in events if e not in taken}


@given(st.lists(gaussians, max_size=15), st.floats(1e-6, 3.0))
@settings(deadline=None)
def test_a_gdp_filter_admits_nothing_beyond_its_limit(events: list[Event], mu: float) -> None:
    gate, taken = spend_what_fits(GDPFilter(mu=mu), events)
    assert gate.spent == sum(2 * exact_rho(event) for event in taken) <= Fraction(mu) ** 2


def test_a_gdp_filter_adds_up_choices_as_well() -> None:
    gate = GDPFilter(mu=0.5).spend(GaussianEvent(mu=0.3)).spend(ExponentialEvent(epsilon=0.6))
    assert float(gate.spent) == pytest.approx(0.09 + math.pi / 8 * 0.36, rel=1e-15)
    assert gate.admits(ExponentialEvent(epsilon=0.21))
    assert not gate.admits(ExponentialEvent(epsilon=0.22))
    assert price(gate.guarantee, delta=1e-9, adaptive=True).engine == "gdp"


@given(st.lists(pure, max_size=15), st.floats(1e-6, 3.0))
@settings(deadline=None)
def test_a_basic_filter_admits_nothing_beyond_its_limit(events: list[Event], epsilon: float) -> None:
    gate, taken = spend_what_fits(BasicFilter(epsilon=epsilon, delta=1e-7), events)
    assert gate.spent == sum(Fraction(event.epsilon) for event in taken) <= Fraction(epsilon)  # type: ignore[attr-defined]


@given(st.lists(gaussians, min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_spending_does_not_matter(events: list[Event], shuffle: object) -> None:
    first, _ = spend_what_fits(ZCDPFilter(rho=100.0), events)
    shuffle.shuffle(events)  # type: ignore[attr-defined]
    assert spend_what_fits(ZCDPFilter(rho=100.0), events)[0] == first


@given(st.lists(gaussians, max_size=6))
@settings(deadline=None)
def test_what_remains_can_be_spent_and_no_more(events: list[Event]) -> None:
    in_rho, _ = spend_what_fits(ZCDPFilter(rho=1.0), events)
    in_mu, _ = spend_what_fits(GDPFilter(mu=1.0), events)
    for gate, event in ((in_rho, ZCDPEvent), (in_mu, GaussianEvent)):
        if gate.remaining > 0:
            name = gate._parameter
            assert gate.admits(event(**{name: gate.remaining}))
            assert not gate.admits(event(**{name: gate.remaining * (1 + 1e-9)}))


def test_what_remains_of_a_fresh_and_of_a_full_filter() -> None:
    gate = BasicFilter(epsilon=1.0, delta=1e-6)
    assert (gate.remaining, gate.remaining_delta) == (1.0, 1e-6)
    full = gate.spend(ApproximateEvent(epsilon=1.0, delta=1e-6))
    assert (full.remaining, full.remaining_delta) == (0.0, 0.0)
    assert GDPFilter(mu=0.1).remaining == 0.1


def test_the_guarantee_prices_the_whole_limit() -> None:
    budget = Budget(epsilon=1.0, delta=1e-9)
    gate = ZCDPFilter(rho=rho_of(budget))
    assert price(gate.guarantee, delta=1e-9, adaptive=True).epsilon <= 1.0
    assert gate.guarantee == gate.spend(GaussianEvent(mu=0.01)).guarantee
    assert GDPFilter(mu=0.3).guarantee == (GaussianEvent(mu=0.3),)
    failing = BasicFilter(epsilon=1.0, delta=1e-6).guarantee
    assert price(failing, delta=1e-6, adaptive=True).epsilon == 1.0


def test_spending_leaves_the_filter_as_it_was() -> None:
    gate = ZCDPFilter(rho=1.0)
    gate.spend(GaussianEvent(mu=0.5))
    assert gate == ZCDPFilter(rho=1.0)
    with pytest.raises(FrozenInstanceError):
        gate.spent = Fraction(0)  # type: ignore[misc]


def test_compound_events_are_admitted_whole_or_not_at_all() -> None:
    event = ComposedEvent(events=(GaussianEvent(mu=1.0), ApproximateEvent(epsilon=0.0, delta=1e-9)))
    assert not ZCDPFilter(rho=1.0).admits(event)
    assert ZCDPFilter(rho=1.0, delta=1e-9).admits(event)
    assert not ZCDPFilter(rho=1.0).admits(RepeatedEvent(event=GaussianEvent(mu=1.0), times=3))


@pytest.mark.parametrize(
    ("gate", "event"),
    [
        (ZCDPFilter(rho=1.0), PoissonGaussianEvent(sampling_rate=0.1, noise_multiplier=1.0, steps=1)),
        (ZCDPFilter(rho=1.0), NonPrivateEvent(reason="test")),
        (GDPFilter(mu=1.0), LaplaceEvent(epsilon=0.1)),
        (GDPFilter(mu=1.0), NonPrivateEvent(reason="test")),
        (BasicFilter(epsilon=1.0), GaussianEvent(mu=0.1)),
        (BasicFilter(epsilon=1.0), ZCDPEvent(rho=0.1)),
        (BasicFilter(epsilon=1.0), NonPrivateEvent(reason="test")),
    ],
)
def test_an_event_without_an_amount_is_refused(gate: Filter, event: Event) -> None:
    with pytest.raises(UnsupportedEventError, match="cannot bound"):
        gate.admits(event)
    with pytest.raises(UnsupportedEventError, match="cannot bound"):
        gate.spend(event)


@pytest.mark.parametrize("kind", [ZCDPFilter, GDPFilter, BasicFilter])
@pytest.mark.parametrize(
    "change",
    [
        {"delta": -1e-9},
        {"delta": 1.0},
        {"spent": Fraction(-1)},
        {"spent": Fraction(2)},
        {"failed": Fraction(-1)},
        {"failed": Fraction(1)},
    ],
)
def test_an_impossible_filter_is_refused(kind: type[Filter], change: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="Expected"):
        kind(**{kind._parameter: 1.0, **change})  # type: ignore[arg-type]
