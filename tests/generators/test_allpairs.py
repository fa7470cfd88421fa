from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError, SchemaError
from dpsynth.generators.allpairs import AllPairs
from dpsynth.mechanisms import GaussianMechanism, MergedMarginal, NoisyScores
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
    pairs = [(f"c{i}", f"c{j}") for i in range(5) for j in range(i + 1, 5)]
    assert [query.columns for query in second.queries[:10]] == pairs
    assert {query.columns for query in second.queries[10:]} <= {(f"c{i}",) for i in range(5)}
    assert all(isinstance(query, MergedMarginal) for query in second.queries)
    assert math.sqrt(sum(mu**2 for mu in second.mus)) <= second.event().mu


def test_columns_are_asked_once_more_where_they_are_too_noisy(measurer: Build) -> None:
    """Two thousand rows say little about columns of forty codes; a hundred thousand say enough."""
    sizes = {f"c{i}": 40 for i in range(5)}
    again = {}
    for rows in (3_000, 300_000):
        asked = measurer(ring(rows, 5, size=40), sizes=sizes, epsilon=3.0)
        AllPairs().fit(asked)
        again[rows] = [query.columns for query in asked.asked[1].queries if len(query.columns) == 1]
    assert again == {3_000: [(f"c{i}",) for i in range(5)], 300_000: []}


def test_where_noise_would_drown_every_pair_all_is_spent_on_columns(measurer: Build) -> None:
    asked = measurer(ring(300, 5, size=40), sizes={f"c{i}": 40 for i in range(5)}, epsilon=0.1)
    model = AllPairs().fit(asked)
    assert not model.targets
    assert asked.events == AllPairs().plan(asked.schema, asked.budget).events
    assert all(len(query.columns) == 1 for mechanism in asked.asked for query in mechanism.queries)
    joint = model.marginal(["c0", "c1"])
    np.testing.assert_allclose(joint, np.outer(joint.sum(1), joint.sum(0)))


def test_of_too_many_pairs_those_far_from_independence_are_counted(measurer: Build) -> None:
    codes = ring(20_000, 6)
    asked = measurer(codes, epsilon=4.0)
    model = AllPairs(most_pairs=6).fit(asked)
    plan = AllPairs(most_pairs=6).plan(asked.schema, asked.budget)
    assert [step.label for step in plan.steps] == ["one-way counts", "scores of pairs", "pair counts"]
    assert asked.events == plan.events
    assert isinstance(asked.asked[1], NoisyScores)
    neighbours = {(i, i + 1) for i in range(5)} | {(0, 5)}
    assert set(model.targets) == neighbours
    drawn = model.sample_codes(20_000, np.random.default_rng(0))
    assert max(gap(codes, drawn, (f"c{i}", f"c{j}"), 4) for i, j in neighbours) < 0.03


def test_the_memory_that_is_planned_is_within_the_limit(measurer: Build) -> None:
    asked = measurer(ring(10, 5))
    wide, narrow = (
        AllPairs(memory_limit=limit).plan(asked.schema, asked.budget).memory_bytes
        for limit in (256 * 2**20, 80 * 2**20)
    )
    assert narrow < wide <= 256 * 2**20
    assert narrow <= 80 * 2**20
    with pytest.raises(ConfigurationError, match="memory limit"):
        AllPairs(memory_limit=10_000).fit(asked)
    assert not asked.asked


def test_a_target_that_is_no_column_is_refused_before_anything_is_asked(measurer: Build) -> None:
    asked = measurer(ring(10, 3))
    with pytest.raises(SchemaError, match="salary"):
        AllPairs(target="salary").fit(asked)
    assert not asked.asked


def test_with_no_pair_beside_it_a_target_is_a_column_like_others(measurer: Build) -> None:
    codes = ring(5_000, 2)
    model = AllPairs(target="c0").fit(measurer(codes))
    assert model.classes is None
    assert set(model.targets) == {(0, 1)}


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
    "options",
    [
        {"one_way_share": 1.0},
        {"refine_share": 0.0},
        {"screen_share": 1.0},
        {"refine_share": 0.6, "screen_share": 0.5},
        {"most_pairs": 0},
        {"most_cells": 0},
        {"memory_limit": 0},
        {"least_deviations": -1.0},
    ],
    ids=str,
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        AllPairs(**options)
