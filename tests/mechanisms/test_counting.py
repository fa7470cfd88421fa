from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.mechanisms import _counting
from dpsynth.mechanisms._counting import Kept, Pass, joint_counts, plan_passes, summed_to, walked
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.schema.layout import Domain


def sizes_of(*sizes: int) -> dict:
    return {(f"x{i}", None): size for i, size in enumerate(sizes)}


def pairs(sizes: dict) -> list:
    return list(itertools.combinations(sizes, 2))


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(0, 2000),
    sizes=st.lists(st.sampled_from([1, 2, 3, 5, 16, 40, 257, 300]), min_size=1, max_size=8),
    order=st.integers(1, 3),
)
def test_every_marginal_of_a_batch_is_what_the_rows_hold(
    seed: int, rows: int, sizes: list[int], order: int
) -> None:
    rng = np.random.default_rng(seed)
    domain = Domain(columns=tuple(f"x{i}" for i in range(len(sizes))), sizes=tuple(sizes))
    codes = {name: rng.integers(0, size, rows) for name, size in zip(domain.columns, sizes, strict=True)}
    groups = {
        name: None if rng.random() < 0.5 else tuple(int(code) // 2 for code in range(size))
        for name, size in zip(domain.columns, sizes, strict=True)
    }
    marginals = [
        tuple((str(name), groups[name]) for name in rng.permutation(names))
        for names in itertools.combinations(domain.columns, min(order, len(sizes)))
        if math.prod(domain.shape(names)) < 100_000
    ]
    table = EncodedTable(domain, codes, rows=rows)
    for marginal, counts in zip(marginals, table.counts_of(marginals), strict=True):
        cells, number = np.zeros(rows, np.int64), 1
        for name, merged in marginal:
            size = domain.size_of(name) if merged is None else max(merged) + 1
            cells = cells * size + (codes[name] if merged is None else np.array(merged)[codes[name]])
            number *= size
        assert counts.dtype == np.int64
        assert not counts.flags.writeable
        np.testing.assert_array_equal(counts, np.bincount(cells, minlength=number))


def test_many_pairs_need_few_passes() -> None:
    sizes = sizes_of(*[4] * 40)
    groups, passes = plan_passes(pairs(sizes), sizes, rows=10**6)
    assert len(groups) == 10
    assert len(passes) == 10 * 9 // 2 + 10  # and one for the pairs inside each group
    assert sorted(m for one in passes for m in one.marginals) == sorted(pairs(sizes))


def test_groups_and_joint_counts_are_bounded() -> None:
    rng = np.random.default_rng(0)
    sizes = sizes_of(*rng.integers(1, 400, 30).tolist())
    groups, passes = plan_passes(pairs(sizes), sizes, rows=10**6)
    assert all(len(group) == 1 or _counting.cells(group, sizes) <= 256 for group in groups)
    assert sorted(column for group in groups for column in group) == sorted(sizes)
    for one in passes:
        alone = one.marginals == (one.left + one.right,)
        assert alone or _counting.cells(one.left + one.right, sizes) <= 65_536


def test_joint_counts_larger_than_the_table_are_not_made() -> None:
    sizes = sizes_of(*[16] * 8)
    assert len(plan_passes(pairs(sizes), sizes, rows=10**6)[1]) == 4 * 3 // 2 + 4
    shared = [one for one in plan_passes(pairs(sizes), sizes, rows=1000)[1] if len(one.marginals) > 1]
    assert shared == []


def test_few_marginals_are_not_worth_packing() -> None:
    sizes = sizes_of(2, 3, 4, 5)
    ring = [*itertools.pairwise(sizes), ()]
    groups, passes = plan_passes(ring, sizes, rows=10**6)
    assert all(len(group) == 1 for group in groups)
    assert len(passes) == len(ring)


def test_tables_of_three_columns_share_the_passes_that_hold_them() -> None:
    sizes = sizes_of(*[4] * 8)
    triples = list(itertools.combinations(sizes, 3))
    _, passes = plan_passes(triples, sizes, rows=10**6)
    assert sum(len(one.marginals) for one in passes) == len(triples)
    assert len(passes) <= 3


@pytest.mark.parametrize(
    "types", list(itertools.product([np.uint8, np.uint16, np.uint32], repeat=2)), ids=str
)
def test_the_forms_of_the_joint_counts_agree(types: tuple[type, type]) -> None:
    rng = np.random.default_rng(1)
    left, right = (rng.integers(0, 200, 3000).astype(kind) for kind in types)
    left[:2], right[:2] = 199, 199
    expected = np.zeros((200, 201), np.int64)
    np.add.at(expected, (left, right), 1)
    for form in (joint_counts.loop, joint_counts.vectorised, joint_counts):
        counts = form(left, right, 201, 200 * 201)
        assert counts.dtype == np.uint32
        np.testing.assert_array_equal(counts, expected.ravel())


def test_the_forms_of_the_sums_agree_and_do_not_overflow() -> None:
    rng = np.random.default_rng(2)
    joint = rng.integers(2**31, 2**32, 6 * 10).astype(np.uint32)
    left, right = np.repeat([0, 1], 3) * 5, np.tile(np.arange(5), 2)
    expected = joint.astype(object).reshape(2, 3, 2, 5).sum(axis=(1, 2)).ravel()
    for form in (summed_to.loop, summed_to.vectorised, summed_to):
        counts = form(joint, left, right, 10)
        assert counts.dtype == np.int64
        assert counts.tolist() == expected.tolist()
        assert counts.max() > 2**32


@pytest.mark.parametrize("compiled", [False, True])
def test_marginals_come_in_the_order_of_their_columns(compiled: bool) -> None:
    a, b, c = sizes = sizes_of(2, 3, 4)
    left, right = (
        np.repeat(np.arange(6), 4).repeat(np.arange(24)),
        np.tile(np.arange(4), 6).repeat(np.arange(24)),
    )
    asked = ((c, a), (b,), (a, b, c), ())
    found = walked(Pass(left=(a, b), right=(c,), marginals=asked), left, right, sizes, compiled=compiled)
    table = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(found[c, a], table.sum(axis=1).T.ravel())
    np.testing.assert_array_equal(found[b,], table.sum(axis=(0, 2)))
    np.testing.assert_array_equal(found[a, b, c], table.ravel())
    np.testing.assert_array_equal(found[()], [table.sum()])
    assert {counts.dtype for counts in found.values()} == {np.dtype(np.int64)}


def test_the_memory_is_bounded_and_forgets_the_least_recently_used() -> None:
    a, b, c = ((name,) for name in sizes_of(1, 1, 1))
    asked: list = []

    def make(keys) -> list[np.ndarray]:
        asked.append(list(keys))
        return [np.zeros(4, np.int64) for _ in keys]

    kept = Kept(2 * 32)
    first = kept.find([a, b, a], make)[a]
    assert kept.find([a], make)[a] is first
    assert kept.find([c], make).keys() == {c}  # b makes room
    assert kept.find([a], make)[a] is first
    kept.find([b], make)  # c makes room
    assert asked == [[a, b], [], [c], [], [b]]
    assert set(kept.find([a, b, c], make)) == {a, b, c}  # more than fits
    assert asked[-1] == [c]
