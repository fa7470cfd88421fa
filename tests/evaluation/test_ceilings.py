from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from promises import promise

from dpsynth import Guarantee
from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.ceilings import area_of_mu, area_of_pairs, certified, limits
from dpsynth.evaluation.results import PUBLIC
from dpsynth.privacy import Event, GaussianEvent, LaplaceEvent, NonPrivateEvent, Profile
from dpsynth.session import Commitment


def guarantee(
    *events: Event, delta: float = 1e-5, adaptive: bool = False, taints: tuple[str, ...] = ()
) -> Guarantee:
    return promise(*events, delta=delta, adaptive=adaptive, taints=taints)


@pytest.mark.parametrize(
    ("mu", "area", "advantage", "caught"),
    [(0.268, 0.575, 0.107, 0.020), (1.12, 0.786, 0.425, 0.11), (2.00, 0.921, 0.683, 0.37)],
)
def test_the_limits_of_gaussians_are_exact(mu: float, area: float, advantage: float, caught: float) -> None:
    found = limits(guarantee(GaussianEvent(mu=mu)))
    assert found.area == pytest.approx(area, abs=6e-4)
    assert found.advantage == pytest.approx(advantage, abs=6e-4)
    assert found.tpr_at_1_percent == pytest.approx(caught, abs=6e-3)
    assert "exact" in found.note


@pytest.mark.parametrize("mu", [0.1, 0.5, 1.0, 3.0])
def test_pairs_bound_the_exact_area_from_above_and_closely(mu: float) -> None:
    profile = Profile([GaussianEvent(mu=mu)])
    pairs = [(level, profile.delta(level)) for level in np.linspace(0, 12, 200)]
    exact = area_of_mu(mu)
    assert exact <= area_of_pairs(pairs) <= exact + 1e-3
    assert area_of_pairs(pairs[:1]) >= area_of_pairs(pairs)


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0, 5.0, 60.0])
def test_the_area_of_pure_privacy_is_that_of_randomised_response(epsilon: float) -> None:
    # The envelope meets at alpha = 1 / (1 + e^epsilon): two triangles and a strip, which give e / (1 + e).
    assert area_of_pairs([(epsilon, 0.0)]) == pytest.approx(1 / (1 + math.exp(-epsilon)), abs=1e-4)
    assert area_of_pairs([(epsilon, 0.0)]) >= 1 / (1 + math.exp(-epsilon))


def test_the_curve_says_more_than_one_point_of_it() -> None:
    event = LaplaceEvent(epsilon=0.5)
    whole = limits(guarantee(event, event, event))
    assert whole.area < area_of_pairs([(1.5, 0.0)])
    assert "whole curve" in whole.note


def test_adaptive_runs_are_limited_by_what_was_committed() -> None:
    whole = Commitment(method="mst", adaptive=True, events=(GaussianEvent(mu=1.0),))
    stopped = replace(guarantee(GaussianEvent(mu=0.2), adaptive=True), committed=whole)
    assert limits(stopped).area == area_of_mu(1.0)  # where it stopped depends on the data


def test_limits_are_public_and_come_with_what_guessing_gets() -> None:
    found = certified(guarantee(GaussianEvent(mu=0.5)))
    assert [one.name for one in found] == [
        "certified_advantage",
        "certified_tpr_1",
        "certified_tpr_01",
        "certified_auc",
    ]
    assert all(one.disclosure == PUBLIC for one in found)
    assert all(one.ceiling is not None and one.ceiling < one.value < 1 for one in found)


def test_without_a_guarantee_there_is_no_limit_and_a_remedy() -> None:
    for one in certified(None):
        assert math.isnan(one.value)
        assert "guarantee" in one.note
        assert one.disclosure == PUBLIC


def test_a_run_without_protection_is_limited_by_nothing() -> None:
    found = limits(guarantee(NonPrivateEvent(reason="test")))
    assert (found.area, found.advantage, found.tpr_at_1_percent) == pytest.approx((1.0, 1.0, 1.0))


def test_what_cannot_be_certified_says_so() -> None:
    assert "NOT CERTIFIABLE: noise" in limits(guarantee(GaussianEvent(mu=1.0), taints=("noise",))).note


def test_impossible_pairs_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        area_of_pairs([])
    with pytest.raises(ConfigurationError, match="delta"):
        area_of_pairs([(1.0, -0.1)])
