from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError
from dpsynth.generators.workload import candidates, every_way, given_workload
from dpsynth.schema.layout import Domain

NAMES = ("a", "b", "c", "d", "e")
DOMAIN = Domain(columns=NAMES, sizes=(2, 3, 4, 5, 1))

sets = st.sets(st.sampled_from(NAMES), min_size=1, max_size=4).map(lambda s: tuple(sorted(s)))
workloads = st.lists(st.tuples(sets, st.floats(0.01, 100)), min_size=1, max_size=6).map(tuple)


@given(workloads, st.sampled_from([None, *NAMES]))
@settings(deadline=None)
def test_weights_are_the_sums_of_overlaps_on_a_grid(workload: Any, target: str | None) -> None:
    found = candidates(DOMAIN, workload, target=target, target_weight=3.0)
    varied = [(set(s) - {"e"}, w * (3.0 if target in s else 1.0)) for s, w in workload]
    expected = {
        subset: sum(weight * len(set(subset) & other) for other, weight in varied)
        for s, _ in varied
        for size in range(2, len(s) + 1)
        for subset in itertools.combinations(sorted(s), size)
    }
    assert set(found) == set(expected)
    assert list(found) == sorted(found, key=lambda clique: (len(clique), clique))
    for clique, weight in found.items():
        assert type(weight) is int
        share = expected[clique] / max(expected.values())
        assert weight / max(found.values()) == pytest.approx(share, abs=1 / 240)


def test_all_pairs_weigh_alike_and_triples_half_as_much_again() -> None:
    pairs = candidates(DOMAIN, every_way("abcd", 2))
    assert set(pairs.values()) == {1}
    assert list(pairs) == list(itertools.combinations("abcd", 2))
    triples = candidates(DOMAIN, every_way("abcd", 3))
    assert {len(clique): weight for clique, weight in triples.items()} == {2: 2, 3: 3}
    assert len(triples) == math.comb(4, 2) + math.comb(4, 3)


def test_a_target_weighs_more_in_every_set_that_has_it() -> None:
    found = candidates(DOMAIN, every_way("abcd", 3), target="b", target_weight=4.0)
    # The three triples with b weigh 12 together; two of them and the one without b hold another column.
    assert found["a", "b"] / found["a", "c"] == (12 + 9) / 18
    assert found["a", "b", "c"] / found["a", "c", "d"] == (12 + 18) / 27


def test_fewer_columns_than_the_degree_are_one_set() -> None:
    assert every_way("ab", 3) == ((("a", "b"), 1.0),)
    assert candidates(Domain(columns=("a",), sizes=(2,)), every_way("a", 3)) == {}
    assert candidates(Domain(columns=("a",), sizes=(1,)), every_way("", 2)) == {}


def test_both_forms_of_a_workload_are_one() -> None:
    assert given_workload({("a", "b"): 2}) == given_workload([(("a", "b"), 2)]) == ((("a", "b"), 2.0),)


@pytest.mark.parametrize(
    "workload",
    [
        {},
        {(): 1.0},
        {("a", "a"): 1.0},
        {("a", "b"): 0.0},
        {("a", "b"): -1.0},
        {("a", "b"): float("nan")},
        {("a", "b"): "much"},
        {tuple("abcdefg"): 1.0},
        [("ab", 1.0)],
        [(("a", "b"),)],
        ["ab"],
    ],
    ids=str,
)
def test_an_impossible_workload_is_refused(workload: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected"):
        given_workload(workload)


def test_a_workload_beyond_all_bounds_is_refused() -> None:
    names = tuple(f"c{i}" for i in range(70))
    domain = Domain(columns=names, sizes=(2,) * 70)
    with pytest.raises(ConfigurationError, match="Take fewer columns"):
        candidates(domain, every_way(names, 3))
