from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators.mst import MST
from dpsynth.graphical.tree import TreeModel
from dpsynth.mechanisms import ExponentialMechanism
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.unit import Unit
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema

Build = Callable[..., Any]


def chain(rows: int, columns: int, size: int = 4) -> dict[str, np.ndarray]:
    """Each column repeats the one before it, with one value in five drawn afresh."""
    rng = np.random.default_rng(0)
    codes = {"c0": rng.integers(0, size, rows)}
    for i in range(1, columns):
        fresh = rng.random(rows) < 0.2
        codes[f"c{i}"] = np.where(fresh, rng.integers(0, size, rows), codes[f"c{i - 1}"])
    return codes


def gap(model: TreeModel, codes: dict[str, np.ndarray], pair: tuple[str, str]) -> float:
    """Total variation distance of one pair."""
    shape = model.schema.domain.shape(pair)
    true = np.bincount(codes[pair[0]] * shape[1] + codes[pair[1]], minlength=shape[0] * shape[1]).reshape(
        shape
    )
    return float(0.5 * np.abs(model.marginal(pair) - true / true.sum()).sum())


def test_the_chain_is_found_and_fitted(measurer: Build) -> None:
    codes = chain(20_000, 6)
    asked = measurer(codes)
    model = MST().fit(asked)
    edges = {frozenset((name, parent)) for name, parent in model.order if parent is not None}
    assert edges == {frozenset((f"c{i}", f"c{i + 1}")) for i in range(5)}
    assert max(gap(model, codes, (f"c{i}", f"c{j}")) for i in range(6) for j in range(6) if i != j) < 0.03
    assert model.total == pytest.approx(20_000, rel=0.02)


def test_fit_asks_what_was_planned_whatever_the_data(measurer: Build) -> None:
    sizes = {"a": 2, "b": 30, "c": 5, "d": 9, "e": 3}
    planned = None
    for seed in range(4):
        rng = np.random.default_rng(seed)
        asked = measurer({name: rng.integers(0, size, 500) for name, size in sizes.items()}, sizes=sizes)
        MST().fit(asked)
        plan = MST().plan(asked.schema, asked.budget)
        assert asked.events == plan.events
        assert planned in (None, plan.events)
        planned = plan.events


@pytest.mark.parametrize(
    "budget", [Budget(epsilon=1, delta=1e-9), Budget(epsilon=0.1, delta=1e-6), Budget(rho=0.5, delta=1e-6)]
)
def test_the_plan_spends_nearly_all_and_never_more(measurer: Build, budget: Budget) -> None:
    plan = MST().plan(measurer(chain(10, 5)).schema, budget)
    cost = price(plan.events, delta=budget.delta)
    if budget.epsilon is not None:
        assert 0.999 * budget.epsilon < cost.epsilon <= budget.epsilon
    else:
        assert cost.rho == pytest.approx(budget.rho, rel=1e-6)
        assert cost.rho is not None
        assert cost.rho <= 0.5


def test_replaced_units_cost_the_same_and_get_more_noise(measurer: Build) -> None:
    schema = measurer(chain(10, 3)).schema
    replaced = Schema(columns=schema.columns, unit=Unit(relation="replace_one"))
    budget = Budget(epsilon=1, delta=1e-9)
    first, second = MST().plan(schema, budget), MST().plan(replaced, budget)
    assert first.events == second.events
    for what, noise in first.expected_error.items():
        assert second.expected_error[what] == pytest.approx(noise * 2**0.5)


@pytest.mark.parametrize("sizes", [{"a": 1}, {"a": 1, "b": 1}, {"a": 4}, {"a": 4, "b": 1}])
def test_without_two_varied_columns_there_is_no_edge(measurer: Build, sizes: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    asked = measurer({name: rng.integers(0, size, 3_000) for name, size in sizes.items()}, sizes=sizes)
    model = MST().fit(asked)
    assert len(asked.asked) == 1
    assert asked.events == MST().plan(asked.schema, asked.budget).events
    assert model.total == pytest.approx(3_000, rel=0.05)
    assert {
        name: set(codes) for name, codes in model.sample_codes(100, np.random.default_rng(0)).items()
    } == {name: set(range(size)) for name, size in sizes.items()}


def test_pairs_beyond_the_limit_are_never_candidates(measurer: Build) -> None:
    rng = np.random.default_rng(0)
    sizes = {"wide": 50, "wider": 60, "small": 3}
    asked = measurer({name: rng.integers(0, size, 500) for name, size in sizes.items()}, sizes=sizes)
    model = MST(largest_pair=200).fit(asked)
    offered = {pair for m in asked.asked if isinstance(m, ExponentialMechanism) for pair in m.score.cliques}
    assert offered == {("wide", "small"), ("wider", "small")}
    assert len([1 for _, parent in model.order if parent is not None]) == 2


def test_columns_that_no_candidate_joins_stay_independent(measurer: Build) -> None:
    rng = np.random.default_rng(0)
    sizes = {"a": 50, "b": 60}
    asked = measurer({name: rng.integers(0, size, 500) for name, size in sizes.items()}, sizes=sizes)
    assert MST(largest_pair=200).fit(asked).order == (("a", None), ("b", None))
    assert len(asked.asked) == 1


def test_memory_limits_candidates_and_refuses_what_cannot_fit(measurer: Build) -> None:
    schema = measurer(chain(10, 4, size=10)).schema
    budget = Budget(epsilon=1, delta=1e-9)
    whole, half = (MST(memory_limit=limit).plan(schema, budget) for limit in (24 * 600, 24 * 300))
    assert half.memory_bytes < whole.memory_bytes
    with pytest.raises(ConfigurationError, match="coarser cells"):
        MST(memory_limit=24 * 30).plan(schema, budget)


@pytest.mark.parametrize(
    "options",
    [
        {"one_way_share": 0.0},
        {"select_share": 1.0},
        {"one_way_share": 0.6, "select_share": 0.5},
        {"noise_weight": -1.0},
        {"largest_pair": 0},
        {"memory_limit": 0},
    ],
)
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        MST(**options)  # type: ignore[arg-type]


def test_a_pure_budget_is_refused_with_a_remedy() -> None:
    schema = Schema(columns=(Categorical(name="a", categories=("x", "y")),))
    with pytest.raises(ConfigurationError, match="delta"):
        MST().plan(schema, Budget(epsilon=1.0, delta=0.0))


def test_forty_columns_are_planned_at_once(measurer: Build) -> None:
    plan = MST().plan(measurer(chain(10, 40)).schema, Budget(epsilon=1, delta=1e-9))
    assert len(plan.steps) == 1 + 39 + 1
    assert plan.memory_bytes < 2**20
