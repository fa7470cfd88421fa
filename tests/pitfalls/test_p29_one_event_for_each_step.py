"""P29: several steps on one batch are charged once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mechanisms.deep import CRITIC, NUMBERED, asked, numbered

from dpsynth.mechanisms import dp_sgd
from dpsynth.mechanisms._noise import rounded_gaussian
from dpsynth.privacy.unit import Unit

MECHANISM = asked(CRITIC, NUMBERED, steps=6)


class Counts:
    """What a run did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.batches: list[bytes] = []
        self.noises: list[bytes] = []
        self.moves = 0
        total, move = dp_sgd.clipped_sum, dp_sgd._Training._move

        def summed(network: Any, domain: Any, parameters: Any, codes: Any, *rest: Any, **more: Any) -> Any:
            self.batches.append(codes.numpy().tobytes())
            return total(network, domain, parameters, codes, *rest, **more)

        def noise(sigma: float, size: int) -> np.ndarray:
            drawn = rounded_gaussian(sigma, size)
            self.noises.append(drawn.tobytes())
            return drawn

        def moved(training: Any, *args: Any) -> None:
            self.moves += 1
            move(training, *args)

        monkeypatch.setattr(dp_sgd, "clipped_sum", summed)
        monkeypatch.setattr(dp_sgd, "rounded_gaussian", noise)
        monkeypatch.setattr(dp_sgd._Training, "_move", moved)
        MECHANISM.run(numbered(), Unit())

    def paid(self) -> bool:
        """Whether each move has a batch, a noise and a step of the event for itself."""
        steps = MECHANISM.event().steps
        return steps == self.moves == len(set(self.batches)) == len(set(self.noises))


def test_every_step_has_its_own_batch_noise_and_price(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Counts(monkeypatch).paid()


def test_a_batch_that_serves_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[np.ndarray] = []
    batch = dp_sgd._Training._batch

    def twice(training: Any) -> np.ndarray:
        kept.append(kept.pop() if len(kept) == 1 else batch(training))
        return kept[-1]

    monkeypatch.setattr(dp_sgd._Training, "_batch", twice)
    assert not Counts(monkeypatch).paid()


def test_critic_steps_within_a_step_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    gradient = dp_sgd._Training._gradient

    def inner(training: Any, noised: np.ndarray, step: int) -> Any:
        found = gradient(training, training._exact(training._batch()), step)
        training._move(found, step + 1)  # the broken twin: a move that nobody paid for, without noise
        return gradient(training, noised, step)

    monkeypatch.setattr(dp_sgd._Training, "_gradient", inner)
    assert not Counts(monkeypatch).paid()


def test_noise_that_serves_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = Counts(monkeypatch)
    counts.noises[1] = counts.noises[0]
    assert not counts.paid()
