from __future__ import annotations

from dpsynth.mechanisms._noise import rounded_gaussian, tainted
from dpsynth.testing.insecure import insecure_noise


def test_test_noise_repeats_and_taints() -> None:
    drawn = []
    for seed in (1, 1, 2):
        with insecure_noise(seed):
            assert tainted()
            drawn.append(rounded_gaussian(1e3, 20).tolist())
    assert drawn[0] == drawn[1] != drawn[2]
    assert not tainted()
