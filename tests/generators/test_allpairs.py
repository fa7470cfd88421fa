from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators.allpairs import AllPairs
from dpsynth.mechanisms import GaussianMechanism, MergedMarginal
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.unit import Unit
from dpsynth.schema.schema import Schema

Build = Callable[..., Any]


def ring(rows: int, columns: int, size: int = 4) -> dict[str, np.ndarray]:
    """Each column mostly repeats the one before it, and the last also the first: no tree holds that."""
    rng = np.random.default_rng(0)
    codes = {"c0": rng.integers(0, size, rows)}
    for i in range(1, columns):
        fresh = rng.random(rows) < 0.3
        codes[f"c{i}"] = np.where(fresh, rng.integers(0, size, rows), codes[f"c{i - 1}"])
    again = rng.random(rows) < 0.4
    codes[f"c{columns - 1}"] = np.where(again, codes["c0"], codes[f"c{columns - 1}"])
    return codes


def gap(left: dict[str, np.ndarray], right: dict[str, np.ndarray], pair: tuple[str, str], size: int) -> float:
    """Total variation distance of one pair of columns of two tables."""
    shares = [
        np.bincount(codes[pair[0]] * size + codes[pair[1]], minlength=size**2) / len(codes[pair[0]])
        for codes in (left, right)
    ]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def test_a_ring_is_reproduced(measurer: Build) -> None:
    codes = ring(20_000, 5)
    model = AllPairs().fit(measurer(codes))
    drawn = model.sample_codes(20_000, np.random.default_rng(0))
    pairs = [(f"c{i}", f"c{j}") for i in range(5) for j in range(i)]
    assert max(gap(codes, drawn, pair, 4) for pair in pairs) < 0.03
    assert model.total == pytest.approx(20_000, rel=0.02)


def test_fit_asks_what_was_planned_whatever_the_data(measurer: Build) -> None:
    sizes = {"a": 2, "b": 70, "c": 5, "d": 9, "e": 1}
    planned, shapes = None, set()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        rows = 10 ** (1 + seed)
        codes = {n: np.minimum(rng.geometric(0.2, rows) - 1, size - 1) for n, size in sizes.items()}
        asked = measurer(codes, sizes=sizes)
        AllPairs().fit(asked)
        plan = AllPairs().plan(asked.schema, asked.budget)
        assert asked.events == plan.events
        assert planned in (None, plan.events)
        planned = plan.events
        shapes.add(tuple(query.shape for query in asked.asked[1].queries))
    assert len(shapes) > 1, "the buckets follow the noisy counts; the price does not"


def test_the_second_release_holds_all_pairs_and_pays_no_more_than_planned(measurer: Build) -> None:
    asked = measurer(ring(2_000, 5), sizes={f"c{i}": 4 + i for i in range(5)})
    AllPairs().fit(asked)
    second = asked.asked[1]
    assert isinstance(second, GaussianMechanism)
    assert {query.columns for query in second.queries} == {
        (f"c{i}", f"c{j}") for j in range(5) for i in range(j)
    }
    assert all(isinstance(query, MergedMarginal) for query in second.queries)
    assert math.sqrt(sum(mu**2 for mu in second.mus)) <= second.event().mu


@pytest.mark.parametrize(
    "budget", [Budget(epsilon=1, delta=1e-9), Budget(epsilon=0.1, delta=1e-6), Budget(rho=0.5, delta=1e-6)]
)
def test_the_plan_spends_nearly_all_and_never_more(measurer: Build, budget: Budget) -> None:
    plan = AllPairs().plan(measurer(ring(10, 5)).schema, budget)
    cost = price(plan.events, delta=budget.delta)
    if budget.epsilon is not None:
        assert 0.999 * budget.epsilon < cost.epsilon <= budget.epsilon
    else:
        assert cost.rho is not None
        assert 0.4999 < cost.rho <= 0.5


def test_a_share_can_be_fixed(measurer: Build) -> None:
    schema, budget = measurer(ring(10, 5)).schema, Budget(epsilon=1, delta=1e-9)
    first, second = AllPairs(one_way_share=0.2).plan(schema, budget).events
    assert first.mu**2 / (first.mu**2 + second.mu**2) == pytest.approx(0.2)


def test_replaced_units_cost_the_same_and_get_more_noise(measurer: Build) -> None:
    schema = measurer(ring(10, 3)).schema
    replaced = Schema(columns=schema.columns, unit=Unit(relation="replace_one"))
    budget = Budget(epsilon=1, delta=1e-9)
    first, second = AllPairs().plan(schema, budget), AllPairs().plan(replaced, budget)
    assert first.events == second.events
    for what, noise in first.expected_error.items():
        assert second.expected_error[what] == pytest.approx(noise * 2**0.5)


@pytest.mark.parametrize("sizes", [{"a": 1}, {"a": 1, "b": 1}, {"a": 4}, {"a": 4, "b": 1}])
def test_without_two_varied_columns_there_is_no_pair(measurer: Build, sizes: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    asked = measurer({name: rng.integers(0, size, 3_000) for name, size in sizes.items()}, sizes=sizes)
    model = AllPairs().fit(asked)
    assert len(asked.asked) == 1
    assert asked.events == AllPairs().plan(asked.schema, asked.budget).events
    assert model.total == pytest.approx(3_000, rel=0.05)
    drawn = model.sample_codes(100, np.random.default_rng(0))
    assert {name: set(codes) for name, codes in drawn.items()} == {n: set(range(s)) for n, s in sizes.items()}


def test_the_model_never_has_more_cells_than_allowed(measurer: Build) -> None:
    model = AllPairs(most_cells=120).fit(measurer(ring(20_000, 6)))
    assert sum(belief.size for belief in model.beliefs) <= 120


@pytest.mark.parametrize(
    "options", [{"one_way_share": 1.0}, {"most_cells": 0}, {"least_deviations": -1.0}], ids=str
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        AllPairs(**options)
