from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators.privbayes import PrivBayes
from dpsynth.graphical.network import BayesianNetwork
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


def either(rows: int) -> dict[str, np.ndarray]:
    """`b` often repeats `a`; `c` tells whether they differ, which no pair with `c` shows well."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 2, rows)
    b = np.where(rng.random(rows) < 0.3, a, rng.integers(0, 2, rows))
    c = np.where(rng.random(rows) < 0.9, a ^ b, rng.integers(0, 2, rows))
    return {"a": a, "b": b, "c": c}


def gap(model: BayesianNetwork, codes: dict[str, np.ndarray], pair: tuple[str, str]) -> float:
    """Total variation distance of one pair."""
    shape = model.schema.domain.shape(pair)
    cells = codes[pair[0]] * shape[1] + codes[pair[1]]
    true = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    return float(0.5 * np.abs(model.marginal(pair) - true / true.sum()).sum())


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_a_chain_is_found_and_fitted(measurer: Build, degree: int) -> None:
    codes = chain(20_000, 6)
    asked = measurer(codes)
    model = PrivBayes(degree=degree).fit(asked)
    families = [{name, *parents} for name, parents in model.order]
    assert all(any({f"c{i}", f"c{i + 1}"} <= family for family in families) for i in range(5))
    assert max(len(parents) for _, parents in model.order) <= degree
    assert max(gap(model, codes, (f"c{i}", f"c{j}")) for i in range(6) for j in range(6) if i != j) < 0.03
    assert model.total == pytest.approx(20_000, rel=0.02)


def test_two_parents_explain_what_one_cannot(measurer: Build) -> None:
    codes = either(20_000)
    errors = {}
    for degree in (1, 2):
        model = PrivBayes(degree=degree).fit(measurer(codes))
        drawn = model.sample_codes(20_000, np.random.default_rng(0))
        true, found = (np.bincount(t["a"] * 4 + t["b"] * 2 + t["c"], minlength=8) for t in (codes, drawn))
        errors[degree] = np.abs(true - found).sum() / 40_000
    assert errors[2] < 0.03
    assert errors[1] > 5 * errors[2]


def test_fit_asks_what_was_planned_whatever_the_data(measurer: Build) -> None:
    sizes = {"a": 2, "b": 30, "c": 5, "one": 1, "d": 9, "e": 3}
    planned = None
    for seed, rows in enumerate((0, 1, 500, 30_000)):
        rng = np.random.default_rng(seed)
        asked = measurer({name: rng.integers(0, size, rows) for name, size in sizes.items()}, sizes=sizes)
        model = PrivBayes().fit(asked)
        plan = PrivBayes().plan(asked.schema, asked.budget)
        assert asked.events == plan.events
        assert planned in (None, plan.events)
        assert len(plan.events) == 1 + 2 * 4
        assert sorted(name for name, _ in model.order) == sorted(sizes)
        planned = plan.events


@pytest.mark.parametrize(
    "budget", [Budget(epsilon=1, delta=1e-9), Budget(epsilon=0.1, delta=1e-6), Budget(rho=0.5, delta=1e-6)]
)
def test_the_plan_spends_nearly_all_and_never_more(measurer: Build, budget: Budget) -> None:
    plan = PrivBayes().plan(measurer(chain(10, 5)).schema, budget)
    cost = price(plan.events, delta=budget.delta)
    if budget.epsilon is not None:
        assert 0.999 * budget.epsilon < cost.epsilon <= budget.epsilon
    else:
        assert cost.rho is not None
        assert 0.4999 < cost.rho <= 0.5


def test_replaced_units_cost_the_same_and_get_more_noise(measurer: Build) -> None:
    schema = measurer(chain(10, 3)).schema
    replaced = Schema(columns=schema.columns, unit=Unit(relation="replace_one"))
    budget = Budget(epsilon=1, delta=1e-9)
    first, second = PrivBayes().plan(schema, budget), PrivBayes().plan(replaced, budget)
    assert first.events == second.events
    for what, noise in first.expected_error.items():
        assert second.expected_error[what] == pytest.approx(noise * 2**0.5)


@pytest.mark.parametrize("sizes", [{"a": 1}, {"a": 1, "b": 1}, {"a": 4}, {"a": 4, "b": 1}])
def test_without_two_varied_columns_there_is_no_choice(measurer: Build, sizes: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    asked = measurer({name: rng.integers(0, size, 3_000) for name, size in sizes.items()}, sizes=sizes)
    model = PrivBayes().fit(asked)
    assert len(asked.asked) == 1
    assert asked.events == PrivBayes().plan(asked.schema, asked.budget).events
    assert model.total == pytest.approx(3_000, rel=0.05)
    drawn = model.sample_codes(100, np.random.default_rng(0))
    assert {name: set(codes) for name, codes in drawn.items()} == {
        name: set(range(size)) for name, size in sizes.items()
    }


def offered(asked: Any) -> list[tuple[tuple[str, ...], ...]]:
    return [m.score.cliques for m in asked.asked if isinstance(m, ExponentialMechanism)]


def test_columns_that_no_table_reaches_are_chosen_without_parents(measurer: Build) -> None:
    rng = np.random.default_rng(0)
    sizes = {"wide": 50, "wider": 60, "widest": 70, "small": 3}
    asked = measurer({name: rng.integers(0, size, 500) for name, size in sizes.items()}, sizes=sizes)
    model = PrivBayes(largest_table=180).fit(asked)
    first, *_ = offered(asked)
    assert set(first) == {("wide", "small"), ("wider", "small")}
    assert dict(model.order)["widest"] == ()
    assert len(offered(asked)) == 3
    assert asked.events == PrivBayes(largest_table=180).plan(asked.schema, asked.budget).events


def test_columns_that_no_candidate_joins_stay_independent(measurer: Build) -> None:
    rng = np.random.default_rng(0)
    sizes = {"a": 50, "b": 60}
    asked = measurer({name: rng.integers(0, size, 500) for name, size in sizes.items()}, sizes=sizes)
    assert PrivBayes(largest_table=200).fit(asked).order == (("a", ()), ("b", ()))
    assert len(asked.asked) == 1


def test_two_parents_are_offered_only_where_the_counts_stand_out_of_the_noise(measurer: Build) -> None:
    codes = chain(20_000, 4)
    largest = {}
    for usefulness in (0.0, 4.0, 1e6):
        asked = measurer(codes)
        PrivBayes(usefulness=usefulness).fit(asked)
        largest[usefulness] = max(len(clique) for cliques in offered(asked) for clique in cliques)
    assert largest == {0.0: 3, 4.0: 3, 1e6: 2}
    asked = measurer({name: column[:200] for name, column in codes.items()})
    PrivBayes().fit(asked)
    assert max(len(clique) for cliques in offered(asked) for clique in cliques) == 2


def test_memory_limits_the_candidates_of_every_choice(measurer: Build) -> None:
    codes = chain(20_000, 6)
    limit = 24 * 100
    asked = measurer(codes)
    plan = PrivBayes(memory_limit=limit, usefulness=0).plan(asked.schema, asked.budget)
    PrivBayes(memory_limit=limit, usefulness=0).fit(asked)
    assert asked.events == plan.events
    assert plan.memory_bytes < PrivBayes().plan(asked.schema, asked.budget).memory_bytes
    for cliques in offered(asked):
        assert 24 * sum(asked.schema.domain.cells(clique) for clique in cliques if len(clique) > 1) <= limit
    with pytest.raises(ConfigurationError, match="coarser cells"):
        PrivBayes(memory_limit=24 * 20).plan(asked.schema, asked.budget)


@pytest.mark.parametrize(
    "options",
    [
        {"degree": 0},
        {"one_way_share": 0.0},
        {"select_share": 1.0},
        {"one_way_share": 0.6, "select_share": 0.5},
        {"usefulness": -1.0},
        {"noise_weight": -1.0},
        {"largest_table": 0},
        {"memory_limit": 0},
    ],
)
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        PrivBayes(**options)  # type: ignore[arg-type]


def test_a_pure_budget_is_refused_with_a_remedy() -> None:
    schema = Schema(columns=(Categorical(name="a", categories=("x", "y")),))
    with pytest.raises(ConfigurationError, match="delta"):
        PrivBayes().plan(schema, Budget(epsilon=1.0, delta=0.0))


@pytest.mark.slow
def test_forty_columns_are_planned_and_fitted(measurer: Build) -> None:
    asked = measurer(chain(2_000, 40))
    plan = PrivBayes().plan(asked.schema, asked.budget)
    PrivBayes().fit(asked)
    assert asked.events == plan.events
    assert len(plan.steps) == 1 + 2 * 39
