"""P28: empty batches are skipped, or filled with a phantom record: they take noise and an event."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from mechanisms.deep import asked, noised_by, quieten, table_of

from dpsynth.mechanisms import dp_sgd
from dpsynth.privacy.unit import Unit

STEPS = 12
NEVER = 1e-6  # a batch has a row once in a million steps
MECHANISM = asked(steps=STEPS, sampling_rate=NEVER, batch=1.0)


def noise_in_every_step(sums: list[np.ndarray]) -> bool:
    """Whether each paid step gave a sum with noise of the stated size."""
    sigma = MECHANISM.sigma(table_of(0).domain, Unit())
    return len(sums) == MECHANISM.event().steps and all(0.5 < noised.std() / sigma < 1.6 for noised in sums)


def nothing_but_noise(sums: list[np.ndarray]) -> bool:
    """Whether, without noise, every sum is zero."""
    return not any(noised.any() for noised in sums)


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_batch_takes_noise_and_a_step(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    assert noise_in_every_step(noised_by(monkeypatch, MECHANISM, table_of(rows)))


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_an_empty_batch_is_a_sum_of_zero(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    quieten(monkeypatch)
    assert nothing_but_noise(noised_by(monkeypatch, MECHANISM, table_of(rows)))


def test_skipping_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def skipping(training: Any) -> tuple[np.ndarray, ...]:
        """The broken twin: no rows, no step."""
        for step in range(STEPS):
            chosen = training._batch()
            if len(chosen):
                noise = dp_sgd.rounded_gaussian(training._sigma, len(training._parameters))
                training._move(training._gradient(training._exact(chosen) + noise, step), step + 1)
        return (training._parameters.numpy(),)

    monkeypatch.setattr(dp_sgd._Training, "finished", skipping)
    assert not noise_in_every_step(noised_by(monkeypatch, MECHANISM, table_of(1)))


def test_noise_for_rows_only_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = dp_sgd._Training._exact
    monkeypatch.setattr(
        dp_sgd._Training, "_exact", lambda training, chosen: exact(training, chosen) * math.prod(chosen.shape)
    )
    quieten(monkeypatch)  # the broken twin: as if noise came with the rows
    assert not noise_in_every_step(noised_by(monkeypatch, MECHANISM, table_of(1)))


def test_a_phantom_record_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    quieten(monkeypatch)
    monkeypatch.setattr(dp_sgd._Training, "_batch", lambda _: np.array([0]))  # the broken twin: fill it up
    assert not nothing_but_noise(noised_by(monkeypatch, MECHANISM, table_of(1)))
