from __future__ import annotations

import math

import mpmath
import pytest
from dp_accounting.gaussian_mechanism import get_epsilon_gaussian
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.privacy import gdp

mus = st.floats(min_value=1e-6, max_value=100)
deltas = st.floats(min_value=-300, max_value=-1).map(lambda exponent: 10.0**exponent)


def exact_delta(mu: float, epsilon: float) -> mpmath.mpf:
    """The textbook formula with so many digits that its cancellation does not matter."""
    with mpmath.workdps(400):
        m, e = mpmath.mpf(mu), mpmath.mpf(epsilon)

        def tail(x: mpmath.mpf) -> mpmath.mpf:
            return mpmath.erfc(x / mpmath.sqrt(2)) / 2

        return tail(e / m - m / 2) - mpmath.exp(e) * tail(e / m + m / 2)


@pytest.mark.parametrize("mu", [1e-6, 1e-3, 0.182, 1.0, 5.0, 60.0])
@pytest.mark.parametrize("deviations", [-3.0, -1.5, -0.5, 0.0, 0.3, 2.0, 6.0, 15.0, 37.0])
def test_delta_bounds_the_exact_formula_from_above_and_closely(mu: float, deviations: float) -> None:
    epsilon = mu * (deviations + mu / 2)
    if epsilon < 0:
        epsilon = 0.0
    exact = float(mpmath.log(exact_delta(mu, epsilon)))
    ours = gdp.log_delta(mu, epsilon)
    assert exact <= ours <= exact + 1e-6 * (1e-3 / mu if mu < 1e-3 else 1e-3)


@given(st.floats(-7, 2).map(lambda exponent: 10.0**exponent), st.floats(0, 20))
@settings(deadline=None)
def test_delta_is_never_below_the_exact_formula(mu: float, deviations: float) -> None:
    for epsilon in (mu * deviations, mu * mu / 2 * deviations / 20, mu * (deviations + mu / 2)):
        assert mpmath.log(exact_delta(mu, epsilon)) <= gdp.log_delta(mu, epsilon)


@pytest.mark.parametrize("delta", [0.3, 1e-2, 1e-5, 1e-9, 1e-18, 1e-100, 1e-300])
@pytest.mark.parametrize("mu", [0.01, 0.2, 1.0, 8.0])
def test_epsilon_is_the_root_rounded_up(mu: float, delta: float) -> None:
    epsilon = gdp.epsilon(mu, delta)
    assert exact_delta(mu, epsilon) <= delta
    if epsilon > 0:
        assert exact_delta(mu, epsilon * (1 - 1e-9)) > delta


@pytest.mark.parametrize("sigma", [0.5, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("delta", [1e-3, 1e-6, 1e-9])
def test_it_agrees_with_the_analytic_gaussian_of_dp_accounting(sigma: float, delta: float) -> None:
    assert gdp.epsilon(1 / sigma, delta) == pytest.approx(get_epsilon_gaussian(sigma, delta), rel=1e-6)


def test_a_known_value() -> None:
    assert gdp.epsilon(0.18197, 1e-9) < 1 < gdp.epsilon(0.18198, 1e-9)


@given(mus, deltas, st.floats(min_value=1.0001, max_value=2))
@settings(deadline=None)
def test_epsilon_grows_with_mu_and_falls_with_delta(mu: float, delta: float, factor: float) -> None:
    assert gdp.epsilon(mu, delta) <= gdp.epsilon(mu * factor, delta)
    assert gdp.epsilon(mu, delta) >= gdp.epsilon(mu, min(delta * factor, 0.5))


def test_the_ends_of_the_range() -> None:
    assert gdp.log_delta(0.0, 1.0) == -math.inf
    assert gdp.log_delta(1e101, 1.0) == 0.0
    assert -math.inf < gdp.log_delta(1e-200, 1.0) < -1e100
    assert gdp.epsilon(1e101, 1e-9) == math.inf
    assert gdp.epsilon(0.0, 1e-9) == 0.0
    assert gdp.epsilon(1e-12, 1e-9) == 0.0


@given(st.floats(min_value=1e-3, max_value=5), st.floats(min_value=1e-6, max_value=0.999))
@settings(deadline=None)
def test_power_and_advantage_describe_one_test(mu: float, false_positive_rate: float) -> None:
    gain = gdp.power(mu, false_positive_rate) - false_positive_rate
    assert 0 <= gain <= gdp.advantage(mu) + 1e-12
    best = float(mpmath.ncdf(-mu / 2))
    assert gdp.power(mu, best) - best == pytest.approx(gdp.advantage(mu), abs=1e-12)
