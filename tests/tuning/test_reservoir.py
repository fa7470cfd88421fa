"""The law of what is taken from a recorded table: that of fresh answers, however often it is asked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from dpsynth.tuning.reservoir import Fold, Reservoir, fold, folded

CELLS = 40_000
TRUTH = 7.0
PAID, FIRST, SECOND = 4.0, 9.0, 20.0


def column(values: np.ndarray, variance: float) -> Reservoir:
    codes = np.arange(len(values))
    return Reservoir(columns=("a",), groups=(codes,), values=values, variance=variance)


def recorded(rng: np.random.Generator, cells: int = CELLS) -> Reservoir:
    return column(TRUTH + math.sqrt(PAID) * rng.standard_normal(cells), PAID)


def whole(recorded: list[int], asked: list[int] | None) -> Fold:
    wanted = None if asked is None else np.array(asked)
    return fold(np.array(recorded), wanted, np.ones(len(recorded)))


def has_law(values: np.ndarray, variance: float) -> bool:
    return stats.kstest(values.ravel(), stats.norm(TRUTH, math.sqrt(variance)).cdf).pvalue > 1e-3


def test_an_answer_has_the_variance_that_was_asked_and_no_other() -> None:
    values, variance = recorded(np.random.default_rng(0)).take(FIRST, np.random.default_rng(1))
    assert variance == FIRST
    assert has_law(values, FIRST)
    assert not has_law(values, FIRST * 1.05)
    assert not has_law(values, FIRST - PAID)  # what it would be if only the added noise counted


def test_two_answers_and_what_is_left_are_independent() -> None:
    rng = np.random.default_rng(2)
    store = recorded(rng)
    first, _ = store.take(FIRST, rng)
    second, _ = store.take(SECOND, rng)
    assert has_law(second, SECOND)
    assert store.variance == pytest.approx(1 / (1 / PAID - 1 / FIRST - 1 / SECOND))
    for left, right in ((first, second), (first, store.values), (second, store.values)):
        assert abs(np.corrcoef(left, right)[0, 1]) < 4 / math.sqrt(CELLS)


def test_the_same_noise_twice_would_be_found() -> None:
    rng = np.random.default_rng(3)
    store = recorded(rng)
    wrong = [store.values + math.sqrt(v - PAID) * rng.standard_normal(CELLS) for v in (FIRST, SECOND)]
    assert abs(np.corrcoef(*wrong)[0, 1]) > 20 / math.sqrt(CELLS)


def test_precision_runs_out_and_the_answer_says_so() -> None:
    rng = np.random.default_rng(4)
    store = recorded(rng)
    _, variance = store.take(PAID / 2, rng)
    assert variance == PAID
    assert math.isinf(store.variance)
    again, variance = store.take(FIRST, rng)
    assert variance == PAID
    assert again is store.paid


def test_sums_of_buckets_have_the_variance_of_a_fresh_table_in_every_cell() -> None:
    rng = np.random.default_rng(5)
    shape = (3, 2)
    draws = []
    for _ in range(4000):
        values = math.sqrt(PAID) * rng.standard_normal(shape)
        table = Reservoir(
            columns=("a", "b"), groups=(np.array([0, 1, 1, 2]), np.arange(2)), values=values, variance=PAID
        )
        folds = [whole([0, 1, 1, 2], [0, 0, 0, 1]), whole([0, 1], [0, 1])]
        answer, variance = folded(table, folds, variance=FIRST, rng=rng)
        assert variance == FIRST
        draws.append(answer.ravel())
    assert np.allclose(np.cov(np.array(draws).T), FIRST * np.eye(4), atol=1.0)
    assert math.isclose(table.variance, 1 / (1 / PAID - 2 / FIRST))  # two cells are summed at most


def test_a_divided_bucket_gives_independent_noise_and_keeps_the_sum() -> None:
    rng = np.random.default_rng(6)
    inside = np.array([1.0, 0.25, 0.75, 1.0])
    split = fold(np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]), inside)
    assert split.divided
    truth = np.array([10.0, 40.0, 5.0])
    draws = []
    for _ in range(6000):
        noisy = truth + math.sqrt(PAID) * rng.standard_normal(3)
        draws.append(folded(column(noisy, PAID), [split], variance=FIRST, rng=rng)[0])
    found = np.array(draws)
    assert np.allclose(found.mean(axis=0), [20.0, 35.0], atol=0.2)
    assert np.allclose(np.cov(found.T), FIRST * np.eye(2), atol=0.6)


def test_an_axis_that_is_not_asked_is_summed() -> None:
    values = np.arange(6.0).reshape(2, 3)
    table = Reservoir(columns=("a", "b"), groups=(np.arange(2), np.arange(3)), values=values, variance=1e-9)
    answer, variance = folded(
        table, [whole([0, 1], [0, 1]), whole([0, 1, 2], None)], variance=1e-12, rng=np.random.default_rng(7)
    )
    assert answer.ravel().tolist() == [3.0, 12.0]
    assert variance == pytest.approx(3e-9)  # more than asked: three cells are summed, and nothing is added
