"""Gaussians exactly, the rest by Rényi orders: an upper bound that is close where it should be."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.privacy import GaussianEvent, LaplaceEvent, PoissonGaussianEvent, gdp, pld, rdp
from dpsynth.privacy.composition import compose
from dpsynth.privacy.events import Event
from dpsynth.privacy.mixed import Mixed, _log_delta
from dpsynth.privacy.zcdp import order_bound


def mixed(mu: float, *rest: Event) -> Mixed:
    cumulants = rdp.cumulants(compose(rest))
    assert cumulants is not None
    return Mixed(mu, cumulants)


@given(mu=st.floats(0.02, 6.0), epsilon=st.floats(0.01, 20.0))
def test_a_rest_that_does_nothing_leaves_the_exact_gaussian(mu: float, epsilon: float) -> None:
    nothing = Mixed(mu, np.zeros_like(rdp.ORDERS))
    exact = gdp.log_delta(mu, epsilon)
    if exact > math.log(1e-12):
        # Orders say of nothing that it is (e, delta)-DP with a small delta near e = 0, not with none.
        assert exact <= nothing.log_delta(epsilon)
        assert nothing.log_delta(epsilon + 0.2 * mu) <= exact + 0.05


@pytest.mark.parametrize("mu", [0.15, pytest.param(1.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("rate", "multiplier", "steps"), [(0.05, 16.0, 400), (0.02, 2.0, 1000), (0.3, 8.0, 50)]
)
def test_it_lies_between_the_loss_distribution_and_the_orders(
    mu: float, rate: float, multiplier: float, steps: int
) -> None:
    training = PoissonGaussianEvent(sampling_rate=rate, noise_multiplier=multiplier, steps=steps)
    whole = compose([GaussianEvent(mu=mu), training])
    cumulants, engine = rdp.cumulants(whole), mixed(mu, training)
    assert cumulants is not None
    for delta in (1e-4, 1e-6, 1e-9):
        tight = pld.epsilon(whole, delta, near=1.0)
        assert tight is not None
        assert engine.log_delta(0.99 * tight) > math.log(delta)  # less would be wrong
        loose = next(
            e for e in np.geomspace(tight, 4 * tight, 400) if rdp.log_delta(cumulants, e) <= math.log(delta)
        )
        assert engine.log_delta(1.005 * loose) <= math.log(delta)


@given(st.lists(st.floats(0.0, 50.0) | st.just(math.inf), min_size=len(rdp.ORDERS), max_size=len(rdp.ORDERS)))
def test_of_all_orders_the_best_is_taken(cumulants: list[float]) -> None:
    epsilons = np.r_[-np.geomspace(1e3, 1e-3, 40), 0.0, np.geomspace(1e-3, 1e3, 40)]
    known = np.isfinite(cumulants)
    orders, divergences = rdp.ORDERS[known], np.array(cumulants)[known] / (rdp.ORDERS[known] - 1)
    found = _log_delta(np.array(cumulants), epsilons)
    if not known.any():
        assert (found == math.inf).all()
        return
    best = np.min([order_bound(orders, divergences, epsilon) for epsilon in epsilons], axis=1)
    np.testing.assert_allclose(found, best, rtol=1e-9, atol=1e-9)


def test_it_is_the_mean_over_the_gaussian_loss() -> None:
    training = PoissonGaussianEvent(sampling_rate=0.1, noise_multiplier=4.0, steps=30)
    rest = compose([training])
    cumulants = rdp.cumulants(replace(rest, squared_mu=Fraction(0)))
    assert cumulants is not None
    mu, epsilon = 0.3, 1.4
    steps = np.linspace(-8, 8, 4001)
    weights = np.exp(-steps * steps / 2)
    losses = mu * mu / 2 + mu * steps
    values = [math.exp(min(rdp.log_delta(cumulants, epsilon - float(loss)), 0.0)) for loss in losses]
    expected = float(np.average(values, weights=weights))
    found = math.exp(mixed(mu, training).log_delta(epsilon))
    assert expected <= found * (1 + 1e-6)
    assert found <= 1.1 * expected


def test_it_falls_with_epsilon_and_grows_with_mu() -> None:
    laplace = LaplaceEvent(epsilon=0.2)
    deltas = [mixed(0.5, laplace).log_delta(epsilon) for epsilon in np.geomspace(0.01, 1e5, 60)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(deltas))
    assert mixed(0.5, laplace).log_delta(2.0) < mixed(0.6, laplace).log_delta(2.0)
