from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators.aim import AIM
from dpsynth.generators.memory import MemoryPlan
from dpsynth.mechanisms import ExponentialMechanism, GaussianMechanism, MergedMarginal
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent, ZCDPEvent
from dpsynth.privacy.filters import filter_for
from dpsynth.schema.schema import Schema

Build = Callable[..., Any]


def ring(rows: int, columns: int, size: int = 4) -> dict[str, np.ndarray]:
    """Each column mostly repeats the one before it, and the last also the first."""
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


def selections(asked: Any) -> list[ExponentialMechanism]:
    return [mechanism for mechanism in asked.asked if isinstance(mechanism, ExponentialMechanism)]


def measured(asked: Any) -> list[GaussianMechanism]:
    """The pairs, in the order in which they were measured."""
    return [mechanism for mechanism in asked.asked[1:] if isinstance(mechanism, GaussianMechanism)]


def test_a_ring_is_reproduced(measurer: Build) -> None:
    codes = ring(20_000, 5)
    model = AIM().fit(measurer(codes))
    drawn = model.sample_codes(20_000, np.random.default_rng(0))
    pairs = [(f"c{i}", f"c{j}") for i in range(5) for j in range(i)]
    assert max(gap(codes, drawn, pair, 4) for pair in pairs) < 0.03
    assert model.total == pytest.approx(20_000, rel=0.02)


@pytest.mark.parametrize("degree", [2, 3])
@pytest.mark.parametrize("rows", [10, 20_000])
@pytest.mark.parametrize(
    "budget", [Budget(epsilon=0.1, delta=1e-9), Budget(epsilon=10, delta=1e-9), Budget(rho=0.01, delta=1e-9)]
)
def test_the_rounds_spend_nearly_all_of_the_whole_and_never_more(
    measurer: Build, rows: int, budget: Budget, degree: int
) -> None:
    asked = measurer(ring(rows, 4))
    asked.budget = budget
    AIM(degree=degree).fit(asked)
    plan = AIM(degree=degree).plan(asked.schema, budget)
    (whole,) = plan.events
    assert plan.adaptive
    # GDP grants more for (epsilon, delta); a budget that is stated in rho is rho.
    assert isinstance(whole, ZCDPEvent if budget.rho else GaussianEvent)
    room = filter_for(whole)
    for event in asked.events:
        room = room.spend(event)
    assert 0.999 * room.limit < room.spent <= room.limit


def test_each_round_chooses_a_pair_and_measures_it_over_buckets(measurer: Build) -> None:
    asked = measurer(ring(5_000, 4), sizes={f"c{i}": 6 + i for i in range(4)})
    AIM().fit(asked)
    assert all(isinstance(mechanism, ExponentialMechanism) for mechanism in asked.asked[1::2])
    assert all(isinstance(mechanism, GaussianMechanism) for mechanism in asked.asked[::2])
    for choice, answer in zip(selections(asked), measured(asked), strict=True):
        (query,) = answer.queries
        assert isinstance(query, MergedMarginal)
        assert query.groups == choice.score.groups[choice.score.cliques.index(query.columns)]


def test_pairs_that_belong_together_come_first(measurer: Build) -> None:
    asked = measurer(ring(50_000, 6), epsilon=2.0)
    AIM().fit(asked)
    neighbours = {(f"c{i}", f"c{i + 1}") for i in range(5)}
    assert {mechanism.queries[0].columns for mechanism in measured(asked)[:5]} == neighbours


def odd(rows: int) -> dict[str, np.ndarray]:
    """Three columns of which any two are independent, and one beside them."""
    first, second, other = np.random.default_rng(0).integers(0, 2, (3, rows))
    return {"a": first, "b": second, "c": first ^ second, "d": other}


def odd_share(codes: dict[str, np.ndarray]) -> float:
    return float((codes["a"] ^ codes["b"] ^ codes["c"]).mean())


def test_three_columns_are_found_where_no_two_of_them_tell_anything(measurer: Build) -> None:
    drawn = {}
    for degree in (2, 3):
        asked = measurer(odd(20_000))
        model = AIM(degree=degree).fit(asked)
        drawn[degree] = odd_share(model.sample_codes(20_000, np.random.default_rng(0)))
        if degree == 3:
            assert measured(asked)[0].queries[0].columns == ("a", "b", "c")
            assert model.tree.home((0, 1, 2)) is not None
    assert drawn[2] > 0.4
    assert drawn[3] < 0.1


def test_a_workload_says_what_matters(measurer: Build) -> None:
    asked = measurer(ring(2_000, 5))
    AIM(workload={("c0", "c1", "c2"): 2.0, ("c3", "c4"): 1.0}).fit(asked)
    offered = dict(zip(selections(asked)[0].score.cliques, selections(asked)[0].score.weights, strict=True))
    assert offered == {
        ("c0", "c1"): 2,
        ("c0", "c2"): 2,
        ("c1", "c2"): 2,
        ("c3", "c4"): 1,
        ("c0", "c1", "c2"): 3,
    }
    assert {query.columns for mechanism in measured(asked) for query in mechanism.queries} <= set(offered)


def test_a_workload_of_single_columns_needs_no_rounds(measurer: Build) -> None:
    asked = measurer(ring(2_000, 3))
    AIM(workload=((("c0",), 1.0),)).fit(asked)
    assert len(asked.asked) == 1


def test_a_set_whose_noise_no_table_can_exceed_is_not_offered(measurer: Build) -> None:
    asked = measurer(ring(300, 4, size=8), epsilon=0.3)
    AIM(degree=3).fit(asked)
    for choice in selections(asked)[:-1]:
        # The noisy number of rows is near 300, and twice that is the most by which a model can be wrong.
        assert max(choice.score.penalties) < 2**10 * 2 * 400


@pytest.mark.slow
def test_candidates_stay_within_memory_and_the_smallest_are_kept(measurer: Build) -> None:
    asked = measurer(ring(20_000, 14, size=8), epsilon=5.0)
    least = next(megabytes for megabytes in itertools.count(1) if holds(asked.schema, megabytes * 2**20))
    model = AIM(degree=3, memory_limit=least * 2**20).fit(asked)
    memory = MemoryPlan.of(asked.schema.domain, limit=least * 2**20, most_cells=120_000)
    bound = memory.pair_cells + memory.finer_cells
    assert sum(belief.size for belief in model.beliefs) <= memory.clique_cells
    for choice in selections(asked):
        sizes = [estimate.size for estimate in choice.score.estimates]
        assert sum(sizes) <= bound
    first = selections(asked)[0].score
    assert len(first.cliques) < math.comb(14, 2) + math.comb(14, 3)
    assert {len(clique) for clique in first.cliques[:91]} == {2}


def holds(schema: Schema, limit: int) -> bool:
    try:
        AIM(memory_limit=limit).plan(schema, Budget(epsilon=1.0, delta=1e-9))
    except ConfigurationError:
        return False
    return True


def test_noise_falls_when_measurements_teach_nothing(measurer: Build) -> None:
    rng = np.random.default_rng(0)
    asked = measurer({f"c{i}": rng.integers(0, 3, 2_000) for i in range(4)})
    AIM().fit(asked)
    mus = [mechanism.mus[0] for mechanism in measured(asked)]
    steps = {round(later / earlier, 6) for earlier, later in itertools.pairwise(mus[:-1])}
    assert round(2**0.5, 6) in steps
    assert steps <= {1.0, round(2**0.5, 6)}
    assert len(mus) < 4 * 16 / 2, "without annealing there would be 64 rounds"


def test_a_target_weighs_more(measurer: Build) -> None:
    asked = measurer(ring(1_000, 4))
    AIM(target="c2", target_weight=7).fit(asked)
    for choice in selections(asked):
        # The pairs with the target weigh 3 * 7 together, those with another column 7 + 2.
        expected = tuple(5 if "c2" in clique else 3 for clique in choice.score.cliques)
        assert choice.score.weights == expected


def test_an_unknown_target_is_refused(measurer: Build) -> None:
    for options in ({"target": "c9"}, {"workload": {("c1", "c9"): 1.0}}):
        with pytest.raises(ConfigurationError, match=r"got 'c9'. Did you mean one of \['c"):
            AIM(**options).plan(measurer(ring(10, 3)).schema, Budget(epsilon=1, delta=1e-9))


@pytest.mark.parametrize("limit", [60, 100, 400])
def test_the_model_never_has_more_cells_than_allowed(measurer: Build, limit: int) -> None:
    model = AIM(most_cells=limit).fit(measurer(ring(20_000, 6), epsilon=5.0))
    assert sum(belief.size for belief in model.beliefs) <= limit


def test_where_no_pair_fits_the_columns_are_left(measurer: Build) -> None:
    asked = measurer(ring(1_000, 3))
    model = AIM(most_cells=1).fit(asked)
    assert len(asked.asked) == 1
    assert all(len(clique) == 1 for clique in model.tree.cliques)


@pytest.mark.parametrize("sizes", [{"a": 1}, {"a": 1, "b": 1}, {"a": 4}, {"a": 4, "b": 1}])
def test_without_two_varied_columns_there_is_no_pair(measurer: Build, sizes: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    asked = measurer({name: rng.integers(0, size, 3_000) for name, size in sizes.items()}, sizes=sizes)
    model = AIM().fit(asked)
    assert len(asked.asked) == 1
    assert model.total == pytest.approx(3_000, rel=0.05)


@pytest.mark.parametrize(
    "options",
    [
        {"target_weight": 0},
        {"degree": 1},
        {"degree": 4},
        {"workload": {}},
        {"memory_limit": 0},
        {"one_way_share": 1.0},
        {"select_share": 0.0},
        {"rounds_per_column": 0},
        {"most_cells": 0},
        {"least_deviations": -1.0},
    ],
    ids=str,
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        AIM(**options)
