"""The price of the best of a random number of runs, against another library and against exact sums."""

from __future__ import annotations

import math
from typing import Any

import dp_accounting
import mpmath
import numpy as np
import pytest
from dp_accounting import dp_event
from dp_accounting.rdp import RdpAccountant

from dpsynth.errors import BudgetExceededError, ConfigurationError, UnsupportedEventError
from dpsynth.privacy import rdp
from dpsynth.privacy._selecting import log_inverse_gamma
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import rho_of
from dpsynth.privacy.composition import compose
from dpsynth.privacy.events import (
    ApproximateEvent,
    ComposedEvent,
    Event,
    GaussianEvent,
    LaplaceEvent,
    NonPrivateEvent,
    PoissonGaussianEvent,
    RepeatSelectEvent,
    ZCDPEvent,
)
from dpsynth.privacy.filters import ZCDPFilter
from dpsynth.privacy.repeats import Repetitions, base_of

DELTA = 1e-5
GAUSSIAN = GaussianEvent(mu=0.4)
TRAINING = PoissonGaussianEvent(sampling_rate=0.02, noise_multiplier=1.5, steps=40)


def best(*runs: Event, **law: Any) -> RepeatSelectEvent:
    return Repetitions(**law).event(runs)


def cumulants(event: Event) -> np.ndarray:
    found = rdp.cumulants(compose([event]))
    assert found is not None
    return found


@pytest.mark.parametrize("mean", [1.0, 1.5, 10.0, 100.0, 5_000.0])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0, 4.0, math.inf])
@pytest.mark.parametrize("training", [False, True])
def test_the_price_agrees_with_dp_accounting(mean: float, eta: float, training: bool) -> None:
    run: Event = ComposedEvent(events=(GAUSSIAN, TRAINING)) if training else GAUSSIAN
    # Theirs is not defined at fractional orders of sampled steps as ours is, so both use whole ones.
    whole = rdp.ORDERS >= 2
    oracle = RdpAccountant(rdp.ORDERS[whole].astype(int), dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    parts = [dp_accounting.GaussianDpEvent(1 / 0.4)]
    if training:
        step = dp_accounting.PoissonSampledDpEvent(0.02, dp_accounting.GaussianDpEvent(1.5))
        parts.append(dp_accounting.SelfComposedDpEvent(step, 40))
    both = dp_accounting.ComposedDpEvent(parts)
    oracle.compose(dp_event.RepeatAndSelectDpEvent(both, mean, eta))
    law = {"distribution": "poisson"} if eta == math.inf else {"eta": eta}
    ours = cumulants(best(run, mean=mean, **law))[whole] / (rdp.ORDERS[whole] - 1)
    theirs = np.asarray(oracle.rdp)
    # Fractional second orders make ours a little better; it is never better by more than they explain.
    assert np.all(ours <= theirs * (1 + 1e-6) + 1e-9)
    if mean > 2:
        assert ours[2:] == pytest.approx(theirs[2:], rel=1e-6)


@pytest.mark.parametrize(
    ("base", "mean", "law", "expected"),
    [
        (0.5, 10, {}, 0.91),
        (0.5, 100, {}, 1.09),
        (1.0, 5, {}, 1.63),
        (1.0, 10, {}, 1.76),
        (1.0, 30, {}, 1.94),
        (1.0, 100, {}, 2.11),
        (3.0, 10, {}, 4.91),
        (3.0, 100, {}, 5.83),
        (1.0, 10, {"eta": 1.0}, 2.13),
        (1.0, 100, {"eta": 1.0}, 2.69),
        (3.0, 100, {"eta": 1.0}, 7.27),
        (1.0, 5, {"distribution": "poisson"}, 1.69),
        (1.0, 10, {"distribution": "poisson"}, 2.33),
    ],
)
def test_the_published_table_of_prices(
    base: float, mean: float, law: dict[str, Any], expected: float
) -> None:
    run = ZCDPEvent(rho=rho_of(Budget(epsilon=base, delta=DELTA)))
    assert price([best(run, mean=mean, **law)], delta=DELTA).epsilon == pytest.approx(expected, abs=0.01)


def test_the_best_of_a_hundred_costs_little_more_than_twice_one_and_showing_all_costs_fourteen() -> None:
    run = ZCDPEvent(rho=rho_of(Budget(epsilon=1.0, delta=DELTA)))
    assert price([best(run, mean=100)], delta=DELTA).epsilon <= 2.2
    assert price([run] * 100, delta=DELTA).epsilon > 13.5


@pytest.mark.parametrize("law", [{}, {"eta": 1.0}, {"eta": 3.0}, {"distribution": "poisson"}])
@pytest.mark.parametrize("bias", [0.5, 0.01])
def test_no_pair_of_runs_loses_more_than_the_price_says(law: dict[str, Any], bias: float) -> None:
    """Two-valued runs, where everything can be added up: the win of either value, at every order."""
    epsilon, mean = 0.7, 8.0
    ours = cumulants(best(ApproximateEvent(epsilon=epsilon, delta=0.0), mean=mean, **law))
    x = log_inverse_gamma(mean, law.get("eta", 0.0))

    def generating(q: float) -> float:
        """Mean of q to the number of runs: all runs gave the worse value."""
        if "distribution" in law:
            return math.exp(mean * (q - 1))
        gamma, eta = math.exp(-x), law.get("eta", 0.0)
        rest = 1 - (1 - gamma) * q
        return math.log(rest) / -x if eta == 0 else (rest**-eta - 1) / (gamma**-eta - 1)

    low, high = bias / (1 + bias), bias * math.exp(epsilon) / (1 + bias)
    high = min(high, 1 - (1 - low) * math.exp(-epsilon))
    for p, q in ((low, high), (high, low), (1 - low, 1 - high), (1 - high, 1 - low)):
        none = (generating(0.0),) * 2
        worse = (generating(1 - p) - none[0], generating(1 - q) - none[1])
        better = (1 - generating(1 - p), 1 - generating(1 - q))
        for order, bound in zip(rdp.ORDERS[:40], ours[:40], strict=True):
            terms = [a**order * b ** (1 - order) for a, b in (worse, better, none) if b > 0]
            assert math.log(math.fsum(terms)) <= bound


@pytest.mark.parametrize("mean", [1.0 + 1e-9, 1.2, 10.0, 1e6])
@pytest.mark.parametrize("eta", [0.0, 1e-3, 1.0, 50.0])
def test_gamma_has_the_mean_and_errs_to_the_expensive_side(mean: float, eta: float) -> None:
    with mpmath.workdps(60):
        x = mpmath.mpf(log_inverse_gamma(mean, eta))
        share = x if eta == 0 else -mpmath.expm1(-mpmath.mpf(eta) * x) / eta
        found = mpmath.expm1(x) / share
    assert mean <= found <= mean * (1 + 1e-9)


def test_a_run_that_happens_once_costs_what_it_costs() -> None:
    once, plain = cumulants(best(TRAINING, mean=1.0)), cumulants(TRAINING)
    # Theorem 2 still pays for a second divergence; it is a price, not an identity.
    assert np.all(once >= plain)
    poisson = price([best(GAUSSIAN, mean=1e-3, distribution="poisson")], delta=DELTA).epsilon
    assert poisson < price([GAUSSIAN], delta=DELTA).epsilon


def test_alternatives_cost_what_the_worst_of_them_costs() -> None:
    small, large = GaussianEvent(mu=0.2), GAUSSIAN
    assert cumulants(best(small, large)) == pytest.approx(cumulants(best(large)))
    mixed = cumulants(best(TRAINING, GAUSSIAN))
    assert np.all(mixed >= np.maximum(cumulants(best(TRAINING)), cumulants(best(GAUSSIAN))) * (1 - 1e-12))


def test_selections_compose_and_nest() -> None:
    one = best(GAUSSIAN)
    alone = price([one], delta=DELTA)
    beside = price([one, GAUSSIAN], delta=DELTA)
    assert alone.engine == "rdp"
    assert alone.rho is None
    assert alone.mu is None
    assert alone.epsilon < beside.epsilon < alone.epsilon + price([GAUSSIAN], delta=DELTA).epsilon + 0.2
    assert price([one, one], delta=DELTA).epsilon > beside.epsilon
    assert price([best(one, mean=2.0)], delta=DELTA).epsilon > alone.epsilon


def test_a_selection_never_passes_a_filter_or_an_adaptive_run() -> None:
    with pytest.raises(UnsupportedEventError, match="adaptive"):
        price([best(GAUSSIAN)], delta=DELTA, adaptive=True)
    with pytest.raises(UnsupportedEventError, match="cannot bound"):
        ZCDPFilter(rho=100.0).spend(best(GAUSSIAN))


@pytest.mark.parametrize(
    "run",
    [
        ApproximateEvent(epsilon=0.1, delta=1e-9),
        NonPrivateEvent(reason="test"),
        ComposedEvent(events=(GAUSSIAN, ApproximateEvent(epsilon=0.0, delta=1e-9))),
        ZCDPEvent(rho=1e60),
        ComposedEvent(events=(GAUSSIAN, NonPrivateEvent(reason="test"))),
    ],
)
def test_runs_that_may_fail_or_promise_nothing_cannot_be_selected_from(run: Event) -> None:
    with pytest.raises(UnsupportedEventError):
        price([best(run)], delta=1e-6)


@pytest.mark.parametrize(
    "law",
    [
        {"mean": 0.5},
        {"mean": 2e6},
        {"mean": float("nan")},
        {"eta": -0.1},
        {"distribution": "fixed"},
        {"distribution": "poisson", "eta": 1.0},
        {"distribution": "poisson", "mean": 0.0},
    ],
)
def test_impossible_laws_are_refused(law: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Repetitions(**law)


def test_alternatives_are_stated_once_and_there_is_one() -> None:
    with pytest.raises(ConfigurationError, match="each once"):
        best()
    with pytest.raises(ConfigurationError, match="each once"):
        best(GAUSSIAN, GAUSSIAN)


def test_the_event_says_what_happens() -> None:
    text = str(best(GAUSSIAN, LaplaceEvent(epsilon=0.1)))
    assert text == (
        "repeat-select(negative-binomial, mean = 10, eta = 0; each run gaussian(mu = 0.4) "
        "or laplace(epsilon = 0.1))"
    )


def test_the_base_of_a_budget_is_all_that_it_pays_for() -> None:
    budget = Budget(epsilon=1.0, delta=1e-6)
    base = base_of(budget, Repetitions(mean=20))
    assert base.rho is not None
    assert price([best(ZCDPEvent(rho=base.rho), mean=20)], delta=1e-6).epsilon <= 1.0
    assert price([best(ZCDPEvent(rho=base.rho * 1.001), mean=20)], delta=1e-6).epsilon > 1.0
    with pytest.raises(UnsupportedEventError):
        base_of(Budget(rho=0.1, delta=1e-6), Repetitions())
    with pytest.raises(BudgetExceededError):
        base_of(Budget(epsilon=1e-4, delta=1e-9), Repetitions(mean=1000))
