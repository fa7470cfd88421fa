from __future__ import annotations

import numpy as np
import pytest

from dpsynth.graphical.estimation import fit_pair
from dpsynth.graphical.families import fit_family

SHAPE = (4, 3, 5)
NOMINAL = (0, 0, 0)


def truth(*, interaction: bool) -> np.ndarray:
    rng = np.random.default_rng(4)
    left, right, pair = (rng.gamma(1.0, size=shape) for shape in ((4, 1, 5), (1, 3, 5), (4, 3, 1)))
    table = left * right * pair
    if interaction:
        table = table * rng.gamma(0.5, size=SHAPE)
    return table / table.sum() * 50_000


def fitted(table: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    noisy = table + np.random.default_rng(seed).normal(0, sigma, table.shape)
    return fit_family(noisy, sigma, table.sum(-1), table.sum((0, 1)), ordered=NOMINAL)


def test_without_parents_the_counts_are_those_of_the_column() -> None:
    child = np.array([3.0, 4.0])
    assert fit_family(np.array([9.0, 9.0]), 1.0, np.array(7.0), child, ordered=(0,)) is child


def test_one_parent_is_a_pair() -> None:
    table = truth(interaction=True).sum(0)
    noisy = table + 5.0
    pair = fit_pair(noisy, 10.0, table.sum(1), table.sum(0))
    np.testing.assert_array_equal(fit_family(noisy, 10.0, table.sum(1), table.sum(0), ordered=(0, 0)), pair)


@pytest.mark.parametrize("interaction", [False, True])
@pytest.mark.parametrize("sigma", [1.0, 30.0, 300.0])
def test_counts_are_not_negative_and_the_parents_keep_theirs(interaction: bool, sigma: float) -> None:
    table = truth(interaction=interaction)
    result = fitted(table, sigma)
    assert (result >= 0).all()
    np.testing.assert_allclose(result.sum(-1), table.sum(-1), rtol=1e-9)


def test_little_noise_gives_the_table_itself() -> None:
    table = truth(interaction=True)
    assert np.abs(fitted(table, 0.5) - table).sum() < 0.005 * table.sum()


def test_no_association_is_invented() -> None:
    shares = [np.random.default_rng(i).gamma(1.0, size=size) for i, size in enumerate(SHAPE)]
    left, right, child = (share / share.sum() for share in shares)
    table = 50_000 * np.einsum("i,j,k", left, right, child)
    exact = [np.allclose(fitted(table, 50.0, seed), table) for seed in range(10)]
    assert sum(exact) >= 9


def test_no_interaction_is_invented() -> None:
    def interaction(table: np.ndarray) -> float:
        logs = np.log(table)
        for axis in range(3):
            logs = logs - logs.mean(axis=axis, keepdims=True)
        return float(np.abs(logs).max())

    table = truth(interaction=False) + 50.0
    noisy = table + np.random.default_rng(0).normal(0, 100, SHAPE)
    assert interaction(fitted(table, 100.0)) < 1e-6
    assert interaction(np.maximum(noisy, 1.0)) > 0.1
    assert interaction(truth(interaction=True)) > 0.1


@pytest.mark.parametrize("sigma", [30.0, 100.0, 300.0])
def test_shrinking_beats_the_noisy_counts_and_the_prior(sigma: float) -> None:
    def error(estimate: np.ndarray) -> float:
        return float(np.square(estimate - table).sum())

    plain = truth(interaction=False)
    table = plain * np.random.default_rng(5).gamma(4.0, 0.25, SHAPE)
    prior = error(plain * (table.sum() / plain.sum()))
    shrunk = [error(fitted(table, sigma, seed)) for seed in range(20)]
    assert np.mean(shrunk) < 0.9 * sigma**2 * table.size
    assert np.mean(shrunk) < 0.9 * prior


def test_empty_parents_are_no_trouble() -> None:
    table = truth(interaction=True)
    table[1] = 0.0
    table[:, :, 2] = 0.0
    result = fitted(table, 20.0)
    assert np.isfinite(result).all()
    assert not result[1].any()
