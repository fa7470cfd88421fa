"""P26: noise drawn in half precision: few distinct values, and none in the tails."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.mechanisms._noise import rounded_gaussian, rounded_laplace

SCALE = 1e5
DRAWS = 50_000


def coarse(noise: np.ndarray) -> bool:
    """Whether a type narrower than the law left its mark: gaps, a common factor, or infinities."""
    finite = noise[np.isfinite(noise)]
    odd = np.count_nonzero(finite % 2)
    return finite.size < noise.size or np.unique(finite).size < 0.75 * noise.size or odd < 0.4 * noise.size


@pytest.mark.parametrize("draw", [rounded_gaussian, rounded_laplace])
def test_noise_has_full_resolution(draw) -> None:
    noise = draw(SCALE, DRAWS)
    assert noise.dtype == np.int64
    assert not coarse(noise.astype(np.float64))


def test_half_and_brain_precision_are_caught() -> None:
    full = np.random.default_rng(0).normal(0, SCALE, DRAWS)
    assert not coarse(np.rint(full))
    with np.errstate(over="ignore"):
        assert coarse(np.rint(full.astype(np.float16).astype(np.float64)))
    brain = (full.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    assert coarse(np.rint(brain.astype(np.float64)))
