"""The number of secret runs follows its law."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import repetitions
from dpsynth.mechanisms.repetitions import drawn_index, drawn_number, drawn_seed
from dpsynth.privacy.events import RepeatSelectEvent, ZCDPEvent
from dpsynth.privacy.repeats import Repetitions
from dpsynth.testing.insecure import insecure_noise


def event(**law: Any) -> RepeatSelectEvent:
    return Repetitions(**law).event((ZCDPEvent(rho=1.0),))


def chances(mean: float, eta: float, most: int) -> np.ndarray:
    """Of 1, 2, ... runs: by the definition of the paper, with gamma found by another method."""
    from scipy.optimize import brentq

    def excess(gamma: float) -> float:
        if eta == 0:
            return (1 / gamma - 1) / math.log(1 / gamma) - mean
        return eta * (1 - gamma) / (gamma * (1 - gamma**eta)) - mean

    gamma = brentq(excess, 1e-9, 1 - 1e-9, xtol=1e-15)
    k = np.arange(1, most + 1)
    if eta == 0:
        return (1 - gamma) ** k / (k * math.log(1 / gamma))
    ways = np.cumprod((k - 1 + eta) / k)
    return (1 - gamma) ** k / (gamma**-eta - 1) * ways


@pytest.mark.parametrize(("mean", "eta"), [(3.0, 0.0), (10.0, 0.0), (4.0, 1.0), (6.0, 2.5)])
def test_the_negative_binomial_law_is_that_of_the_paper(mean: float, eta: float) -> None:
    steps = [float(p) for p, _ in zip(repetitions._negative_binomial(mean, eta), range(60), strict=False)]
    assert steps == pytest.approx(chances(mean, eta, 60), rel=1e-9)


def test_draws_follow_their_law() -> None:
    expected = chances(3.0, 0.0, 5)
    with insecure_noise(1):
        drawn = np.array([drawn_number(event(mean=3.0)) for _ in range(250)])
    assert drawn.min() == 1
    counts = np.r_[[np.sum(drawn == k) for k in range(1, 6)], np.sum(drawn > 5)]
    fit = stats.chisquare(counts, 250 * np.r_[expected, 1 - expected.sum()])
    assert fit.pvalue > 1e-3


def test_a_poisson_number_may_be_none() -> None:
    with insecure_noise(2):
        drawn = [drawn_number(event(mean=1.0, distribution="poisson")) for _ in range(600)]
    assert np.mean(np.array(drawn) == 0) == pytest.approx(math.exp(-1), abs=0.07)
    assert np.mean(drawn) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("eta", [0.0, 2.0])
def test_a_mean_of_one_is_one_run(eta: float) -> None:
    assert {drawn_number(event(mean=1, eta=eta)) for _ in range(5)} == {1}


def test_places_are_drawn_by_their_weights() -> None:
    with insecure_noise(3):
        drawn = np.bincount([drawn_index((1, 2.5, 0.5, 1e-30)) for _ in range(4000)], minlength=4) / 4000
    assert drawn == pytest.approx([0.25, 0.625, 0.125, 0.0], abs=0.03)
    for wrong in ((), (1.0, 0.0), (1.0, math.inf)):
        with pytest.raises(ConfigurationError):
            drawn_index(wrong)


def test_seeds_differ() -> None:
    seeds = {drawn_seed() for _ in range(20)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**63 for seed in seeds)
