from __future__ import annotations

import numpy as np
import pytest

from dpsynth.graphical.estimation import clean_margin, fit_pair, ordered_cells
from dpsynth.schema.columns import Boolean, Categorical, Integer, ModelledColumn


def test_a_clean_margin_is_a_margin() -> None:
    rng = np.random.default_rng(0)
    noisy = np.r_[np.full(20, 50.0), 0.0] + rng.normal(0, 30, 21)
    clean = clean_margin(noisy, 30.0, 1_000.0, ordered=20)
    assert clean.min() >= 0
    assert clean.sum() == pytest.approx(1_000)
    assert np.abs(clean[:20] - 50).mean() < 0.5 * np.abs(noisy[:20] - 50).mean()


def test_a_strong_pair_is_recovered_and_has_its_margins() -> None:
    rng = np.random.default_rng(1)
    truth = np.diag([400.0, 300.0, 300.0])
    fitted = fit_pair(truth + rng.normal(0, 5, (3, 3)), 5.0, truth.sum(1), truth.sum(0))
    np.testing.assert_allclose(fitted.sum(1), truth.sum(1), rtol=1e-6)
    assert np.abs(fitted - truth).max() < 20


def test_noise_alone_gives_the_product() -> None:
    rng = np.random.default_rng(2)
    rows, columns = np.array([600.0, 400.0]), np.array([500.0, 300.0, 200.0])
    product = np.outer(rows, columns) / 1_000
    np.testing.assert_array_equal(fit_pair(product + rng.normal(0, 40, (2, 3)), 40.0, rows, columns), product)


@pytest.mark.parametrize("turned", [False, True])
def test_a_long_ordered_scale_is_smoothed_on_either_axis(turned: bool) -> None:
    rng = np.random.default_rng(3)
    truth = np.repeat([[200.0, 20.0], [20.0, 200.0]], 32, axis=0)
    noisy = truth + rng.normal(0, 25, truth.shape)
    ordered = (64, 0)
    if turned:
        truth, noisy, ordered = truth.T, noisy.T, (0, 64)
    rough = fit_pair(noisy, 25.0, truth.sum(1), truth.sum(0))
    smooth = fit_pair(noisy, 25.0, truth.sum(1), truth.sum(0), ordered=ordered)
    assert np.abs(smooth - truth).mean() < 0.6 * np.abs(rough - truth).mean()


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (Categorical(name="x", categories=("a", "b")), 0),
        (Categorical(name="x", categories=("a", "b", "c"), ordered=True), 3),
        (Boolean(name="x"), 0),
        (Integer(name="x", minimum=0, maximum=9), 10),
    ],
)
def test_which_codes_are_ordered(column: ModelledColumn, expected: int) -> None:
    assert ordered_cells(column) == expected
