"""P40: the exponential mechanism is charged for a score that may move both ways."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from dpsynth.privacy import ExponentialEvent, ZCDPEvent, ZCDPFilter, price, profile

SENSITIVITY = 1.0
CANDIDATES = 6
ORDERS = np.r_[1.0001, 1.1, 1.5, 2.0, 4.0, 16.0, 40.0]


def choices(scores: np.ndarray, exponent: float) -> np.ndarray:
    weights = np.exp(exponent * (scores - scores.max()))
    return weights / weights.sum()


def losses(exponent: float, *, monotone: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Outputs on neighbours: every score moves by up to the sensitivity, up only or both ways."""
    steps = (0.0, SENSITIVITY) if monotone else (-SENSITIVITY, SENSITIVITY)
    base = np.linspace(0, 2, CANDIDATES)
    return [
        (choices(base, exponent), choices(base + np.array(move), exponent))
        for move in product(steps, repeat=CANDIDATES)
    ]


def bounded_range(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    return max(float(np.ptp(np.log(p / q))) for p, q in pairs)


def worst_rho(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    return max(
        float(np.log(np.sum(p**a * q ** (1 - a))) / (a - 1) / a)
        for first, second in pairs
        for p, q in ((first, second), (second, first))
        for a in ORDERS
    )


def charged(epsilon: float) -> float:
    rho = price([ExponentialEvent(epsilon=epsilon)], delta=1e-9).rho
    assert rho is not None
    return rho


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0])
def test_the_charge_is_the_square_of_the_bounded_range_over_eight(epsilon: float) -> None:
    assert charged(epsilon) == pytest.approx(epsilon**2 / 8, rel=1e-15)
    gate = ZCDPFilter(rho=charged(epsilon))
    assert gate.admits(ExponentialEvent(epsilon=epsilon))
    assert not gate.spend(ExponentialEvent(epsilon=epsilon)).admits(ZCDPEvent(rho=1e-300 + epsilon / 1e6))


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("monotone", [True, False])
def test_the_charge_covers_what_the_mechanism_does(epsilon: float, monotone: bool) -> None:
    """Weights exp(epsilon q / (2 D)) for a score that moves both ways, exp(epsilon q / D) for a monotone one."""
    exponent = epsilon / SENSITIVITY if monotone else epsilon / (2 * SENSITIVITY)
    pairs = losses(exponent, monotone=monotone)
    assert bounded_range(pairs) == pytest.approx(epsilon)
    assert worst_rho(pairs) <= charged(epsilon)


@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_the_charge_for_a_monotone_score_is_four_times_too_small_for_one_that_moves_both_ways(
    epsilon: float,
) -> None:
    """The broken twin draws with exp(epsilon q / D), charges epsilon²/8 and is caught."""
    pairs = losses(epsilon / SENSITIVITY, monotone=False)
    assert bounded_range(pairs) == pytest.approx(2 * epsilon)
    assert worst_rho(pairs) > 1.5 * charged(epsilon)
    assert worst_rho(pairs) <= charged(2 * epsilon) == pytest.approx(4 * charged(epsilon))


def test_the_charge_covers_the_whole_curve_between_epsilon_and_delta() -> None:
    curve = profile([ExponentialEvent(epsilon=1.0)])
    for epsilon in (0.0, 0.2, 0.5, 0.9):
        true = max(
            float(np.maximum(p - np.exp(epsilon) * q, 0).sum())
            for first, second in losses(0.5, monotone=False)
            for p, q in ((first, second), (second, first))
        )
        assert true <= curve.delta(epsilon)
