"""Two accountants, written apart: what the first claims the second can prove, and neither says too little."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dpsynth.errors import DpsynthError
from dpsynth.privacy import (
    ApproximateEvent,
    ComposedEvent,
    Event,
    ExponentialEvent,
    GaussianEvent,
    GDPFilter,
    LaplaceEvent,
    NonPrivateEvent,
    PoissonGaussianEvent,
    RepeatedEvent,
    ZCDPEvent,
    ZCDPFilter,
    price,
    profile,
    risk,
)
from dpsynth.verifier import accounting
from dpsynth.verifier.accounting import AccountingError

CLOSED = {"gdp", "zcdp", "pure", "gdp+pure"}
PRICES = st.floats(1e-11, 1e-2)
sizes = st.floats(1e-3, 4.0)
closed_atoms = st.one_of(
    sizes.map(lambda size: GaussianEvent(mu=size)),
    sizes.map(lambda size: ExponentialEvent(epsilon=size)),
    sizes.map(lambda size: ZCDPEvent(rho=size)),
    st.builds(ApproximateEvent, epsilon=st.just(0.0), delta=st.sampled_from([0.0, 1e-13])),
)
atoms = st.one_of(
    closed_atoms,
    sizes.map(lambda size: LaplaceEvent(epsilon=size)),
    st.builds(ApproximateEvent, epsilon=sizes, delta=st.sampled_from([0.0, 1e-13])),
    st.builds(
        PoissonGaussianEvent,
        sampling_rate=st.floats(1e-3, 0.5),
        noise_multiplier=st.floats(0.5, 8.0),
        steps=st.sampled_from([1, 10, 500]),
    ),
)


def compare(events: list[Event], delta: float, *, adaptive: bool, thorough: bool) -> None:
    """The second must reach the first's claim; where the first knows nothing the second knows nothing either."""
    plain = [event.to_json() for event in events]
    try:
        first = price(events, delta=delta, adaptive=adaptive, thorough=thorough)
    except DpsynthError:
        with pytest.raises(AccountingError):
            accounting.epsilon(plain, delta, adaptive=adaptive)
        return
    second = accounting.epsilon(plain, delta, adaptive=adaptive)
    allowance = 1e-9 if first.engine in CLOSED else 1e-3
    assert second.epsilon <= first.epsilon * (1 + allowance)
    assert second.allowance in {1e-9, 1e-3}
    if first.mu is not None:
        assert second.epsilon >= first.epsilon * (1 - 1e-9)
        assert accounting.mu(plain, adaptive=adaptive) == pytest.approx(first.mu, rel=1e-15, abs=0)


@given(st.lists(closed_atoms, min_size=1, max_size=6), PRICES)
@settings(max_examples=60, deadline=None)
def test_claims_about_adaptive_runs_are_proved(events: list[Event], delta: float) -> None:
    compare(events, delta, adaptive=True, thorough=False)


@given(st.lists(closed_atoms, min_size=1, max_size=4), PRICES)
@settings(max_examples=10, deadline=None)
def test_claims_about_fixed_plans_of_counts_and_choices_are_proved(events: list[Event], delta: float) -> None:
    compare(events, delta, adaptive=False, thorough=False)


@pytest.mark.slow
@given(st.lists(atoms, min_size=1, max_size=4), PRICES)
@settings(max_examples=60, deadline=None)
@example([PoissonGaussianEvent(sampling_rate=0.00390625, noise_multiplier=0.5, steps=10)], 0.0078125)
@example([PoissonGaussianEvent(sampling_rate=0.5, noise_multiplier=1.0, steps=1)], 1e-11)  # a largest loss
def test_thorough_claims_about_any_fixed_plan_are_proved(events: list[Event], delta: float) -> None:
    compare(events, delta, adaptive=False, thorough=True)


@pytest.mark.parametrize("delta", [1e-5, 1e-9])
@pytest.mark.parametrize(
    "events",
    [
        [PoissonGaussianEvent(sampling_rate=0.01, noise_multiplier=1.0, steps=500)],
        [GaussianEvent(mu=0.18), PoissonGaussianEvent(sampling_rate=0.05, noise_multiplier=4.0, steps=400)],
        [RepeatedEvent(event=LaplaceEvent(epsilon=0.1), times=50), GaussianEvent(mu=0.2)],
        # A rare large loss beside a certain one: moments say little, the distribution nearly all.
        [
            PoissonGaussianEvent(sampling_rate=2e-4, noise_multiplier=0.7, steps=1),
            ApproximateEvent(epsilon=1.34, delta=0.0),
        ],
    ],
    ids=["training", "counts and training", "Laplace and counts", "rare and large"],
)
def test_thorough_claims_about_typical_plans_are_proved(events: list[Event], delta: float) -> None:
    compare(events, delta, adaptive=False, thorough=True)


@pytest.mark.slow
def test_claims_that_only_orders_prove_are_proved() -> None:
    """zCDP steps have no loss distribution, and below 1e-13 the first accountant asks for none."""
    events = [GaussianEvent(mu=0.6), LaplaceEvent(epsilon=0.5), ZCDPEvent(rho=0.01)]
    for delta in (1e-3, 1e-9, 1e-40, 1e-200):
        compare(events, delta, adaptive=False, thorough=False)
    assert price(events, delta=1e-9).engine == "gdp+rdp"
    training = PoissonGaussianEvent(sampling_rate=0.02, noise_multiplier=1.2, steps=300)
    for delta in (1e-15, 1e-100):
        compare([training], delta, adaptive=False, thorough=False)
        compare([training, ZCDPEvent(rho=1e-3)], delta, adaptive=False, thorough=False)


@pytest.mark.parametrize("limit", [ZCDPFilter(rho=0.05, delta=1e-12), GDPFilter(mu=0.4)])
def test_the_guarantee_of_a_filter_is_proved(limit: ZCDPFilter | GDPFilter) -> None:
    compare(list(limit.guarantee), 1e-9, adaptive=True, thorough=False)


def test_both_read_every_event_alike() -> None:
    events: list[Event] = [
        ComposedEvent(events=(GaussianEvent(mu=0.1), ApproximateEvent(epsilon=0.0, delta=1e-12))),
        RepeatedEvent(event=ComposedEvent(events=(LaplaceEvent(epsilon=0.01),)), times=7),
        PoissonGaussianEvent(sampling_rate=1.0, noise_multiplier=10.0, steps=3),
        ExponentialEvent(epsilon=0.2),
    ]
    compare(events, 1e-8, adaptive=False, thorough=False)
    compare([*events, ZCDPEvent(rho=0.1)], 1e-8, adaptive=True, thorough=False)
    lost = [event.to_json() for event in (*events, NonPrivateEvent(reason="test"))]
    assert accounting.epsilon(lost, 1e-8, adaptive=False).epsilon == math.inf


@pytest.mark.parametrize(
    "events",
    [
        [GaussianEvent(mu=0.5)],
        [GaussianEvent(mu=0.168), RepeatedEvent(event=ExponentialEvent(epsilon=0.02), times=13)],
        [ZCDPEvent(rho=0.1)],
        pytest.param([LaplaceEvent(epsilon=0.7), GaussianEvent(mu=0.2)], marks=pytest.mark.slow),
    ],
)
def test_the_risk_card_is_proved(events: list[Event]) -> None:
    card = risk(events, delta=1e-6)
    plain = [event.to_json() for event in events]
    assert accounting.advantage(plain, adaptive=False) <= card.advantage * (1 + 1e-9)
    assert accounting.power(plain, 0.01, adaptive=False) <= card.tpr_at_1_percent_fpr * (1 + 1e-9)
    assert accounting.power(plain, 0.001, adaptive=False) <= card.tpr_at_0_1_percent_fpr * (1 + 1e-9)


@given(st.lists(closed_atoms, min_size=1, max_size=3), st.floats(0.01, 10.0))
@settings(max_examples=30, deadline=None)
def test_deltas_are_proved(events: list[Event], epsilon: float) -> None:
    second = accounting.delta([event.to_json() for event in events], epsilon, adaptive=True)
    assert second <= profile(events, adaptive=True).delta(epsilon) * (1 + 1e-8) + 1e-300
