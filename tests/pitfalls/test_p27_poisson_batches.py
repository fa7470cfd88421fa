"""P27: shuffled batches priced as Poisson samples; weighted samplers; the last partial batch dropped."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mechanisms.deep import CRITIC, NUMBERED, asked, numbered, recorded

from dpsynth.mechanisms import dp_sgd
from dpsynth.privacy.unit import Unit

ROWS, RATE, STEPS = 1000, 0.1, 400
RNG = np.random.default_rng(0)
ORDER: list[int] = []


def joined(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Which rows were in the batch of each step."""
    calls = recorded(monkeypatch)
    asked(CRITIC, NUMBERED, steps=STEPS, sampling_rate=RATE).run(numbered(ROWS), Unit())
    found = np.zeros((STEPS, ROWS), bool)
    for step, call in enumerate(calls):
        found[step, call["codes"][:, 0]] = True
    return found


def poisson(found: np.ndarray) -> bool:
    """Whether rows joined independently of each other and of the last batch, all at the stated rate."""
    sizes, rates = found.sum(1), found.mean(0)
    spread = math.sqrt(ROWS * RATE * (1 - RATE))
    again = (found[1:] & found[:-1]).mean()
    return bool(
        0.75 < sizes.std() / spread < 1.25
        and np.abs(rates - RATE).max() < 6 * math.sqrt(RATE * (1 - RATE) / STEPS)
        and abs(again / RATE**2 - 1) < 0.15
    )


def shuffled(_: Any) -> np.ndarray:
    """The broken twin: each epoch in a new order, cut into equal batches."""
    size = int(ROWS * RATE)
    if len(ORDER) < size:
        ORDER[:] = RNG.permutation(ROWS).tolist()
    taken, ORDER[:] = ORDER[:size], ORDER[size:]
    return np.array(taken)


def fixed_size(_: Any) -> np.ndarray:
    """The broken twin: as many rows each time, drawn without replacement."""
    return RNG.choice(ROWS, int(ROWS * RATE), replace=False)


def weighted(_: Any) -> np.ndarray:
    """The broken twin: some rows join more often than the rate that is paid."""
    return np.flatnonzero(RNG.random(ROWS) < np.where(np.arange(ROWS) < 50, 3 * RATE, RATE))


def last_rows_never(_: Any) -> np.ndarray:
    """The broken twin: what fills no whole batch is dropped."""
    return np.flatnonzero(RNG.random(ROWS - 30) < RATE)


def test_batches_are_poisson_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    assert poisson(joined(monkeypatch))


@pytest.mark.parametrize("twin", [shuffled, fixed_size, weighted, last_rows_never])
def test_other_samples_are_caught(monkeypatch: pytest.MonkeyPatch, twin: Callable[[Any], np.ndarray]) -> None:
    monkeypatch.setattr(dp_sgd._Training, "_batch", twin)
    assert not poisson(joined(monkeypatch))
