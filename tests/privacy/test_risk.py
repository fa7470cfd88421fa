from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import mu_of
from dpsynth.privacy.events import (
    ApproximateEvent,
    Event,
    ExponentialEvent,
    GaussianEvent,
    LaplaceEvent,
    NonPrivateEvent,
    PoissonGaussianEvent,
    ZCDPEvent,
)
from dpsynth.privacy.risk import Risk, powers, risk


@pytest.mark.parametrize(
    ("epsilon", "mu", "advantage", "at_1_percent", "at_0_1_percent"),
    [
        (0.5, 0.124, 0.049, 0.014, 0.0015),
        (1, 0.237, 0.094, 0.018, 0.0022),
        (3, 0.648, 0.254, 0.047, 0.0073),
        (5, 1.020, 0.390, 0.096, 0.019),
        (8, 1.532, 0.556, 0.21, 0.060),
        (10, 1.848, 0.645, 0.32, 0.11),
    ],
)
def test_the_risk_of_gaussian_guarantees(
    epsilon: float, mu: float, advantage: float, at_1_percent: float, at_0_1_percent: float
) -> None:
    largest = mu_of(Budget(epsilon=epsilon, delta=1e-6))
    found = risk([GaussianEvent(mu=largest)], delta=1e-6)
    assert largest == pytest.approx(mu, abs=5e-4)
    assert found.basis == "mu"
    assert found.advantage == pytest.approx(advantage, abs=6e-4)
    assert found.tpr_at_1_percent_fpr == pytest.approx(at_1_percent, rel=0.03)
    assert found.tpr_at_0_1_percent_fpr == pytest.approx(at_0_1_percent, rel=0.04)


@pytest.mark.parametrize(
    ("epsilon", "advantage", "at_1_percent"),
    [(0.5, 0.245, 0.017), (1, 0.462, 0.027), (3, 0.905, 0.20), (5, 0.987, 0.99)],
)
def test_one_pair_alone_says_much_less(epsilon: float, advantage: float, at_1_percent: float) -> None:
    alone = [ApproximateEvent(epsilon=epsilon, delta=1e-6)]
    found = risk(alone, delta=1e-6)
    assert found.basis == "profile"
    assert found.advantage == pytest.approx(advantage, abs=6e-4)
    assert found.tpr_at_1_percent_fpr == pytest.approx(at_1_percent, rel=0.04)
    whole = risk([GaussianEvent(mu=mu_of(Budget(epsilon=epsilon, delta=1e-6)))], delta=1e-6)
    assert found.advantage >= whole.advantage


@pytest.mark.parametrize("events", [[GaussianEvent(mu=0.7)], [LaplaceEvent(epsilon=0.5), ZCDPEvent(rho=0.1)]])
def test_the_curve_is_that_of_the_figures_and_rises(events: list[Event]) -> None:
    rates = (0.0, 0.001, 0.01, 0.1, 0.5, 1.0)
    found = powers(events, rates, delta=1e-6)
    figures = risk(events, delta=1e-6)
    assert (found[1], found[2]) == (figures.tpr_at_0_1_percent_fpr, figures.tpr_at_1_percent_fpr)
    assert list(found) == sorted(found)
    assert all(rate <= power <= 1 for rate, power in zip(rates, found, strict=True))


@given(st.floats(min_value=1e-3, max_value=6), st.floats(min_value=1e-9, max_value=0.1))
@settings(deadline=None, max_examples=30)
def test_a_profile_bounds_the_exact_gaussian_risk(mu: float, delta: float) -> None:
    exact = risk([GaussianEvent(mu=mu)], delta=delta)
    bound = risk([GaussianEvent(mu=mu), ZCDPEvent(rho=1e-30)], delta=delta)
    assert bound.basis == "profile"
    for name in ("advantage", "tpr_at_1_percent_fpr", "tpr_at_0_1_percent_fpr"):
        assert getattr(exact, name) <= getattr(bound, name) * (1 + 1e-9)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 4.0])
def test_the_best_attack_on_laplace_noise_stays_within_the_stated_risk(epsilon: float) -> None:
    found = risk([LaplaceEvent(epsilon=epsilon)], delta=0.0)
    thresholds = np.linspace(-20 / epsilon, 20 / epsilon, 20_001)

    def above(centre: float) -> np.ndarray:
        z = (thresholds - centre) * epsilon
        return np.where(z > 0, 0.5 * np.exp(-np.abs(z)), 1 - 0.5 * np.exp(-np.abs(z)))

    wrong, right = above(0.0), above(1.0)
    assert np.max(right - wrong) <= found.advantage <= math.tanh(epsilon / 2)
    assert np.interp(-0.01, -wrong, right) <= found.tpr_at_1_percent_fpr * (1 + 1e-6)
    assert np.interp(-0.001, -wrong, right) <= found.tpr_at_0_1_percent_fpr * (1 + 1e-6)


def test_an_unlimited_run_has_unlimited_risk() -> None:
    found = risk([NonPrivateEvent(reason="test")], delta=1e-9)
    assert (found.advantage, found.tpr_at_1_percent_fpr) == (1.0, 1.0)
    assert (
        found.sentence == "There is no useful limit on how sure somebody can become that you are in the data."
    )


def test_the_sentences_are_plain_and_rounded_up() -> None:
    found = risk([GaussianEvent(mu=mu_of(Budget(epsilon=1.0, delta=1e-9)))], delta=1e-9)
    assert (
        found.sentence
        == found.sentences[0]
        == (
            "Somebody who holds it 1:1 that you are in the data can, by seeing the release, come to at most 2.72:1, "
            "except in a failure of probability at most 1 in 1,000,000,000."
        )
    )
    assert found.sentences[1].endswith("with it at most 53.7 times in 100.")
    assert 50 * (1 + found.advantage) <= 53.7
    assert found.sentences[2].endswith("recognises at most 16.1 in 1,000 people inside it.")
    assert 1000 * found.tpr_at_1_percent_fpr <= 16.1


def test_without_delta_there_is_no_failure_to_mention() -> None:
    assert risk([ExponentialEvent(epsilon=8.0)], delta=0.0).sentence.endswith("come to at most 2,990:1.")


@pytest.mark.parametrize(
    "events",
    [
        [PoissonGaussianEvent(sampling_rate=0.01, noise_multiplier=1.0, steps=1000)],
        [GaussianEvent(mu=0.2), ApproximateEvent(epsilon=0.1, delta=1e-12)],
    ],
)
def test_every_priced_run_has_a_risk(events: list[Event]) -> None:
    found = risk(events, delta=1e-9)
    assert isinstance(found, Risk)
    assert 0.001 < found.tpr_at_0_1_percent_fpr < found.tpr_at_1_percent_fpr < found.advantage + 0.01 < 1


def test_nothing_spent_nothing_risked() -> None:
    found = risk([], delta=0.0)
    assert found.advantage == 0.0
    assert found.tpr_at_1_percent_fpr == pytest.approx(0.01)
