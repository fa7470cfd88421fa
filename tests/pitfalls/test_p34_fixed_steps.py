"""P34: early stopping, the learning rate or the checkpoint is chosen by loss on real data."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from mechanisms.deep import asked, moved_by, quieten, recorded, table_of

from dpsynth.mechanisms import DpSgd, dp_sgd
from dpsynth.privacy.unit import Unit

STEPS = 9
MECHANISM = asked(steps=STEPS, sampling_rate=1.0)
TABLES = [table_of(0), table_of(1), table_of(300)]


def as_planned(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether every table, whatever is in it, is trained on for the steps that are paid."""
    return all(len(moved_by(monkeypatch, MECHANISM, table)) == MECHANISM.event().steps for table in TABLES)


def one_course(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether tables that give the same noised sums end with the same numbers."""
    quieten(monkeypatch)
    with monkeypatch.context() as patched:
        recorded(patched, [np.arange(56) << 30 for _ in range(STEPS)] * len(TABLES))
        ends = [MECHANISM.run(table, Unit()).values for table in TABLES]
    return all(np.array_equal(left, right) for end in ends for left, right in zip(ends[0], end, strict=True))


def test_the_number_of_steps_is_that_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_planned(monkeypatch)


def test_rate_and_checkpoint_follow_from_noised_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    assert one_course(monkeypatch)


def test_nothing_can_ask_to_stop() -> None:
    names = {field.name for field in fields(DpSgd)}
    assert not {name for name in names if any(word in name for word in ("patience", "stop", "valid", "best"))}


def test_early_stopping_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopping(training: Any) -> tuple[np.ndarray, ...]:
        """The broken twin: done as soon as the true gradient is small."""
        for step in range(STEPS):
            exact = training._exact(training._batch())
            if np.abs(exact).max() < 1000:
                break
            training._move(training._gradient(exact, step), step + 1)
        return (training._parameters.numpy(),)

    monkeypatch.setattr(dp_sgd._Training, "finished", stopping)
    assert not as_planned(monkeypatch)


def test_the_best_checkpoint_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    finished = dp_sgd._Training.finished

    def best(training: Any) -> tuple[np.ndarray, ...]:
        """The broken twin: keeps the start where it suits the rows better."""
        start = training._parameters.clone()
        end = finished(training)
        return (start.numpy(), *end[1:]) if len(training._codes) % 2 else end

    monkeypatch.setattr(dp_sgd._Training, "finished", best)
    assert not one_course(monkeypatch)


def test_a_learning_rate_by_rows_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    move = dp_sgd._Training._move

    def adapted(training: Any, gradient: Any, step: int) -> None:
        move(training, gradient * (1 + len(training._codes)), step)

    monkeypatch.setattr(dp_sgd._Training, "_move", adapted)
    assert not one_course(monkeypatch)
