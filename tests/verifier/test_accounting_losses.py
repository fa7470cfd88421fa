"""The loss distribution of the second accountant: never below the truth, and close to it."""

from __future__ import annotations

import itertools
import math

import mpmath
import pytest
from dp_accounting.pld import privacy_loss_distribution

from dpsynth.verifier import accounting, fourier, losses
from dpsynth.verifier.events import Atom, read
from dpsynth.verifier.normal import gaussian_log_delta
from dpsynth.verifier.pairs import Pair, gaussian_pair, pair_of
from dpsynth.verifier.renyi import _poisson, beside_gaussians, by_orders
from dpsynth.verifier.rounding import LogDelta, smallest_epsilon


def pair(kind: str, size: float, rate: float = 1.0, *, removed: bool = True) -> Pair:
    found = pair_of(Atom(kind, size, rate), removed=removed)
    assert found is not None
    return found


def curve(*parts: tuple[Pair, int], delta: float) -> LogDelta:
    found = losses.loss_curve(parts, log_delta=math.log(delta))
    assert found is not None
    return found


@pytest.mark.parametrize("mu", [1e-3, 0.05, 0.5, 3.0, 20.0])
@pytest.mark.parametrize("count", [1, 7, 1000])
@pytest.mark.parametrize("delta", [0.05, 1e-9, 1e-22, 1e-120])
def test_gaussians_have_the_curve_that_they_have_exactly(mu: float, count: int, delta: float) -> None:
    if mu == 20.0 and delta < 1e-100:
        pytest.skip("losses above 600 are out of reach")
    found = curve((gaussian_pair(mu / math.sqrt(count)), count), delta=delta)
    exact = smallest_epsilon(lambda at: gaussian_log_delta(mu, at), delta)
    assert exact <= smallest_epsilon(found, delta) <= exact * (1 + 5e-4)
    for share in range(300):
        at = exact * share / 100
        assert found(at) >= gaussian_log_delta(mu, at) - 1e-9


@pytest.mark.parametrize("epsilon", [0.05, 1.0, 6.0])
def test_one_step_has_its_closed_form(epsilon: float) -> None:
    """Laplace: 1 - e^((x - ε) / 2); response: (e^ε - e^x) / (1 + e^ε); logistic: from docs/explanation/accounting.md."""
    forms = {
        "laplace": lambda x: -math.expm1((x - epsilon) / 2),
        "pure": lambda x: (math.exp(epsilon) - math.exp(x)) / (1 + math.exp(epsilon)),
        "exponential": lambda x: (math.exp(epsilon / 2) - math.exp(x / 2)) ** 2 / math.expm1(epsilon),
    }
    for kind, form in forms.items():
        for share in (0.1, 0.5, 0.9):
            at = share * epsilon
            found = losses.loss_curve([(pair(kind, epsilon), 1)], epsilon=at, log_delta=math.log(form(at)))
            assert found is not None
            assert form(at) <= math.exp(found(at)) <= form(at) * 1.01


@pytest.mark.parametrize("removed", [True, False])
@pytest.mark.parametrize(
    ("rate", "multiplier", "steps", "delta"),
    [
        pytest.param(0.01, 1.0, 500, 1e-5, marks=pytest.mark.slow),
        pytest.param(0.01, 1.0, 500, 1e-9, marks=pytest.mark.slow),
        (0.2, 3.0, 60, 1e-6),
        pytest.param(0.003, 0.6, 100, 1e-6, marks=pytest.mark.slow),
        (0.012, 1.08, 1, 2.5e-4),
    ],
)
def test_training_costs_no_less_than_an_optimistic_distribution_says(
    rate: float, multiplier: float, steps: int, delta: float, removed: bool
) -> None:
    found = smallest_epsilon(
        curve((pair("poisson", multiplier, rate, removed=removed), steps), delta=delta), delta
    )
    bounds = []
    for pessimistic in (False, True):
        both = privacy_loss_distribution.from_gaussian_mechanism(
            multiplier,
            sampling_prob=rate,
            value_discretization_interval=1e-4,
            pessimistic_estimate=pessimistic,
            use_connect_dots=pessimistic,
        ).self_compose(steps)
        one = both._pmf_remove if removed else both._pmf_add
        bounds.append(one.get_epsilon_for_delta(delta))
    assert bounds[0] <= found <= bounds[1] * (1 + 1e-3)


def hockey_stick(p: list[float], q: list[float], at: float) -> float:
    return math.fsum(max(x - math.exp(at) * y, 0.0) for x, y in zip(p, q, strict=True))


def power_of(points: list[float], times: int) -> list[float]:
    return [math.prod(cell) for cell in itertools.product(points, repeat=times)]


@pytest.mark.parametrize("epsilon", [0.3, 2.0])
def test_choices_cost_no_less_than_real_ones_do(epsilon: float) -> None:
    """The extreme pairs of bounded range, several times, and randomised response for pure steps."""
    for top in (0.3 * epsilon, 0.5 * epsilon, 0.8 * epsilon):
        high = math.expm1(epsilon - top) / math.expm1(epsilon) * math.exp(top)
        p = [high, 1 - high]
        q = [p[0] * math.exp(-top), p[1] * math.exp(epsilon - top)]
        for at in (0.0, 0.4 * epsilon, 1.3 * epsilon):
            exact = hockey_stick(power_of(p, 4), power_of(q, 4), at)
            found = losses.loss_curve([(pair("exponential", epsilon), 4)], epsilon=at, log_delta=-3.0)
            assert found is not None
            assert exact <= math.exp(found(at)) * (1 + 1e-12)
    chance = 1 / (1 + math.exp(-epsilon))
    p, q = [chance, 1 - chance], [1 - chance, chance]
    for at in (0.0, 0.7 * epsilon, 2.2 * epsilon):
        exact = hockey_stick(power_of(p, 6), power_of(q, 6), at)
        found = losses.loss_curve([(pair("pure", epsilon), 6)], epsilon=at, log_delta=math.log(exact))
        assert found is not None
        assert exact <= math.exp(found(at)) <= exact * 1.02 + 1e-12


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("epsilon", [0.05, 0.3, 2.0])
def test_no_engine_says_less_than_real_choices_and_answers_do(epsilon: float, adaptive: bool) -> None:
    """Moments, Gaussians and sums alike: each is asked alone at thresholds where it may be the least."""
    high = math.expm1(epsilon / 2) / math.expm1(epsilon) * math.exp(epsilon / 2)
    choice = [high, 1 - high], [high * math.exp(-epsilon / 2), (1 - high) * math.exp(epsilon / 2)]
    chance = 1 / (1 + math.exp(-epsilon))
    answer = [chance, 1 - chance], [1 - chance, chance]
    pure = {"type": "approximate/1", "epsilon": epsilon, "delta": 0.0}
    for event, (p, q) in (({"type": "exponential/1", "epsilon": epsilon}, choice), (pure, answer)):
        run = read([event] * 8)
        for at in (0.0, 0.2 * epsilon, epsilon, 2.5 * epsilon):
            exact = hockey_stick(power_of(p, 8), power_of(q, 8), at)
            for engine in accounting._engines(run, adaptive=adaptive):
                assert exact <= math.exp(engine.log_delta(at)) * (1 + 1e-9), engine.method


@pytest.mark.parametrize(
    "rest",
    [
        {"type": "laplace/1", "epsilon": 0.7},
        {"type": "approximate/1", "epsilon": 0.7, "delta": 0.0},
        {"type": "poisson-gaussian/1", "sampling_rate": 0.05, "noise_multiplier": 1.5, "steps": 40},
    ],
)
def test_orders_say_no_less_than_the_distribution(rest: dict[str, object]) -> None:
    """The distribution is within a percent of the truth, from above, where it is aimed."""
    run = read([{"type": "gaussian/1", "mu": 0.4}, rest])
    for at in (0.5, 1.5, 3.0):
        engines = by_orders(run)(at), beside_gaussians(run, 0.4)(at)
        near = accounting._losses(run, epsilon=at, log_delta=min(engines) - 2)
        assert near is not None
        assert near(at) <= min(engines) + 0.01
        assert min(engines) <= near(at) + 4
        assert engines[1] <= engines[0] + 0.05


@pytest.mark.parametrize(("rate", "multiplier"), [(0.01, 1.0), (0.3, 2.0), (1e-4, 0.7)])
@pytest.mark.parametrize("order", [2, 3, 17])
def test_moments_of_sampled_steps_are_those_of_the_integral(
    rate: float, multiplier: float, order: int
) -> None:
    with mpmath.workdps(30):

        def integrand(z: mpmath.mpf) -> mpmath.mpf:
            ratio = mpmath.exp(z / multiplier - 1 / (2 * mpmath.mpf(multiplier) ** 2))
            return mpmath.npdf(z) * (1 + mpmath.mpf(rate) * (ratio - 1)) ** order

        far = order / multiplier
        moment = mpmath.quad(integrand, [-30, 0, far / 2, far, far + 10, far + 30])
        exact = float(mpmath.log(moment))
    assert exact * (1 - 1e-12) <= _poisson(rate, multiplier, order) <= exact * (1 + 1e-9)


def test_steps_of_several_kinds_are_composed() -> None:
    """Two responses and two Laplace counts on a grid of their losses, summed directly."""
    delta = 1e-3
    found = smallest_epsilon(curve((pair("pure", 0.5), 2), (pair("laplace", 0.8), 1), delta=delta), delta)
    chance = 1 / (1 + math.exp(-0.5))
    responses = [(chance**2, 1.0), (2 * chance * (1 - chance), 0.0), ((1 - chance) ** 2, -1.0)]

    def exact(at: float) -> float:
        """Laplace alone has 1 - e^((x - ε) / 2) from -ε to ε, and 1 - e^x below."""
        total = 0.0
        for mass, loss in responses:
            left = at - loss
            if left < 0.8:
                total += mass * (-math.expm1((left - 0.8) / 2) if left > -0.8 else -math.expm1(left))
        return total

    assert exact(found) <= delta <= exact(found * (1 - 1e-3))


def test_losses_out_of_reach_have_no_curve() -> None:
    assert losses.loss_curve([(gaussian_pair(0.1), 1)], log_delta=-690.0) is None
    assert losses.loss_curve([(gaussian_pair(60.0), 1)], log_delta=-20.0) is None
    assert losses.loss_curve([(pair("laplace", 1e-3), 10**13)], log_delta=-20.0) is None
    assert pair_of(Atom("zcdp", 0.1), removed=True) is None
    assert pair_of(Atom("poisson", 0.01, 0.5), removed=True) is None


def test_the_transform_convolves_within_its_error() -> None:
    values = [(k * 7919 % 101) / 101 for k in range(64)]
    values = [value / math.fsum(values) for value in values]
    other = [1.0 if k == 5 else 0.0 for k in range(64)]
    found = fourier.composed([(values, 2), (other, 1)])
    error = fourier.transform_error(64, [2, 1])
    assert error < 1e-12
    for place in range(64):
        direct = math.fsum(values[k] * values[(place - 5 - k) % 64] for k in range(64))
        assert abs(found[place] - direct) <= error


def test_many_powers_stay_within_the_error_too() -> None:
    """Half and half on two neighbours: a power is a binomial distribution."""
    values = [0.5, 0.5, *([0.0] * 1022)]
    found = fourier.composed([(values, 900)])
    for place in range(0, 901, 50):
        exact = math.comb(900, place) / 2**900
        assert abs(found[place] - exact) <= fourier.transform_error(1024, [900])
    assert fourier.transform_error(1024, [10**13]) == math.inf
