from __future__ import annotations

import sys

import pytest

from dpsynth.errors import MissingExtraError
from dpsynth.privacy import gdp, pld
from dpsynth.privacy.accountant import price
from dpsynth.privacy.composition import compose
from dpsynth.privacy.events import (
    ApproximateEvent,
    ExponentialEvent,
    GaussianEvent,
    LaplaceEvent,
    PoissonGaussianEvent,
    ZCDPEvent,
)


@pytest.mark.parametrize("mu", [0.2, 1.0])
@pytest.mark.parametrize("delta", [1e-5, 1e-9])
def test_gaussians_cost_what_they_cost_exactly(mu: float, delta: float) -> None:
    exact = gdp.epsilon(mu, delta)
    numeric = pld.epsilon(
        compose([GaussianEvent(mu=mu * 0.6), GaussianEvent(mu=mu * 0.8)]), delta, near=exact
    )
    assert numeric is not None
    assert exact * (1 - 1e-9) <= numeric <= exact * (1 + 1e-3)


def test_private_training_costs_less_than_its_renyi_divergences_say() -> None:
    events = [PoissonGaussianEvent(sampling_rate=0.01, noise_multiplier=1.0, steps=1000)]
    cost = price(events, delta=1e-5, thorough=True)
    found = dict(cost.candidates)
    assert cost.engine == "pld"
    assert 1.82 < found["pld"] < 1.84 < found["rdp"] < 2.2


def test_pure_events_cost_at_most_their_sum() -> None:
    events = [
        LaplaceEvent(epsilon=0.5),
        ExponentialEvent(epsilon=0.25),
        ApproximateEvent(epsilon=0.25, delta=0.0),
    ]
    numeric = pld.epsilon(compose(events), 1e-6, near=1.0)
    assert numeric is not None
    assert 0.99 < numeric <= 1.0 + 1e-3


def test_laplace_noise_on_several_cells_is_worst_if_one_cell_takes_the_whole_distance() -> None:
    """What one event claims for any split of the L1 distance, checked on the loss distributions of the splits."""
    one = pld._loss(LaplaceEvent(epsilon=1.0), 1e-4)
    for share in (0.05, 0.3, 0.5):
        parts = [pld._loss(LaplaceEvent(epsilon=part), 1e-4) for part in (share, 1 - share)]
        split = parts[0].compose(parts[1])
        for epsilon in (0.0, 0.1, 0.4, 0.8, 0.95):
            assert split.get_delta_for_epsilon(epsilon) <= one.get_delta_for_epsilon(epsilon) + 1e-9


@pytest.mark.parametrize(
    ("events", "delta", "near"),
    [
        ([ZCDPEvent(rho=0.1)], 1e-6, 1.0),
        ([GaussianEvent(mu=0.1)], 1e-14, 1.0),
        ([GaussianEvent(mu=0.1)], 1e-6, 0.0),
        ([GaussianEvent(mu=0.1)], 1e-6, float("inf")),
    ],
)
def test_what_it_cannot_price_it_does_not_price(
    events: list[GaussianEvent], delta: float, near: float
) -> None:
    assert pld.epsilon(compose(events), delta, near=near) is None


def test_an_infinite_answer_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the floor the package answers infinity at a tiny delta, where the exact epsilon is 2.3."""
    monkeypatch.setattr(pld, "DELTA_FLOOR", 0.0)
    monkeypatch.setattr(pld, "_ROUND_OFF", 0.0)
    assert pld.epsilon(compose([GaussianEvent(mu=0.2)]), 1e-30, near=2.3) is None


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dp_accounting.pld.privacy_loss_distribution", None)
    with pytest.raises(MissingExtraError, match=r"dpsynth\[pld\]"):
        price([GaussianEvent(mu=0.1)], delta=1e-6, thorough=True)
    assert price([GaussianEvent(mu=0.1)], delta=1e-6).engine == "gdp"
