"""The theorem by which a choice counts as a Gaussian: what docs/explanation/accounting.md proves, in numbers."""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
import pytest
from scipy.special import log_ndtr, ndtri

from dpsynth.privacy import gdp
from dpsynth.privacy.accountant import price
from dpsynth.privacy.composition import compose
from dpsynth.privacy.events import Event, ExponentialEvent, GaussianEvent, RepeatedEvent

SIZES = [1e-3, 0.02, 0.3, 1.0, 4.0, 12.0]
Pair = tuple[np.ndarray, np.ndarray]


def charged_mu(*events: Event) -> float:
    total = compose(events).gdp
    assert total is not None
    return math.sqrt(total)


def two_points(epsilon: float, top: float) -> Pair:
    """Losses `top` and `top - epsilon` only: the extreme mechanisms of bounded range `epsilon`."""
    high = math.expm1(epsilon - top) / math.expm1(epsilon) * math.exp(top)
    p = np.array([high, 1 - high])
    return p, p * np.exp([-top, epsilon - top])


def hockey_stick(p: np.ndarray, q: np.ndarray, epsilon: float) -> float:
    return float(np.maximum(p - np.exp(epsilon) * q, 0).sum())


def allowed(mu: float, epsilon: float) -> float:
    return math.exp(gdp.log_delta(mu, epsilon))


def tops(epsilon: float, count: int = 41) -> np.ndarray:
    return np.linspace(0, epsilon, count)[1:-1]


@pytest.mark.parametrize("epsilon", SIZES)
def test_the_charge_covers_every_pair_of_bounded_range(epsilon: float) -> None:
    mu = charged_mu(ExponentialEvent(epsilon=epsilon))
    for top in tops(epsilon):
        p, q = two_points(epsilon, top)
        assert p.sum() == pytest.approx(1)
        assert q.sum() == pytest.approx(1)
        for threshold in np.linspace(0, 1.1 * epsilon, 23):
            assert hockey_stick(p, q, threshold) <= allowed(mu, threshold) * (1 + 1e-9) + 1e-14
            assert hockey_stick(q, p, threshold) <= allowed(mu, threshold) * (1 + 1e-9) + 1e-14


@pytest.mark.parametrize("epsilon", [1e-3, 0.02, 0.3])
def test_one_percent_less_would_not_cover_the_middle_pair(epsilon: float) -> None:
    mu = 0.99 * charged_mu(ExponentialEvent(epsilon=epsilon))
    assert hockey_stick(*two_points(epsilon, epsilon / 2), 0.0) > allowed(mu, 0.0)


@pytest.mark.parametrize("epsilon", SIZES)
def test_together_the_pairs_are_logistic_noise(epsilon: float) -> None:
    """The largest hockey stick over all pairs is that of a logistic variable moved by epsilon."""
    for threshold in np.linspace(-0.9 * epsilon, 0.9 * epsilon, 7):
        largest = max(hockey_stick(*two_points(epsilon, t), threshold) for t in tops(epsilon, 4001))
        logistic = (math.exp(epsilon / 2) - math.exp(threshold / 2)) ** 2 / math.expm1(epsilon)
        assert largest == pytest.approx(logistic, rel=1e-4)
        assert largest <= logistic * (1 + 1e-9)


@pytest.mark.parametrize("epsilon", SIZES)
def test_a_gaussian_moves_the_log_odds_of_any_tail_by_more(epsilon: float) -> None:
    """The last step of the proof: logit(Phi(x)) - logit(Phi(x - mu)) >= epsilon for every x."""
    mu = charged_mu(ExponentialEvent(epsilon=epsilon))
    x = np.linspace(-30, 30, 60_001)

    def log_odds(points: np.ndarray) -> np.ndarray:
        return np.asarray(log_ndtr(points) - log_ndtr(-points))

    moved = log_odds(x) - log_odds(x - mu)
    assert moved.min() >= epsilon * (1 - 1e-9)
    assert moved.argmin() == pytest.approx(np.searchsorted(x, mu / 2), abs=1)


@pytest.mark.parametrize("epsilon", SIZES)
def test_the_closed_form_lies_above_the_smallest_valid_mu(epsilon: float) -> None:
    smallest = -2 * ndtri(1 / (1 + math.exp(epsilon / 2)))
    charge = charged_mu(ExponentialEvent(epsilon=epsilon))
    assert smallest * (1 - 1e-12) <= charge
    if epsilon <= 0.3:
        assert charge == pytest.approx(smallest, rel=1e-3)


def test_the_charge_is_rounded_up() -> None:
    with mpmath.workdps(60):
        exact = mpmath.pi / 8 * mpmath.mpf(0.3) ** 2
        total = compose([ExponentialEvent(epsilon=0.3)]).gdp
        assert total is not None
        charge = mpmath.mpf(total.numerator) / total.denominator
        assert exact < charge < exact * (1 + mpmath.mpf(10) ** -15)


@pytest.mark.parametrize(("epsilon", "rounds"), [(0.05, 4), (0.5, 4), (2.0, 3)])
def test_the_charge_covers_an_adversary_who_picks_each_pair_from_the_answers_before(
    epsilon: float, rounds: int
) -> None:
    """The worst adaptive composition, by backward recursion over the pair that comes next."""
    choices = [(t, *two_points(epsilon, t)[0]) for t in tops(epsilon, 11)]

    def worst(thresholds: np.ndarray, left: int) -> np.ndarray:
        if left == 0:
            return np.maximum(-np.expm1(thresholds), 0)
        options = [
            p * worst(thresholds - t, left - 1) + q * worst(thresholds - t + epsilon, left - 1)
            for t, p, q in choices
        ]
        return np.max(options, axis=0)

    event = RepeatedEvent(event=ExponentialEvent(epsilon=epsilon), times=rounds)
    thresholds = np.linspace(0, epsilon * rounds, 9)
    bound = [allowed(charged_mu(event), threshold) for threshold in thresholds]
    found = worst(thresholds, rounds)
    assert np.all(found <= np.array(bound) + 1e-14)
    assert found[0] > 0.7 * bound[0]


def choice(scores: np.ndarray, epsilon: float) -> np.ndarray:
    """The exponential mechanism for a score of sensitivity 1 that moves both ways."""
    weights = np.exp(epsilon / 2 * (scores - scores.max()))
    return weights / weights.sum()


@pytest.mark.parametrize("epsilon", [0.2, 1.5])
def test_the_price_covers_real_choices_beside_each_other(epsilon: float) -> None:
    rng = np.random.default_rng(0)
    events = [RepeatedEvent(event=ExponentialEvent(epsilon=epsilon), times=3)]
    mu = charged_mu(*events)
    for _ in range(40):
        scores = rng.integers(0, 4, (3, 5)).astype(float)
        moves = rng.choice([-1.0, 1.0], (3, 5))
        singles = [(choice(s, epsilon), choice(s + m, epsilon)) for s, m in zip(scores, moves, strict=True)]
        p, q = (
            np.array([math.prod(cells) for cells in itertools.product(*side)])
            for side in zip(*singles, strict=True)
        )
        for threshold in np.linspace(0, 2 * epsilon, 9):
            assert hockey_stick(p, q, threshold) <= allowed(mu, threshold) + 1e-14


def test_a_choice_that_is_charged_for_half_its_range_is_caught() -> None:
    scores, moves, epsilon = np.zeros(2), np.array([1.0, -1.0]), 0.5
    p, q = choice(scores, epsilon), choice(scores + moves, epsilon)
    assert hockey_stick(p, q, 0.0) <= allowed(charged_mu(ExponentialEvent(epsilon=epsilon)), 0.0)
    assert hockey_stick(p, q, 0.0) > allowed(charged_mu(ExponentialEvent(epsilon=epsilon / 2)), 0.0)


def test_a_plan_of_counts_and_choices_costs_less_than_zcdp_says() -> None:
    events = [GaussianEvent(mu=0.168), RepeatedEvent(event=ExponentialEvent(epsilon=0.0207), times=13)]
    cost = price(events, delta=1e-9)
    assert cost.engine == "gdp"
    assert cost.epsilon < 0.97 * dict(cost.candidates)["zcdp"]
