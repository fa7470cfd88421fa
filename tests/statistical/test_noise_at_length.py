"""The laws once more, with enough draws to tell a scale that is off by half a percent."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from dpsynth.mechanisms._noise import rounded_gaussian, rounded_laplace

pytestmark = pytest.mark.slow

DRAWS, ROUNDS = 2**22, 16


def laplace(point: np.ndarray) -> np.ndarray:
    tail = np.exp(-np.abs(point)) / 2
    return np.where(point < 0, tail, 1 - tail)


@pytest.mark.parametrize("scale", [0.5, 3.0, 50.0, 1e4])
@pytest.mark.parametrize(("draw", "distribution"), [(rounded_gaussian, ndtr), (rounded_laplace, laplace)])
def test_half_a_percent_is_noticed(draw, distribution, scale: float, fits) -> None:
    edges = np.unique(np.rint(np.linspace(-6, 6, 401) * scale))
    counts = np.zeros(edges.size + 1)
    for _ in range(ROUNDS):
        counts += np.bincount(
            np.searchsorted(edges, draw(scale, DRAWS), side="right"), minlength=edges.size + 1
        )

    def law(at: float) -> np.ndarray:
        return np.diff(np.concatenate([[0.0], distribution((edges - 0.5) / at), [1.0]]))

    assert fits(counts, law(scale))
    assert not fits(counts, law(0.995 * scale))
    assert not fits(counts, law(1.005 * scale))
