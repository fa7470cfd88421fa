from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from dpsynth.graphical.low_rank import NoisyPairs, Tables, denoised, shrunk

SIGMA = 30.0


def unit(rng: np.random.Generator, size: int) -> np.ndarray:
    vector = rng.normal(size=size)
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("shape", [(12, 9), (9, 12), (20, 20), (1, 7), (1, 1), (40, 3)])
@pytest.mark.parametrize("spike", [1.01, 1.2, 2.0, 5.0, 50.0])
def test_a_spike_is_shrunk_by_what_its_directions_lost(shape: tuple[int, int], spike: float) -> None:
    """A true value x comes out of noise as y = sqrt((x + 1/x)(x + b/x)), its directions with the cosines c, d.

    The best multiple of the observed directions is then x c d (Gavish and Donoho, 2017, and Benaych-Georges
    and Nadakuditi, 2012); only spikes x > b^(1/4) are seen at all.
    """
    b = min(shape) / max(shape)
    x = spike * b**0.25
    y = math.sqrt((x + 1 / x) * (x + b / x))
    cosines = math.sqrt((x**4 - b) / (x**4 + b * x**2)), math.sqrt((x**4 - b) / (x**4 + x**2))
    rng = np.random.default_rng(0)
    rank_one = np.outer(unit(rng, shape[0]), unit(rng, shape[1])) * SIGMA * math.sqrt(max(shape))
    found = shrunk(y * rank_one, SIGMA)
    np.testing.assert_allclose(found, x * math.prod(cosines) * rank_one, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(12, 9), (100, 60), (1, 1), (3, 40)])
def test_what_noise_can_do_alone_becomes_exactly_nothing(shape: tuple[int, int]) -> None:
    edge = 1 + math.sqrt(min(shape) / max(shape))
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=(n, min(shape))))[0] for n in shape)
    values = np.linspace(0.999, 0.1, min(shape)) * edge * SIGMA * math.sqrt(max(shape))
    assert not shrunk((left * values) @ right.T, SIGMA).any()
    values[0] *= 1.01
    assert np.linalg.matrix_rank(shrunk((left * values) @ right.T, SIGMA)) == 1


def test_empty_sides_stay_empty() -> None:
    assert shrunk(np.zeros((0, 4)), SIGMA).shape == (0, 4)
    assert shrunk(np.zeros((3, 0)), SIGMA).shape == (3, 0)


@pytest.mark.parametrize("shape", [(12, 9), (30, 30), (60, 8)])
def test_pure_noise_is_killed(shape: tuple[int, int]) -> None:
    """Nearly always to nothing, and what is left is nothing much; if sigma were off by a quarter it would show."""
    rng = np.random.default_rng(0)
    noise = [rng.normal(0, SIGMA, shape) for _ in range(200)]

    def survivors(sigma: float) -> float:
        return float(np.mean([shrunk(table, sigma).any() for table in noise]))

    assert survivors(SIGMA) < 0.2
    assert survivors(SIGMA / 1.25) > 0.6
    energy = [float(np.square(shrunk(table, SIGMA)).mean()) / SIGMA**2 for table in noise]
    assert np.mean(energy) < 0.01


def test_shrinking_beats_cutting_off() -> None:
    """In squared error, against the noisy table and against keeping what is above the edge as it is."""
    rng = np.random.default_rng(1)
    shape, errors = (30, 20), np.zeros(3)
    edge = SIGMA * (math.sqrt(30) + math.sqrt(20))
    for _ in range(40):
        truth = 1.2 * edge * np.outer(unit(rng, 30), unit(rng, 20))
        noisy = truth + rng.normal(0, SIGMA, shape)
        left, values, right = np.linalg.svd(noisy, full_matrices=False)
        cut = (left * np.where(values > edge, values, 0)) @ right
        errors += [float(np.square(table - truth).sum()) for table in (shrunk(noisy, SIGMA), cut, noisy)]
    assert errors[0] < 0.9 * errors[1] < errors[2]


Layers = tuple[list[NoisyPairs], list[Tables], list[Tables]]


def latent(
    seed: int, *, columns: int = 8, codes: int = 10, strength: float, classes: int = 1, spread: float = 1.0
) -> Layers:
    """Noisy tables, what was added noise to, and the product of the margins: every column shows two directions."""
    rng = np.random.default_rng(seed)
    base = [rng.dirichlet(np.full(codes, 8.0)) for _ in range(columns)]
    shown = [rng.normal(size=(codes, 2)) for _ in range(columns)]
    noisy, true, product = [], [], []
    for _ in range(classes):
        layer: dict[tuple[int, int], tuple[np.ndarray, float]] = {}
        exact, independent = {}, {}
        for i, j in itertools.combinations(range(columns), 2):
            moved = shown[i] * rng.normal(size=2) @ shown[j].T
            moved += moved.mean() - moved.mean(0) - moved.mean(1)[:, None]
            independent[i, j] = 20_000 / classes * np.outer(base[i], base[j])
            exact[i, j] = independent[i, j] + strength * 200 / classes * moved
            sigma = SIGMA * spread ** ((i + j) % 3 - 1)
            layer[i, j] = (exact[i, j] + rng.normal(0, sigma, moved.shape), sigma)
        noisy.append(layer)
        true.append(exact)
        product.append(independent)
    return noisy, true, product


def error(found: list[Tables], true: list[Tables]) -> float:
    layers = zip(found, true, strict=True)
    return sum(float(np.square(own[pair] - exact[pair]).sum()) for own, exact in layers for pair in exact)


@pytest.mark.parametrize("strength", [0.1, 0.2, 0.4])
def test_many_partners_take_the_noise_out(strength: float) -> None:
    """An eighth of the error of the noisy tables or less, whatever the association; margins stay as expected."""
    for seed in range(5):
        noisy, true, expected = latent(seed, strength=strength)
        found = denoised(noisy, expected)
        plain = [{pair: table for pair, (table, _) in layer.items()} for layer in noisy]
        assert error(found, true) < error(plain, true) / 8
        assert error(found, true) < error(expected, true) / 3
        for pair, table in found[0].items():
            for axis in (0, 1):
                np.testing.assert_allclose(table.sum(axis), expected[0][pair].sum(axis), rtol=1e-9)


def test_all_pairs_together_beat_each_by_itself() -> None:
    together, alone = 0.0, 0.0
    for seed in range(5):
        noisy, true, expected = latent(seed, strength=0.15)
        together += error(denoised(noisy, expected), true)
        for pair in true[0]:
            one = denoised([{pair: noisy[0][pair]}], [{pair: expected[0][pair]}])
            alone += error(one, [{pair: true[0][pair]}])
    assert together < 0.6 * alone


def test_classes_share_directions() -> None:
    """Each class is too noisy to show them well alone; how strong they are differs between the classes."""
    for seed in range(3):
        noisy, true, expected = latent(seed, strength=0.4, classes=4)
        together = error(denoised(noisy, expected), true)
        alone = error([denoised([n], [e])[0] for n, e in zip(noisy, expected, strict=True)], true)
        assert together < 0.8 * alone
        assert together < error(expected, true) / 5


@pytest.mark.parametrize(("columns", "codes", "least"), [(3, 5, 0.9), (8, 10, 0.6), (5, 20, 0.7)])
def test_noise_alone_changes_nothing(columns: int, codes: int, least: float) -> None:
    """Mostly not one cell, and never much: each column by itself is wrong about once in twenty tables."""
    same, kept = 0, []
    for seed in range(60):
        noisy, true, expected = latent(seed, columns=columns, codes=codes, strength=0.0)
        found = denoised(noisy, expected)
        same += all((found[0][pair] == expected[0][pair]).all() for pair in expected[0])
        plain = [{pair: table for pair, (table, _) in noisy[0].items()}]
        kept.append(error(found, true) / error(plain, true))
    assert same / 60 >= least
    assert np.mean(kept) < 0.01


def test_each_table_counts_by_its_own_noise() -> None:
    same, ratios = 0, []
    for seed in range(40):
        noisy, _, expected = latent(seed, columns=6, strength=0.0, spread=4.0)
        found = denoised(noisy, expected)
        same += all((found[0][pair] == expected[0][pair]).all() for pair in expected[0])
        noisy, true, expected = latent(seed, columns=6, strength=0.1, spread=4.0)
        ratios.append(error(denoised(noisy, expected), true) / error(expected, true))
    assert same >= 24
    assert np.mean(ratios) < 0.4


def test_columns_of_one_code_are_no_trouble() -> None:
    rng = np.random.default_rng(0)
    shapes = {(0, 1): (1, 1), (0, 2): (1, 6), (1, 2): (1, 6)}
    noisy = {pair: (rng.normal(100, SIGMA, shape), SIGMA) for pair, shape in shapes.items()}
    expected = {pair: np.full(shape, 100.0) for pair, shape in shapes.items()}
    for pair, table in denoised([noisy], [expected])[0].items():
        np.testing.assert_allclose(table, expected[pair])
