"""Lower bounds are below the truth in all but five of a hundred audits, and not needlessly so."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom

from dpsynth.auditing.gdp_bound import (
    betting_bound,
    claimed_mu,
    epsilon_bound,
    epsilon_of,
    mu_bound,
    rate_bound,
)
from dpsynth.auditing.one_run_bound import one_run_bound, one_run_tail
from dpsynth.errors import ConfigurationError
from dpsynth.privacy import gdp
from dpsynth.privacy.events import ExponentialEvent, GaussianEvent, PoissonGaussianEvent
from dpsynth.session import Plan, Step

AUDITS, RUNS = 4000, 600


def gaussian_audits(mu: float, threshold: float) -> np.ndarray:
    """The right guesses of many audits of one Gaussian mechanism, whose trade-off is known exactly."""
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(AUDITS, RUNS))
    return (noise[:, ::2] <= threshold).sum(axis=1) + (noise[:, 1::2] + mu > threshold).sum(axis=1)


def share_above(mu: float, right: np.ndarray, quantile: float = 0.95) -> float:
    bounds = {
        int(each): mu_bound(rate_bound(int(each), RUNS, confidence=quantile)) for each in np.unique(right)
    }
    return float(np.mean([bounds[int(each)] > mu for each in right]))


@pytest.mark.parametrize("mu", [0.2, 0.53, 1.5])
@pytest.mark.parametrize("off", [0.0, 0.7])
def test_the_bound_exceeds_the_truth_in_at_most_five_of_a_hundred_audits(mu: float, off: float) -> None:
    above = share_above(mu, gaussian_audits(mu, mu / 2 + off))
    assert above <= binom.ppf(0.999, AUDITS, 0.05) / AUDITS
    if not off:
        assert above > 0.02  # nor is it needlessly low at the best threshold


def test_a_wrong_quantile_would_be_seen() -> None:
    right = gaussian_audits(0.53, 0.265)
    assert share_above(0.53, right, quantile=0.85) > binom.ppf(0.999, AUDITS, 0.05) / AUDITS


def test_the_least_sum_of_errors_of_a_gaussian_mechanism_is_that_of_the_theorem() -> None:
    errors = np.linspace(1e-4, 1 - 1e-4, 10_001)
    for mu in (0.1, 0.5, 2.0):
        powers = np.array([gdp.power(mu, float(error)) for error in errors])
        assert (1 - errors + powers).max() == pytest.approx(2 * ndtr(mu / 2), abs=1e-6)
        assert (1 - errors + powers).max() <= 2 * ndtr(mu / 2) + 1e-12


def test_unequal_trials_are_no_likelier_to_be_many_than_equal_ones() -> None:
    """Hoeffding's theorem, for two kinds of guesses: sums of two binomials against one."""
    size, low, high = 40, 0.3, 0.9
    unequal = np.convolve(
        binom.pmf(np.arange(size + 1), size, low), binom.pmf(np.arange(size + 1), size, high)
    )
    equal = binom.pmf(np.arange(2 * size + 1), 2 * size, (low + high) / 2)
    tails = [np.cumsum(each[::-1])[::-1] for each in (unequal, equal)]
    above = math.ceil(size * (low + high)) + 1
    assert (tails[0][above:] <= tails[1][above:] + 1e-15).all()


def test_the_ceiling_is_what_all_right_guesses_give() -> None:
    ceiling = mu_bound(rate_bound(1000, 1000))
    assert ndtr(ceiling / 2) ** 1000 == pytest.approx(0.05)
    assert epsilon_of(ceiling, 1e-2) > 10


def test_nothing_right_and_half_right_bound_nothing() -> None:
    rates = (rate_bound(0, 100), rate_bound(50, 100))
    assert [mu_bound(rate) for rate in rates] == [0, 0]
    assert [epsilon_bound(rate, delta=1e-5) for rate in rates] == [0, 0]
    assert epsilon_of(0.0, 0.1) == 0


def test_epsilon_is_bounded_without_a_trade_off_too() -> None:
    """Randomised response at epsilon guesses right with e^epsilon / (1 + e^epsilon)."""
    rate = rate_bound(round(1e6 * math.exp(1) / (1 + math.exp(1))), 10**6)
    assert 0.98 < epsilon_bound(rate, delta=0.0) < 1
    assert epsilon_bound(rate, delta=0.05) < epsilon_bound(rate, delta=0.0)


def betting(shares: np.ndarray, mean: float, confidence: float = 0.95) -> float:
    """The share of audits whose bound exceeds the truth."""
    return float(np.mean([betting_bound(each, confidence=confidence) > mean for each in shares]))


@pytest.mark.parametrize("kind", ["independent guesses", "guesses of one run alike", "runs that follow runs"])
def test_the_bettor_exceeds_the_truth_in_at_most_five_of_a_hundred_audits(kind: str) -> None:
    rng, audits, runs, rate = np.random.default_rng(8), 400, 200, 0.6
    if kind == "independent guesses":
        shares = rng.binomial(8, rate, (audits, runs)) / 8
    elif kind == "guesses of one run alike":
        shares = rng.binomial(1, rate, (audits, runs)).astype(float)
    else:  # the mean is the truth given the past, the spread is not
        shares = rng.binomial(8, rate, (audits, runs)) / 8
        alike = rng.binomial(1, rate, (audits, runs))
        shares[:, 1:] = np.where(shares[:, :-1] > rate, alike[:, 1:], shares[:, 1:])
    assert betting(shares, rate) <= binom.ppf(0.999, audits, 0.05) / audits


def test_a_bettor_who_stops_too_early_would_be_seen() -> None:
    shares = np.random.default_rng(9).binomial(1, 0.6, (400, 200)).astype(float)
    assert betting(shares, 0.6, confidence=0.3) > binom.ppf(0.999, 400, 0.05) / 400


def test_the_bettor_comes_close() -> None:
    shares = np.random.default_rng(10).binomial(8, 0.6, 4000) / 8
    assert 0.59 < betting_bound(shares) < 0.6
    assert betting_bound(np.ones(1000)) > 0.99
    with pytest.raises(ConfigurationError):
        betting_bound([0.5, 1.5])


@pytest.mark.parametrize(("right", "guesses"), [(3, 2), (0, 0), (-1, 5)])
def test_impossible_numbers_are_refused(right: int, guesses: int) -> None:
    with pytest.raises(ConfigurationError):
        rate_bound(right, guesses)
    with pytest.raises(ConfigurationError):
        one_run_bound(right, guesses, canaries=10, delta=0.0)


def test_the_claim_is_that_of_all_events_together() -> None:
    def plan(*events: object) -> Plan:
        return Plan(method="m", steps=tuple(Step(label="s", event=event) for event in events))

    events = (GaussianEvent(mu=0.3), ExponentialEvent(epsilon=0.5))
    assert claimed_mu(plan(*events)) == pytest.approx(math.sqrt(0.09 + math.pi / 8 * 0.25))
    assert claimed_mu(plan(PoissonGaussianEvent(sampling_rate=0.1, noise_multiplier=1.0, steps=2))) is None


def test_one_run_without_delta_is_a_binomial_test() -> None:
    assert one_run_tail(1.0, delta=0.0, canaries=100, guesses=60, right=50) == pytest.approx(
        binom.sf(49, 60, 1 / (1 + math.exp(-1)))
    )
    bound = one_run_bound(50, 60, canaries=100, delta=0.0)
    assert one_run_tail(bound, delta=0.0, canaries=100, guesses=60, right=50) == pytest.approx(0.05, abs=1e-6)


def test_one_run_with_delta_counts_failures() -> None:
    bounds = [one_run_bound(240, 250, canaries=1000, delta=delta) for delta in (0.0, 1e-6, 1e-5, 1e-4)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] > bounds[-1]


def test_randomised_response_is_bounded_below_its_epsilon_in_95_of_100_runs() -> None:
    rng, epsilon, canaries = np.random.default_rng(3), 1.0, 300
    right = rng.binomial(canaries, 1 / (1 + math.exp(-epsilon)), 4000)
    bounds = {int(n): one_run_bound(int(n), canaries, canaries=canaries, delta=0.0) for n in np.unique(right)}
    above = float(np.mean([bounds[int(n)] > epsilon for n in right]))
    assert 0.02 < above <= binom.ppf(0.999, 4000, 0.05) / 4000
