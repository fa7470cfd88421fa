from __future__ import annotations

import math

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.attack import Attack
from dpsynth.evaluation.ceilings import Limits


def told(attack: Attack, limits: Limits) -> dict[str, object]:
    rng = np.random.default_rng(0)
    found = attack.results("a", "Attack", limits=limits, rng=rng, note="Guesses.", seed=0)
    return {one.name: one for one in found}


def test_an_attack_by_chance_has_no_advantage() -> None:
    """The best threshold of the same scores that it is counted on would always have one."""
    rng = np.random.default_rng(0)
    values = []
    for _ in range(200):
        attack = Attack(members=rng.normal(size=60), others=rng.normal(size=60))
        values.append(attack.advantage(rng)[0])
    assert abs(np.mean(values)) < 0.02


def test_a_known_attack_has_its_known_rates() -> None:
    rng = np.random.default_rng(0)
    attack = Attack(members=rng.normal(1, 1, 40_000), others=rng.normal(0, 1, 40_000))
    for (value, interval), wanted in (
        (attack.area(), 0.7602),
        (attack.advantage(rng), 0.3829),
        (attack.caught(), 0.0924),
    ):
        assert value == pytest.approx(wanted, abs=0.012)
        assert interval[0] <= value <= interval[1]


def test_scores_that_others_share_accuse_nobody() -> None:
    """A threshold within ties would find members for free."""
    attack = Attack(members=np.ones(100), others=np.ones(200))
    assert attack.caught()[0] == 0.0
    assert attack.area()[0] == 0.5
    assert attack.advantage(np.random.default_rng(0))[0] == 0.0


def test_a_rate_that_so_few_rows_cannot_show_is_not_told() -> None:
    attack = Attack(members=np.ones(50), others=np.zeros(50))
    assert math.isnan(attack.caught()[0])
    assert attack.caught(0.1)[0] == 1.0
    result = told(attack, Limits())["a_tpr_1"]
    assert "Too few rows: 50 others" in result.note  # type: ignore[attr-defined]
    assert math.isnan(Attack(members=np.ones(1), others=np.ones(1)).advantage(np.random.default_rng(0))[0])


def test_results_tell_guessing_and_the_certified_limit() -> None:
    attack = Attack(members=np.arange(300.0), others=np.arange(300.0))
    found = told(attack, Limits(area=0.6, advantage=0.2, tpr_at_1_percent=0.03))
    assert list(found) == ["a_auc", "a_advantage", "a_tpr_1"]
    area = found["a_auc"]
    assert (area.value, area.ceiling, area.parts[0].value) == (0.5, 0.5, 0.6)  # type: ignore[attr-defined]
    assert "no proof of privacy" in area.note  # type: ignore[attr-defined]
    assert "no attack exceeds 0.6" in area.note  # type: ignore[attr-defined]
    assert "No guarantee" in told(attack, Limits())["a_auc"].note  # type: ignore[attr-defined]


def test_scores_must_be_finite() -> None:
    with pytest.raises(ConfigurationError, match="finite"):
        Attack(members=np.array([np.nan]), others=np.zeros(1))
