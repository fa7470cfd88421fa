from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from evaluation.anchored import anchored, five, letters, odd, unordered
from evaluation.people import SCHEMA, people

from dpsynth.evaluation import dependence as subject
from dpsynth.evaluation.anchors import Anchors
from dpsynth.evaluation.associations import chi_squared
from dpsynth.evaluation.dependence import dependence, lost, spurious
from dpsynth.evaluation.tables import Tables


def test_rates_of_associations_are_in_order() -> None:
    found = five(lambda tables: lost(tables).value)
    assert found["copy"] == found["shuffled"] == 0
    assert found["sample"] < 0.3
    assert found["independent"] >= 0.8
    assert found["uniform"] >= 0.8


def noisy(frame: pd.DataFrame, share: float, *, seed: int = 0) -> pd.DataFrame:
    """Some rows are copies of a few, as noise on small counts makes them."""
    rng = np.random.default_rng(seed)
    places = np.arange(len(frame))
    changed = rng.random(len(frame)) < share
    places[changed] = rng.integers(0, 5, changed.sum())
    return frame.iloc[places]


def test_invented_associations_are_found() -> None:
    """SDMetrics skips pairs that are weak in the real rows, and so never sees what noise invents."""
    rng = np.random.default_rng(1)
    schema = letters(**{f"c{i}": 4 for i in range(8)})
    real = pd.DataFrame(rng.integers(0, 4, (2000, 8)), columns=schema.names)
    again = pd.DataFrame(rng.integers(0, 4, (2000, 8)), columns=schema.names)
    rates = [spurious(Tables.read(real, frame, schema)) for frame in (real, again, noisy(again, 0.3))]
    assert rates[0].value == 0
    assert rates[1].value <= 0.1
    assert rates[2].value >= 0.8
    assert all(strength > 1 for strength in rates[2].parts.values())


def test_the_limit_holds_for_99_percent_of_independent_columns() -> None:
    rng = np.random.default_rng(2)
    common, rare = np.full(4, 0.25), np.array([0.9, *[0.01] * 10])
    for first, second in ((common, common), (common, rare), (rare, rare)):
        above = []
        for _ in range(600):
            counts = np.zeros((len(first), len(second)))
            cells = rng.choice(len(first), 300, p=first), rng.choice(len(second), 300, p=second)
            np.add.at(counts, cells, 1)
            above.append(subject.excess(counts) > 1)
        assert np.mean(above) <= 0.035


def test_moments_of_chi_squared_are_those_of_all_permutations() -> None:
    for first, second in (
        ([0, 0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 1, 1, 2]),
        ([0, 0, 0, 0, 0, 1, 2], [0, 0, 0, 0, 0, 0, 1]),
    ):
        found = []
        for order in permutations(second):
            counts = np.zeros((max(first) + 1, max(second) + 1))
            np.add.at(counts, (np.array(first), np.array(order)), 1)
            found.append(chi_squared(counts))
        assert subject._permutation_moments(counts) == pytest.approx((np.mean(found), np.var(found)))


def test_sizes_are_made_equal_before_they_are_tested() -> None:
    """Ten times as many synthetic rows would see ten times weaker associations."""
    schema = letters(a=2, b=2)
    table = pd.DataFrame({"a": [0] * 55 + [1] * 45 + [0] * 45 + [1] * 55, "b": [0] * 100 + [1] * 100})
    tables = Tables.read(table, pd.concat([table] * 30), schema)
    assert spurious(tables).value == 0
    assert (
        subject.excess(30 * np.array([[55.0, 45], [45, 55]]))
        > 1
        > subject.excess(np.array([[55.0, 45], [45, 55]]))
    )


def test_the_results_come_with_yardsticks() -> None:
    invented, gone = dependence(Anchors.of(anchored()["independent"]))
    assert (invented.name, gone.name) == ("spurious_rate", "lost_rate")
    assert gone.ceiling is not None
    assert gone.ceiling < 0.3
    assert gone.floor is not None
    assert gone.floor >= 0.8
    assert invented.floor is None
    assert gone.parts[0].value > 1


@pytest.mark.parametrize("metric", [spurious, lost])
def test_the_order_of_rows_means_nothing(metric: object) -> None:
    first, second = unordered(lambda tables: metric(tables).value)  # type: ignore[operator]
    assert first == pytest.approx(second, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", odd())
def test_odd_tables_have_scores_or_say_why(name: str) -> None:
    for result in dependence(Anchors.of(odd()[name])):
        assert math.isfinite(result.value) or "Not defined" in result.note


def test_seeds_repeat() -> None:
    real, synthetic = people(300), people(900, seed=1)
    found = [spurious(Tables.read(real, synthetic, SCHEMA, seed=seed)).parts for seed in (1, 1)]
    assert found[0] == found[1]
