"""Noisy scores: priced as one Gaussian, with noise for all scores together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import MarginalGap, NoisyScores
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

ROW = Unit()


def _scores(copies: int = 1) -> MarginalGap:
    cliques = (("a", "b"), ("a", "c"), ("b", "c")) * copies
    sizes = {"a": 2, "b": 3, "c": 4}
    estimates = tuple(np.full(sizes[x] * sizes[y], 5, np.int64) for x, y in cliques)
    return MarginalGap(cliques=cliques, estimates=estimates)


def test_the_price_is_the_stated_mu() -> None:
    mechanism = NoisyScores(score=_scores(), mu=0.3)
    assert mechanism.event() == GaussianEvent(mu=0.3)
    assert mechanism.describe()["mu"] == 0.3


@pytest.mark.parametrize(("contributions", "relation", "l1"), [(1, "add_remove", 1), (3, "replace_one", 6)])
def test_sigma_covers_the_norm_of_all_scores(contributions: int, relation: Any, l1: int) -> None:
    unit = Unit(id_column="id", contributions=contributions, relation=relation)
    sigma = NoisyScores(score=_scores(4), mu=0.5).sigma(unit)
    exact = math.sqrt(12) * l1 / 0.5
    assert exact <= sigma <= exact * (1 + 1e-12)


@pytest.mark.parametrize("mu", [0.0, -1.0, math.nan])
def test_a_price_is_positive(mu: float) -> None:
    with pytest.raises(ConfigurationError, match="mu"):
        NoisyScores(score=_scores(), mu=mu)


def test_a_foreign_score_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="reviewed sensitivities"):
        NoisyScores(score=object(), mu=1.0)  # type: ignore[arg-type]


def test_unknown_columns_are_refused_before_anything_is_drawn() -> None:
    with pytest.raises(ConfigurationError, match="modelled columns"):
        NoisyScores(score=_scores(), mu=1.0).check(Domain(columns=("x",), sizes=(2,)), ROW)


def test_noise_has_the_stated_scale_around_the_exact_scores(table: EncodedTable) -> None:
    """3,000 scores of known value: a scale that is off by a tenth is rejected."""
    mechanism = NoisyScores(score=_scores(1000), mu=2.0)
    answer = mechanism.run(table, ROW)
    exact = np.tile(_scores().evaluate(table), 1000)
    noise = (answer.values[0] - exact) / answer.sigmas[0]
    assert not answer.values[0].flags.writeable
    assert abs(noise.mean()) < 5 / math.sqrt(3000)
    spread = float(np.square(noise).mean())
    margin = 5 * math.sqrt(2 / 3000)
    assert abs(spread - 1) < margin < 1.1**2 - 1 < 0.22
