from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.graphical import expansion
from dpsynth.graphical.expansion import Expansion, parts
from dpsynth.graphical.sampling import RowSampler

ROUNDS = 6
Targets = dict[tuple[int, int], np.ndarray]


def numbered(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def shares_within(weights: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Shares of each group; even where it weighs nothing."""
    sums, sizes = (np.bincount(groups, weights=w)[groups] for w in (weights, np.ones(len(groups))))
    return np.where(sums > 0, weights / np.where(sums > 0, sums, 1.0), 1 / sizes)


def sums_over(table: np.ndarray, groups: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Sum the rows and columns of a table to groups."""
    sums = np.zeros([int(own.max()) + 1 for own in groups])
    np.add.at(sums, np.ix_(*groups), table)
    return sums


def pair_counts(codes: np.ndarray, pair: tuple[int, int], sizes: list[int]) -> np.ndarray:
    left, right = pair
    cells = codes[:, left] * sizes[right] + codes[:, right]
    return np.bincount(cells, minlength=sizes[left] * sizes[right]).reshape(sizes[left], sizes[right])


@st.composite
def cases(draw: st.DrawFn) -> tuple[Expansion, np.ndarray, Targets]:
    """Three columns with random buckets and finer ones, rows of buckets, and what their pairs should be."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = [draw(st.integers(1, 9)) for _ in range(3)]
    buckets = [numbered(rng.integers(0, size, size) // draw(st.integers(1, 4))) for size in sizes]
    fine = [numbered(own * 4 + rng.integers(0, 3, len(own))) for own in buckets]
    weights = [rng.gamma(1.0, size=size) * (rng.random(size) < 0.7) for size in sizes]
    details = tuple(shares_within(w, own) for w, own in zip(weights, buckets, strict=True))
    rows = draw(st.integers(0, 300))
    drawn = np.column_stack([rng.integers(0, own.max() + 1, rows) for own in buckets]).astype(np.int32)
    shape = [int(own.max()) + 1 for own in buckets]
    asked = draw(st.lists(st.sampled_from([(0, 1), (0, 2), (1, 2)]), unique=True))
    targets = {pair: pair_counts(drawn, pair, shape).astype(float) for pair in asked}
    refined = {}
    for i, j in draw(st.lists(st.sampled_from([(0, 1), (0, 2), (1, 2)]), unique=True)):
        table = rng.gamma(0.5, size=(fine[i].max() + 1, fine[j].max() + 1))
        table[rng.random(table.shape) < 0.5] = 0.0
        refined[i, j] = table if table.sum() == 0 else table / table.sum()
    found = Expansion(buckets=tuple(buckets), details=details, fine=tuple(fine), refined=refined)
    return found, drawn, targets


@pytest.mark.parametrize("most_cells", [expansion._MOST_CELLS, 30, 0])
@given(case=cases())
@settings(max_examples=40)
def test_codes_stay_in_their_buckets_and_have_their_shares(
    most_cells: int, case: tuple[Expansion, np.ndarray, Targets]
) -> None:
    """A code is off its share of its bucket by less than one row; by less than two where it was dealt twice."""
    inside, drawn, targets = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expansion, "_MOST_CELLS", most_cells)
        codes = inside.expand(drawn, targets, np.random.default_rng(0), rounds=ROUNDS)
    assert codes.shape == drawn.shape
    for node, (buckets, detail) in enumerate(zip(inside.buckets, inside.details, strict=True)):
        np.testing.assert_array_equal(buckets[codes[:, node]], drawn[:, node])
        wanted = np.bincount(drawn[:, node], minlength=buckets.max() + 1)[buckets] * detail
        found = np.bincount(codes[:, node], minlength=len(buckets))
        assert np.abs(found - wanted).max() < (1 if most_cells > 30 else 2) + 1e-9


@given(cases())
@settings(max_examples=60)
def test_a_pair_over_codes_sums_to_its_buckets_and_is_refined(
    case: tuple[Expansion, np.ndarray, Targets],
) -> None:
    inside, _, targets = case
    for pair, table in targets.items():
        codes = inside.pair(pair, table)
        buckets, fine = ([groups[node] for node in pair] for groups in (inside.buckets, inside.fine))
        assert codes.shape == tuple(len(own) for own in buckets)
        assert (codes >= 0).all()
        np.testing.assert_allclose(sums_over(codes, tuple(buckets)), table, atol=1e-9)
        one, two = (inside.details[node] for node in pair)
        expected = table[np.ix_(*buckets)] * np.outer(one, two)
        if pair in inside.refined:
            # In each combination of buckets the finer ones are as refined, all in one proportion, if anything
            # is known about it; codes have their shares of these.
            firsts = [np.unique(own, return_index=True)[1] for own in fine]
            parents = tuple(own[first] for own, first in zip(buckets, firsts, strict=True))
            whole = sums_over(inside.refined[pair], parents)[np.ix_(*parents)]
            known = np.where(whole > 0, whole, 1.0)
            finer = np.where(
                whole > 0,
                inside.refined[pair] * table[np.ix_(*parents)] / known,
                sums_over(expected, tuple(fine)),
            )
            shares = [shares_within(inside.details[node], inside.fine[node]) for node in pair]
            expected = finer[np.ix_(*fine)] * np.outer(*shares)
        np.testing.assert_allclose(codes, expected, rtol=1e-9, atol=1e-9)


def diagonal(size: int = 24, of: int = 6) -> tuple[Expansion, np.ndarray, Targets]:
    """Two columns that are always equal, in buckets of `of` codes, and a third that goes with neither.

    The buckets show which bucket the other column is in; what is inside them only the refined pair says.
    """
    rng = np.random.default_rng(0)
    buckets = np.arange(size) // of
    share = rng.dirichlet(np.full(size, 5.0))
    rows = 6_000
    equal = rng.choice(size, rows, p=share)
    drawn = np.column_stack([buckets[equal], buckets[equal], rng.integers(0, 2, rows)]).astype(np.int32)
    weights = np.bincount(equal, minlength=size) + 1e-9
    detail = shares_within(weights, buckets)
    sizes = [size // of, size // of, 2]
    inside = Expansion(
        buckets=(buckets, buckets, np.arange(2)),
        details=(detail, detail, np.ones(2)),
        fine=(np.arange(size), np.arange(size), np.arange(2)),
        refined={(0, 1): np.diag(weights / weights.sum())},
    )
    pairs = [(0, 1), (0, 2), (1, 2)]
    return inside, drawn, {pair: pair_counts(drawn, pair, sizes).astype(float) for pair in pairs}


def without(inside: Expansion, **changes: object) -> Expansion:
    fields = {name: getattr(inside, name) for name in ("buckets", "details", "fine", "refined")}
    return Expansion(**{**fields, **changes})


def test_a_relation_inside_buckets_is_in_the_rows() -> None:
    inside, drawn, targets = diagonal()
    for rounds, least in ((ROUNDS, 0.75), (40, 0.93)):
        codes = inside.expand(drawn, targets, np.random.default_rng(1), rounds=rounds)
        assert np.mean(codes[:, 0] == codes[:, 1]) > least
    plain = without(inside, refined={}).expand(drawn, targets, np.random.default_rng(1), rounds=ROUNDS)
    assert np.mean(plain[:, 0] == plain[:, 1]) < 0.3


def test_columns_whose_codes_are_too_many_are_shown_by_their_finer_buckets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Finer buckets of two codes: the relation holds between these, and within them there is none."""
    inside, drawn, targets = diagonal()
    fine = np.arange(24) // 2
    weights = np.bincount(fine, weights=np.diag(inside.refined[0, 1]))
    inside = without(inside, fine=(fine, fine, np.arange(2)), refined={(0, 1): np.diag(weights)})
    shown = []
    for most_cells in (24 * 24 + 4 * 24, 24 * 24 + 4 * 24 - 1):
        monkeypatch.setattr(expansion, "_MOST_CELLS", most_cells)
        shown.append([len(np.unique(groups)) for groups in inside._shown(targets)])
        codes = inside.expand(drawn, targets, np.random.default_rng(1), rounds=ROUNDS)
        assert np.mean(fine[codes[:, 0]] == fine[codes[:, 1]]) > 0.85
        assert 0.35 < np.mean(codes[:, 0] == codes[:, 1]) < 0.6
    assert shown == [[24, 24, 2], [12, 12, 2]]


def test_finer_buckets_in_another_order_than_the_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many groups as codes, but not in their order: a group is not its code."""
    monkeypatch.setattr(expansion, "_MOST_CELLS", 0)
    inside = Expansion(
        buckets=(np.array([1, 0, 2]), np.array([0, 0])),
        details=(np.ones(3), np.array([0.9, 0.1])),
        fine=(np.array([1, 0, 2]), np.array([1, 0])),
        refined={},
    )
    drawn = np.repeat(np.array([[0, 0], [1, 0], [2, 0]], np.int32), [50, 30, 20], axis=0)
    codes = inside.expand(drawn, {(0, 1): np.array([[50.0], [30], [20]])}, np.random.default_rng(0), rounds=2)
    np.testing.assert_array_equal(codes[:, 0], np.array([1, 0, 2])[drawn[:, 0]])
    assert np.bincount(codes[:, 1]).tolist() == [90, 10]


def test_rows_come_closer_to_their_pairs_than_chance() -> None:
    """Codes dealt at random are off by the noise of sampling; exchanged, by less than half of it."""
    inside, drawn, targets = diagonal()
    inside = without(inside, refined={})
    levels = {pair: inside.pair(pair, table) for pair, table in targets.items()}

    def distance(rounds: int) -> float:
        codes = inside.expand(drawn, targets, np.random.default_rng(2), rounds=rounds)
        return sum(float(np.square(pair_counts(codes, p, [24, 24, 2]) - t).sum()) for p, t in levels.items())

    assert distance(ROUNDS) < 0.25 * distance(0)


def test_nothing_to_exchange() -> None:
    """Buckets of one code each, no targets, no rows."""
    plain = Expansion(
        buckets=(np.arange(3), np.arange(2)),
        details=(np.ones(3), np.ones(2)),
        fine=(np.arange(3), np.arange(2)),
        refined={},
    )
    drawn = np.array([[0, 1], [2, 0], [1, 1]], np.int32)
    found: list[Mapping[tuple[int, int], np.ndarray]] = [{}, {(0, 1): np.ones((3, 2)) / 2}]
    for targets in found:
        codes = plain.expand(drawn, targets, np.random.default_rng(0), rounds=ROUNDS)
        np.testing.assert_array_equal(codes, drawn)
        assert len(plain.expand(drawn[:0], targets, np.random.default_rng(0), rounds=ROUNDS)) == 0


def test_parts_are_dealt_in_proportion_to_shares_in_any_unit() -> None:
    wholes = np.repeat([0, 2, 1], [400, 300, 0])
    parents, shares = np.array([0, 1, 0, 2, 2]), np.array([30.0, 0.0, 10.0, 0.5, 0.25])
    dealt = parts(wholes, parents, shares, RowSampler(700, np.random.default_rng(0)))
    np.testing.assert_array_equal(parents[dealt], wholes)
    assert np.bincount(dealt, minlength=5).tolist() == [300, 0, 100, 200, 100]
    assert (np.diff(dealt[:400]) < 0).any()  # not in the order of rounding
