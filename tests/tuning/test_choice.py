from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from tuning.points import frontier_of, point

from dpsynth.errors import ConfigurationError
from dpsynth.tuning import Band, Choice
from dpsynth.tuning.choice import rate_of


def test_the_smallest_epsilon_whose_lower_end_reaches_the_target_is_chosen() -> None:
    found = frontier_of({"mst": {1.0: [0.5, 0.9], 3.0: [0.7, 0.9], 10.0: [0.8, 0.9]}}).choose(0.7)
    assert (found.epsilon, found.method) == (3.0, "mst")
    assert found.rate == pytest.approx(2 / 3)
    assert found.point.epsilon == 3.0
    assert "67%" in str(found)


def test_a_point_below_one_that_fails_is_lucky_and_not_chosen() -> None:
    found = frontier_of({"mst": {1.0: [0.9], 3.0: [0.6], 10.0: [0.9]}}).choose(0.7)
    assert found.epsilon == 10.0


def test_nothing_is_chosen_where_the_largest_epsilon_fails() -> None:
    with pytest.raises(ConfigurationError, match="best lower end is"):
        frontier_of({"mst": {1.0: [0.9], 10.0: [0.6]}}).choose(0.7)


def test_choosing_among_methods_states_a_worse_rate_than_one_method() -> None:
    five = [0.8] * 5
    found = frontier_of({"aim": {1.0: five}, "mst": {1.0: five, 0.5: five}})
    assert found.choose(0.7).method == "mst"
    assert found.choose(0.7).rate == pytest.approx(1 - 2 / 6)
    assert found.choose(0.7, method="mst").rate == pytest.approx(5 / 6)


def test_at_one_epsilon_the_better_lower_end_wins() -> None:
    found = frontier_of({"aim": {1.0: [0.8]}, "mst": {1.0: [0.9]}})
    assert found.choose(0.7).method == "mst"


def test_a_frontier_without_runs_states_no_rate() -> None:
    expected = point("mst", 1.0, [0.9], replicates=0)
    found = frontier_of({}, points=(expected,)).choose(0.5)
    assert found.rate == 0
    assert "No rate" in found.in_words()


def test_unknown_metrics_and_methods_are_named() -> None:
    found = frontier_of({"mst": {1.0: [0.9]}})
    with pytest.raises(ConfigurationError, match="Expected one of the metrics"):
        found.choose(0.5, metric="tstr")
    with pytest.raises(ConfigurationError, match="Expected one of the methods"):
        found.choose(0.5, method="aim")


def test_points_with_different_numbers_of_runs_add_their_bounds() -> None:
    points = [point("mst", 1.0, [0.9] * 4), point("mst", 3.0, [0.9] * 9)]
    assert rate_of(points) == pytest.approx(1 - 1 / 5 - 1 / 10)


@pytest.mark.parametrize("replicates", [1, 5, 25])
def test_the_rate_holds_exactly_for_every_chance_of_a_miss(replicates: int) -> None:
    """The proof's inequality, computed without sampling over a grid of what points could be."""
    kept = Band.outside(replicates) + 1  # a point passes if fewer of its runs miss
    grid = [0.0, 0.02, 0.1, 0.25, 0.5, 0.8, 1.0]

    def passes(missed: float) -> float:
        return sum(
            math.comb(replicates, j) * missed**j * (1 - missed) ** (replicates - j) for j in range(kept)
        )

    worst = 0.0
    for chances in itertools.product(grid, repeat=3):  # from the largest epsilon down
        reached, missed = 1.0, 0.0
        for place, chance in enumerate(chances):
            reached *= passes(chance)
            stops = 1.0 if place == 2 else 1 - passes(chances[place + 1])
            missed += reached * stops * chance
        worst = max(worst, missed)
    allowed = kept / (replicates + 1)
    assert worst <= allowed
    assert worst > allowed / 4  # the bound is not far above what can happen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("methods", "points", "rise"), [(1, 5, 0.05), (3, 5, 0.05), (1, 30, 0.0), (2, 15, 0.0)]
)
def test_fresh_runs_reach_the_target_at_the_rate_that_is_stated(
    methods: int, points: int, rise: float
) -> None:
    """Sweeps whose runs have a known law: what is chosen is tried once more.

    Where utility does not rise every run misses half the time: whoever takes the best of many looks is misled.
    """
    rng = np.random.default_rng(2026)
    replicates, sweeps, spread = 5, 2_000, 0.04
    epsilons = np.geomspace(0.1, 10.0, points)
    target = 0.7 if rise else 0.62
    missed, stated = 0, 1.0
    for _ in range(sweeps):
        shift = rng.normal(0, 0.02, (methods, points)) if rise else 0.0
        level = np.broadcast_to(0.62 + rise * np.log10(10 * epsilons) + shift, (methods, points))
        values = rng.normal(level[..., None], spread, (methods, points, replicates))
        found = _chosen(values, epsilons, target)
        if found is not None:
            method, place = int(found.method), int(np.searchsorted(epsilons, found.epsilon))
            missed += rng.normal(level[method, place], spread) < target
            stated = found.rate
    # Misses of all sweeps, chosen or not: that is what the theorem bounds. Four deviations of chance.
    allowed = 1 - stated
    assert stated < 1
    assert missed / sweeps <= allowed + 4 * math.sqrt(allowed * (1 - allowed) / sweeps)


def _chosen(values: np.ndarray[Any, Any], epsilons: np.ndarray[Any, Any], target: float) -> Choice | None:
    replicates = {
        str(i): dict(zip(epsilons.tolist(), each.tolist(), strict=True)) for i, each in enumerate(values)
    }
    try:
        return frontier_of(replicates).choose(target)
    except ConfigurationError:
        return None
