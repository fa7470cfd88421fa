from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.intervals import area, difference_of_shares, exact_share, mean_of_groups, share


@pytest.mark.parametrize(("hits", "tries"), [(0, 10), (3, 10), (10, 10), (250, 1000)])
def test_intervals_of_shares_are_those_of_the_textbook(hits: int, tries: int) -> None:
    test = binomtest(hits, tries)
    for ours, method in ((exact_share, "exact"), (share, "wilson")):
        theirs = test.proportion_ci(0.95, method=method)
        assert ours(hits, tries) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="0 <= hits <= 3"):
        share(4, 3)
    with pytest.raises(ConfigurationError, match="tries"):
        exact_share(0, 0)


def test_the_difference_of_shares_is_that_of_newcombe() -> None:
    # Newcombe (1998), table II, example (a), method 10.
    assert difference_of_shares((56, 70), (48, 80)) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_a_mean_of_groups_counts_groups() -> None:
    values, alone = np.array([1.0, 0.0] * 50), np.arange(100)
    mean, (low, high) = mean_of_groups(values, alone)
    assert mean == 0.5
    assert high - mean == pytest.approx(1.96 * 0.05, rel=0.02)
    _, wide = mean_of_groups(np.repeat(values, 4), np.repeat(alone, 4))
    assert wide == pytest.approx((low, high))
    assert math.isnan(mean_of_groups(np.ones(3), np.zeros(3, int))[1][0])


def test_the_area_counts_ties_half() -> None:
    assert area(np.zeros(5), np.zeros(7)) == (0.5, (0.5, 0.5))
    assert area(np.array([1.0, 2.0]), np.array([0.0, 1.0]))[0] == pytest.approx((0.5 + 3) / 4)
    assert math.isnan(area(np.array([]), np.zeros(3))[0])


def test_one_row_tells_nothing_about_an_area() -> None:
    assert area(np.array([0.0, 1.0]), np.array([0.5])) == (0.5, (0.0, 1.0))


def test_the_area_below_one_half_is_told() -> None:
    """Others cut at one half, and then every attack looks like one that works a little."""
    value, (low, high) = area(np.arange(50.0), np.arange(50.0) + 30)
    assert high < 0.5
    assert value == pytest.approx(1 - area(np.arange(50.0) + 30, np.arange(50.0))[0])
    assert low < value < high


def test_perfect_separation_is_not_certain() -> None:
    value, (low, high) = area(np.ones(20), np.zeros(30))
    assert (value, high) == (1.0, 1.0)
    assert 0.8 < low < 0.9


def test_the_interval_of_an_area_covers() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        _, (low, high) = area(rng.normal(0.5, 1, 80), rng.normal(0, 1, 120))
        hits += low <= 0.6381631950841185 <= high  # Phi(0.5 / sqrt 2)
    assert 0.91 <= hits / 300 <= 0.98
