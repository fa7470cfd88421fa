from __future__ import annotations

import itertools
import math
import subprocess
import sys

import mpmath
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError, UnsupportedEventError
from dpsynth.privacy import gdp, zcdp
from dpsynth.privacy.accountant import price, profile
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

GAUSSIAN = GaussianEvent(mu=0.3)
LAPLACE = LaplaceEvent(epsilon=0.2)
SELECTION = ExponentialEvent(epsilon=0.4)
TRAINING = PoissonGaussianEvent(sampling_rate=0.01, noise_multiplier=1.0, steps=100)
sizes = st.floats(min_value=1e-3, max_value=3)
atoms = st.one_of(
    sizes.map(lambda size: GaussianEvent(mu=size)),
    sizes.map(lambda size: LaplaceEvent(epsilon=size)),
    sizes.map(lambda size: ExponentialEvent(epsilon=size)),
    sizes.map(lambda size: ZCDPEvent(rho=size)),
    st.builds(ApproximateEvent, epsilon=sizes, delta=st.just(1e-12)),
)


@pytest.mark.parametrize(
    ("events", "adaptive", "engines"),
    [
        ([GAUSSIAN], False, ["gdp", "zcdp"]),
        ([GAUSSIAN], True, ["gdp", "zcdp"]),
        ([LAPLACE], False, ["pure", "zcdp", "rdp"]),
        ([LAPLACE], True, ["pure", "zcdp"]),
        ([GAUSSIAN, SELECTION], False, ["gdp", "gdp+pure", "zcdp", "gdp+rdp", "rdp"]),
        ([GAUSSIAN, SELECTION], True, ["gdp", "zcdp"]),
        ([SELECTION], True, ["pure", "gdp", "zcdp"]),
        ([SELECTION, LAPLACE], True, ["pure", "zcdp"]),
        ([GAUSSIAN, LAPLACE], False, ["gdp+pure", "zcdp", "gdp+rdp", "rdp"]),
        ([GAUSSIAN, ZCDPEvent(rho=0.1)], False, ["zcdp", "gdp+rdp"]),
        ([GAUSSIAN, TRAINING], False, ["gdp+rdp", "rdp"]),
        ([GAUSSIAN, ApproximateEvent(epsilon=0.0, delta=1e-12)], True, ["gdp", "zcdp"]),
    ],
)
def test_every_valid_engine_is_asked_and_the_smallest_answer_wins(
    events: list[Event], adaptive: bool, engines: list[str]
) -> None:
    cost = price(events, delta=1e-9, adaptive=adaptive)
    assert [name for name, _ in cost.candidates] == engines
    assert (cost.epsilon, cost.engine) == min((epsilon, name) for name, epsilon in cost.candidates)
    assert cost.delta == 1e-9


def test_two_hundred_different_gaussians_are_one_gaussian() -> None:
    events = [GaussianEvent(mu=0.001 * k) for k in range(1, 201)]
    with mpmath.workdps(60):
        mu = mpmath.sqrt(sum(mpmath.mpf(event.mu) ** 2 for event in events))
        cost = price(events, delta=1e-9)
        assert cost.engine == "gdp"
        assert cost.mu is not None
        assert mu <= cost.mu <= mu * (1 + 1e-15)
        x = cost.epsilon / mu - mu / 2
        tails = [mpmath.erfc(point / mpmath.sqrt(2)) / 2 for point in (x, x + mu)]
        assert 1e-9 * (1 - 1e-9) <= tails[0] - mpmath.exp(cost.epsilon) * tails[1] <= 1e-9


def test_known_amounts_are_reported_and_only_where_they_hold() -> None:
    assert price([GaussianEvent(mu=0.5)], delta=1e-9).rho == 0.125
    assert price([GaussianEvent(mu=0.5)], delta=1e-9).mu == 0.5
    assert price([GAUSSIAN, SELECTION], delta=1e-9).mu is None
    assert price([SELECTION], delta=1e-9).rho == pytest.approx(0.02)
    assert price([TRAINING], delta=1e-9).rho is None
    failing = price([GAUSSIAN, ApproximateEvent(epsilon=0.0, delta=1e-12)], delta=1e-9)
    assert (failing.rho, failing.mu) == (None, None)


def test_nothing_costs_nothing() -> None:
    assert price([], delta=0.0).epsilon == 0.0


def test_pure_events_add_up_without_delta() -> None:
    cost = price([LAPLACE, SELECTION, ApproximateEvent(epsilon=0.25, delta=0.0)], delta=0.0)
    assert (cost.engine, cost.candidates) == ("pure", (("pure", cost.epsilon),))
    assert 0.85 <= cost.epsilon <= 0.85 * (1 + 1e-15)


@pytest.mark.parametrize("event", [GAUSSIAN, ZCDPEvent(rho=0.1), TRAINING])
def test_without_delta_a_gaussian_is_refused_with_a_remedy(event: Event) -> None:
    with pytest.raises(ConfigurationError, match="needs delta > 0; choose for example 1e-9"):
        price([event], delta=0.0)


@pytest.mark.parametrize("delta", [-1e-9, 1.0, math.nan, math.inf])
def test_an_impossible_delta_is_refused(delta: float) -> None:
    with pytest.raises(ConfigurationError, match="delta"):
        price([GAUSSIAN], delta=delta)
    with pytest.raises(ConfigurationError, match="delta"):
        profile([GAUSSIAN]).epsilon(delta)


def test_a_step_without_guarantee_makes_the_whole_run_unbounded() -> None:
    cost = price([GAUSSIAN, NonPrivateEvent(reason="test")], delta=1e-9, thorough=True)
    assert (cost.epsilon, cost.engine, cost.rho, cost.mu) == (math.inf, "non-private", None, None)
    assert profile([NonPrivateEvent(reason="test")]).delta(100.0) == 1.0
    assert profile([NonPrivateEvent(reason="test")]).epsilon(0.5) == math.inf


def test_what_nobody_can_price_is_refused() -> None:
    with pytest.raises(UnsupportedEventError, match=r"poisson-gaussian/1.*commit a fixed plan"):
        price([GAUSSIAN, TRAINING], delta=1e-9, adaptive=True)
    with pytest.raises(UnsupportedEventError, match="No valid accountant"):
        price([Event()], delta=1e-9)
    with pytest.raises(UnsupportedEventError, match="too large"):
        price([GaussianEvent(mu=1e150)], delta=1e-9)


def test_asking_thoroughly_never_gives_a_worse_price() -> None:
    for events, engine in (([GAUSSIAN, TRAINING], "pld"), ([GAUSSIAN, LAPLACE, SELECTION], "gdp+rdp")):
        quick, thorough = price(events, delta=1e-6), price(events, delta=1e-6, thorough=True)
        assert thorough.engine == engine
        assert (thorough.epsilon < quick.epsilon) == (engine == "pld")
    assert price([GAUSSIAN, ZCDPEvent(rho=0.1)], delta=1e-6, thorough=True).engine == "gdp+rdp"


@given(st.lists(atoms, min_size=1, max_size=4), st.floats(min_value=1e-10, max_value=0.1), st.booleans())
@settings(deadline=None)
@example([LaplaceEvent(epsilon=1.0), GaussianEvent(mu=3.0), ZCDPEvent(rho=1.0)], 0.0625, False)
def test_the_price_is_the_same_in_every_order_and_grows_with_every_event(
    events: list[Event], delta: float, adaptive: bool
) -> None:
    whole = price(events, delta=delta, adaptive=adaptive).epsilon
    for order in itertools.islice(itertools.permutations(events), 6):
        assert price(order, delta=delta, adaptive=adaptive).epsilon == pytest.approx(whole, rel=1e-12)
    assert price(events[1:], delta=delta, adaptive=adaptive).epsilon <= whole * (1 + 1e-9)
    assert price(events, delta=min(2 * delta, 0.5), adaptive=adaptive).epsilon <= whole * (1 + 1e-9)
    assert price(events, delta=delta).epsilon <= price(events, delta=delta, adaptive=True).epsilon * (
        1 + 1e-9
    )


@given(atoms, st.integers(1, 50), st.floats(min_value=1e-8, max_value=0.1))
@settings(deadline=None)
def test_the_price_grows_with_the_count(event: Event, times: int, delta: float) -> None:
    fewer = price([RepeatedEvent(event=event, times=times)], delta=delta).epsilon
    assert fewer <= price([RepeatedEvent(event=event, times=times + 1)], delta=delta).epsilon * (1 + 1e-9)


@given(st.lists(atoms, min_size=1, max_size=3), st.floats(min_value=1e-9, max_value=0.1))
@settings(deadline=None)
def test_profile_and_price_describe_one_curve(events: list[Event], delta: float) -> None:
    curve = profile(events)
    epsilon = curve.epsilon(delta)
    assert epsilon == price(events, delta=delta).epsilon
    assert curve.delta(epsilon) <= delta * (1 + 1e-9)


def test_the_profile_of_pure_events_is_the_one_of_randomised_response() -> None:
    curve = profile([ExponentialEvent(epsilon=1.0)])
    assert curve.delta(1.0) == 0.0
    assert curve.delta(0.0) <= math.tanh(0.5) * (1 + 1e-9)
    pure = profile([ApproximateEvent(epsilon=3.0, delta=0.01)])
    assert pure.delta(3.0) == pytest.approx(0.01)
    assert pure.delta(2.0) == pytest.approx(0.01 + (math.exp(3) - math.exp(2)) / (1 + math.exp(3)), rel=1e-9)
    with pytest.raises(ConfigurationError, match="epsilon"):
        curve.delta(-1.0)


def test_a_gaussian_beside_a_pure_event_costs_at_most_the_sum_of_both() -> None:
    alone = gdp.epsilon(2.0, 1e-9)
    together = dict(price([GaussianEvent(mu=2.0), ExponentialEvent(epsilon=0.01)], delta=1e-9).candidates)
    assert together["gdp+pure"] == pytest.approx(alone + 0.01, rel=1e-10)
    assert together["gdp+pure"] >= alone + 0.01
    assert together["zcdp"] == pytest.approx(zcdp.epsilon(2.0 + 0.01**2 / 8, 1e-9))
    below = profile([GaussianEvent(mu=2.0), LaplaceEvent(epsilon=1.0)]).delta(0.5)
    assert math.exp(gdp.log_delta(2.0, 0.5)) < below < 1.0


def test_tiny_deltas_have_finite_prices() -> None:
    for delta in (1e-18, 1e-100, 1e-300):
        cost = price([GAUSSIAN, SELECTION], delta=delta, thorough=True)
        assert math.isfinite(cost.epsilon)
        assert "pld" not in dict(cost.candidates)


def test_pricing_is_quick_and_needs_no_optional_package() -> None:
    """Work, not time: the closed forms import neither dp-accounting nor scipy.stats."""
    code = (
        "import sys, dpsynth.privacy as p\n"
        "assert 'scipy' not in sys.modules, 'import must stay cheap'\n"
        "p.price([p.GaussianEvent(mu=0.3), p.LaplaceEvent(epsilon=0.1)], delta=1e-9)\n"
        "assert not {'dp_accounting', 'scipy.stats'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
