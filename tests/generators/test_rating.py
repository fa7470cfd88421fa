"""A critic's scores become ratios, and noise alone becomes none."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.generators.pretraining import first_parameters
from dpsynth.generators.rating import Rating, score_edges, score_ratios
from dpsynth.mechanisms import Critic
from dpsynth.mechanisms.score_histogram import row_scores
from dpsynth.schema.layout import Domain

DOMAIN = Domain(columns=("a", "b", "c"), sizes=(2, 3, 4))
CRITIC = Critic(hidden=(8, 5))


def _counts(scores: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    return np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1)


def test_scores_are_those_of_the_trusted_side() -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(0, size, 9000) for size in DOMAIN.sizes], axis=1)
    rating = Rating(critic=CRITIC, parameters=first_parameters(CRITIC, DOMAIN, rng))
    scores = rating.scores(DOMAIN, rows)
    assert scores == pytest.approx(row_scores(CRITIC, DOMAIN, rating.parameters, rows), abs=1e-9)
    assert rating.scores(DOMAIN, rows[:0]).shape == (0,)


def test_without_edges_all_rows_weigh_the_same() -> None:
    rating = Rating(critic=CRITIC, parameters=first_parameters(CRITIC, DOMAIN, np.random.default_rng(0)))
    assert rating.weights(DOMAIN, np.zeros((5, 3), np.int64)).tolist() == [1.0] * 5


def test_ratios_are_those_of_the_densities() -> None:
    rng = np.random.default_rng(1)
    public, private = rng.normal(0, 1, 40_000), rng.normal(0.5, 1, 60_000)
    edges = score_edges(public)
    ratios = score_ratios(public, edges, _counts(private, edges) + rng.normal(0, 5, len(edges) + 1), 5.0)
    middles = (np.array(edges[1:]) + np.array(edges[:-1])) / 2
    assert ratios[3:-3] == pytest.approx(np.exp(0.5 * middles - 0.125)[2:-2], rel=0.15)


@pytest.mark.parametrize("sigma", [1.0, 100.0, 3000.0])
def test_a_critic_that_learned_nothing_changes_almost_nothing(sigma: float) -> None:
    rng = np.random.default_rng(2)
    moved = []
    for _ in range(20):
        public, private = rng.normal(0, 1, 30_000), rng.normal(0, 1, 40_000)
        edges = score_edges(public)
        noisy = _counts(private, edges) + rng.normal(0, sigma, len(edges) + 1)
        ratios = score_ratios(public, edges, noisy, sigma)
        moved.append(float(np.abs(ratios[_places(public, edges)] - 1).mean()))
        plain = np.maximum(noisy, 0) / _counts(public, edges)
    assert np.mean(moved) < 0.03 + 0.2 * min(sigma / 1000, 1.0)
    assert np.abs(plain * 0.75 - 1).mean() > np.mean(moved)  # without the pull to one noise would count


def _places(scores: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    return np.searchsorted(edges, scores, side="right")


def test_edges_ascend_even_if_all_scores_are_equal() -> None:
    assert score_edges(np.zeros(100)) == (1.0,)
    assert score_edges(np.zeros(0)) == (0.0,)
    edges = score_edges(np.random.default_rng(3).normal(size=1000))
    assert all(np.diff(edges) > 0)


def test_edges_stay_away_from_scores_that_occur() -> None:
    """Few cells have few scores, and both sides compute them in another order of operations."""
    scores = np.repeat([-2.0, -1.0, 0.5, 0.5 + 1e-13, 3.0], 200)
    edges = score_edges(scores)
    assert edges == (-1.5, -0.25, 1.75)
