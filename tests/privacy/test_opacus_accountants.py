"""A second opinion on the price of training: Opacus' accountants on the same runs."""

from __future__ import annotations

import pytest

from dpsynth.privacy import PoissonGaussianEvent, price

RUNS = [(0.05, 1.2, 400, 1e-6), (0.01, 1.0, 1000, 1e-5), (0.1, 2.0, 500, 1e-6)]


@pytest.mark.parametrize(("rate", "multiplier", "steps", "delta"), RUNS)
def test_orders_agree_with_those_of_opacus(rate: float, multiplier: float, steps: int, delta: float) -> None:
    from opacus import accountants

    theirs = accountants.RDPAccountant()
    theirs.history = [(multiplier, rate, steps)]
    event = PoissonGaussianEvent(sampling_rate=rate, noise_multiplier=multiplier, steps=steps)
    ours = dict(price([event], delta=delta).candidates)["rdp"]
    orders = [1 + x / 10 for x in range(1, 100)] + list(range(11, 512))
    assert ours == pytest.approx(theirs.get_epsilon(delta, alphas=orders), rel=0.02)


@pytest.mark.parametrize(("rate", "multiplier", "steps", "delta"), RUNS)
def test_loss_distributions_agree_with_those_of_opacus(
    rate: float, multiplier: float, steps: int, delta: float
) -> None:
    """Opacus convolves one direction of the pair and promises an error of 0.01; ours takes the worse of both."""
    from opacus import accountants

    theirs = accountants.PRVAccountant()
    theirs.history = [(multiplier, rate, steps)]
    event = PoissonGaussianEvent(sampling_rate=rate, noise_multiplier=multiplier, steps=steps)
    ours = dict(price([event], delta=delta, thorough=True).candidates)
    upper = theirs.get_epsilon(delta, eps_error=0.01)
    assert upper - 0.03 <= ours["pld"] <= upper + 0.005
    assert ours["pld"] < ours["rdp"]
