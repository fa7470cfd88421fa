from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.privacy import gdp, zcdp

rhos = st.floats(min_value=-10, max_value=3).map(lambda exponent: 10.0**exponent)
deltas = st.floats(min_value=-40, max_value=-1).map(lambda exponent: 10.0**exponent)


def best_delta(rho: float, epsilon: float) -> mpmath.mpf:
    """The conversion of Canonne, Kamath and Steinke, minimised with many digits by bisection."""
    with mpmath.workdps(60):
        r, e = mpmath.mpf(rho), mpmath.mpf(epsilon)
        low, high = mpmath.mpf(1), (e + r + 1) / r + 2
        for _ in range(250):
            a = (low + high) / 2
            low, high = (low, a) if (2 * a - 1) * r - e + mpmath.log(1 - 1 / a) > 0 else (a, high)
        a = high
        return mpmath.exp((a - 1) * (a * r - e)) / (a - 1) * (1 - 1 / a) ** a


@pytest.mark.parametrize("rho", [1e-8, 1e-3, 0.015, 1.0, 50.0])
@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0, 10.0, 200.0])
def test_delta_bounds_the_exact_minimum_from_above_and_closely(rho: float, epsilon: float) -> None:
    exact = float(mpmath.log(best_delta(rho, epsilon)))
    ours = zcdp.log_delta(rho, epsilon)
    assert min(exact, 0) <= ours <= min(exact + 1e-9 * max(1, abs(exact)), 0)


@pytest.mark.parametrize("delta", [1e-2, 1e-5, 1e-9, 1e-18, 1e-100])
@pytest.mark.parametrize("rho", [1e-6, 0.015, 1.0, 30.0])
def test_epsilon_is_the_root_rounded_up(rho: float, delta: float) -> None:
    epsilon = zcdp.epsilon(rho, delta)
    if epsilon == 0:
        assert best_delta(rho, 1e-30) <= delta
    else:
        assert best_delta(rho, epsilon) <= delta < best_delta(rho, epsilon * (1 - 1e-8))
    assert epsilon <= rho + 2 * math.sqrt(rho * math.log(1 / delta))  # the simple conversion is looser


@given(rhos, deltas)
@settings(deadline=None)
def test_a_gaussian_is_never_cheaper_in_zcdp_than_exactly(rho: float, delta: float) -> None:
    assert zcdp.epsilon(rho, delta) >= gdp.epsilon(math.sqrt(2 * rho), delta) * (1 - 1e-9)


@given(rhos, deltas, st.floats(min_value=1.0001, max_value=2))
@settings(deadline=None)
def test_epsilon_grows_with_rho_and_falls_with_delta(rho: float, delta: float, factor: float) -> None:
    assert zcdp.epsilon(rho, delta) <= zcdp.epsilon(rho * factor, delta)
    assert zcdp.epsilon(rho, delta) >= zcdp.epsilon(rho, delta * factor)


def test_every_order_gives_a_valid_and_looser_bound() -> None:
    orders = np.array([1.0001, 1.5, 2.0, 10.0, 1000.0])
    bounds = zcdp.order_bound(orders, 0.5 * orders, 3.0)
    assert np.all(bounds >= zcdp.log_delta(0.5, 3.0) - 1e-12)


def test_the_ends_of_the_range() -> None:
    assert zcdp.log_delta(0.0, 1.0) == -math.inf
    assert zcdp.log_delta(1e101, 1.0) == 0.0
    assert zcdp.log_delta(100.0, 1.0) == 0.0
    assert -math.inf < zcdp.log_delta(1e-200, 1.0) < -1e90
    assert zcdp.epsilon(1e101, 1e-9) == math.inf
    assert zcdp.epsilon(1e-30, 1e-9) == 0.0
