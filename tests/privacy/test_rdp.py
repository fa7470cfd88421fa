from __future__ import annotations

import math

import dp_accounting
import mpmath
import numpy as np
import pytest
from dp_accounting.rdp import RdpAccountant

from dpsynth.privacy import rdp
from dpsynth.privacy.composition import compose
from dpsynth.privacy.events import (
    ApproximateEvent,
    Event,
    ExponentialEvent,
    GaussianEvent,
    LaplaceEvent,
    PoissonGaussianEvent,
    RepeatedEvent,
    ZCDPEvent,
)

LESS = rdp.ORDERS - 1


def divergences(*events: Event) -> np.ndarray:
    cumulants = rdp.cumulants(compose(events))
    assert cumulants is not None
    return cumulants / LESS


@pytest.mark.parametrize(
    ("rate", "multiplier"), [(0.01, 1.0), (0.3, 0.7), (1e-4, 4.0), (0.9, 20.0), (1e-6, 0.5)]
)
def test_private_training_agrees_with_dp_accounting_at_integer_orders(rate: float, multiplier: float) -> None:
    whole = [int(order) for order in rdp.ORDERS if order >= 2 and order <= 512]
    oracle = RdpAccountant(whole, dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    oracle.compose(dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(multiplier)), 100)
    ours = divergences(PoissonGaussianEvent(sampling_rate=rate, noise_multiplier=multiplier, steps=100))
    ours = ours[(rdp.ORDERS >= 2) & (rdp.ORDERS <= 512)]
    assert ours == pytest.approx(oracle._rdp, rel=1e-7, abs=1e-10)


@pytest.mark.parametrize("index", [0, 12, 23, 24, 25, 40])
def test_private_training_bounds_its_defining_integral_in_both_directions(index: int) -> None:
    rate, sigma, order = 0.2, 0.8, rdp.ORDERS[index]
    x = np.linspace(-60, 60, 600_001)
    without = -x * x / (2 * sigma**2) - math.log(sigma * math.sqrt(2 * math.pi))
    within = without + np.logaddexp(math.log1p(-rate), math.log(rate) + (2 * x - 1) / (2 * sigma**2))

    def divergence(top: np.ndarray, bottom: np.ndarray) -> float:
        return math.log(np.sum(np.exp(order * top + (1 - order) * bottom)) * (x[1] - x[0])) / (order - 1)

    step = PoissonGaussianEvent(sampling_rate=rate, noise_multiplier=sigma, steps=1)
    ours = divergences(step)[index]
    assert divergence(without, within) < divergence(within, without) <= ours
    if order >= 2:  # below 2 the chord is looser
        assert ours == pytest.approx(divergence(within, without), rel=1e-8)


@pytest.mark.parametrize("epsilon", [1e-3, 0.5, 4.0])
@pytest.mark.parametrize("index", [0, 20, 24, 40, -1])
def test_laplace_and_randomised_response_agree_with_their_definitions(epsilon: float, index: int) -> None:
    with mpmath.workdps(400):
        a, e = mpmath.mpf(float(rdp.ORDERS[index])), mpmath.mpf(epsilon)
        # Below 0 and above epsilon the two Laplace densities have a constant ratio; integrate the three pieces.
        middle = (mpmath.exp((a - 1) * e) - mpmath.exp(-a * e)) / (2 * a - 1) / 2
        laplace = mpmath.log(mpmath.exp((a - 1) * e) / 2 + middle + mpmath.exp(-a * e) / 2) / (a - 1)
        yes = mpmath.exp(e) / (1 + mpmath.exp(e))
        response = mpmath.log(yes**a * (1 - yes) ** (1 - a) + (1 - yes) ** a * yes ** (1 - a)) / (a - 1)
    assert divergences(LaplaceEvent(epsilon=epsilon))[index] == pytest.approx(float(laplace), rel=1e-6)
    assert divergences(ApproximateEvent(epsilon=epsilon, delta=0.0))[index] == pytest.approx(
        float(response), rel=1e-6
    )
    assert divergences(LaplaceEvent(epsilon=epsilon))[index] >= float(laplace)
    assert divergences(ApproximateEvent(epsilon=epsilon, delta=0.0))[index] >= float(response)


def test_gaussian_and_concentrated_events_are_straight_lines() -> None:
    assert divergences(GaussianEvent(mu=0.3)) == pytest.approx(rdp.ORDERS * 0.045, rel=1e-12)
    assert divergences(ZCDPEvent(rho=0.2)) == pytest.approx(rdp.ORDERS * 0.2, rel=1e-12)
    exponential = divergences(ExponentialEvent(epsilon=0.4))
    assert np.all(exponential <= np.minimum(rdp.ORDERS * 0.02, 0.4) * (1 + 1e-9))


def test_events_add_up() -> None:
    parts = [GaussianEvent(mu=0.3), LaplaceEvent(epsilon=0.2)]
    thrice = divergences(*[RepeatedEvent(event=part, times=3) for part in parts])
    assert thrice == pytest.approx(3 * divergences(parts[0]) + 3 * divergences(parts[1]), rel=1e-12)


@pytest.mark.parametrize(
    "event",
    [
        GaussianEvent(mu=1e40),
        ZCDPEvent(rho=1e60),
        PoissonGaussianEvent(sampling_rate=0.5, noise_multiplier=1e-60, steps=1),
        PoissonGaussianEvent(sampling_rate=0.5, noise_multiplier=1.0, steps=10**60),
        Event(),
    ],
)
def test_what_it_cannot_price_it_does_not_price(event: Event) -> None:
    assert rdp.cumulants(compose([event])) is None


def test_delta_falls_with_epsilon() -> None:
    cumulants = rdp.cumulants(compose([LaplaceEvent(epsilon=1.0)]))
    assert cumulants is not None
    values = [rdp.log_delta(cumulants, epsilon) for epsilon in (0.0, 0.1, 0.5, 0.9)]
    assert values == sorted(values, reverse=True)
    assert math.exp(values[0]) >= 1 - math.exp(-0.5)  # the exact total variation of Laplace noise
