from __future__ import annotations

import math

import pandas as pd
import pytest
from evaluation.people import SCHEMA, independent, people, shuffled, uniform

from dpsynth.evaluation.ceilings import Limits
from dpsynth.evaluation.membership import density_attack, distance_attack, membership
from dpsynth.evaluation.results import CONFIDENTIAL, Result
from dpsynth.evaluation.tables import Tables

REAL, HOLDOUT = people(500), people(500, seed=1)


def found(synthetic: pd.DataFrame, **more: pd.DataFrame) -> dict[str, Result]:
    frames = {"real": REAL, "holdout": HOLDOUT, **more}
    tables = Tables.read(frames["real"], synthetic, SCHEMA, holdout=frames["holdout"])
    return {one.name: one for one in membership(tables, quick=True)}


def test_a_copy_is_found_by_both() -> None:
    results = found(REAL)
    assert results["membership_distance_auc"].value > 0.95
    assert results["membership_distance_advantage"].value > 0.9
    assert results["membership_distance_tpr_1"].value > 0.9
    assert results["membership_density_auc"].value > 0.6
    interval = results["membership_density_auc"].interval
    assert interval is not None
    assert interval[0] > 0.5
    assert all(one.disclosure == CONFIDENTIAL for one in results.values())


@pytest.mark.parametrize(
    "synthetic",
    [people(500, seed=2), independent(people(500, seed=3)), uniform(500)],
    ids=["sample", "apart", "noise"],
)
def test_what_copies_nothing_is_no_better_than_guessing(synthetic: pd.DataFrame) -> None:
    """Reports without this comparison tell precisions below a coin flip as findings."""
    for name, result in found(synthetic).items():
        assert result.ceiling is not None
        assert result.interval is not None
        assert result.interval[0] <= result.ceiling + 0.05, name
        assert result.interval[1] >= result.ceiling - 0.05, name


def test_sizes_are_made_equal() -> None:
    result = found(people(500, seed=2), real=people(1500))["membership_distance_auc"]
    assert result.rows == 1000
    assert result.value == pytest.approx(0.5, abs=0.06)


def test_nothing_depends_on_the_order_of_rows() -> None:
    synthetic = people(400, seed=2)
    plain = found(synthetic)
    again = found(shuffled(synthetic), real=shuffled(REAL, seed=1), holdout=shuffled(HOLDOUT, seed=2))
    assert {name: one.value for name, one in again.items()} == pytest.approx(
        {name: one.value for name, one in plain.items()}, nan_ok=True
    )


def test_without_a_holdout_there_are_no_outsiders() -> None:
    tables = Tables.read(REAL, REAL, SCHEMA)
    assert distance_attack(tables) is None
    assert density_attack(tables) is None
    results = membership(tables, limits=Limits())
    assert len(results) == 6
    assert all(math.isnan(one.value) and "holdout" in one.note for one in results)


def test_tiny_tables_are_told_and_no_error() -> None:
    tiny = people(3)
    results = found(tiny, real=tiny, holdout=people(3, seed=1))
    assert math.isnan(results["membership_density_auc"].value)
    assert results["membership_distance_auc"].value > 0.5
