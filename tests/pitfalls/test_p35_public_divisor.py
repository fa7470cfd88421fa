"""P35: sums are divided by the size of the real batch, or the fake batch has that size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mechanisms.deep import asked, moved_by, recorded, table_of

from dpsynth.mechanisms import dp_sgd
from dpsynth.privacy.unit import Unit

BATCH = 64.0
PUBLIC = np.zeros((50, 3), np.int64)
NOISE = np.arange(1, 57, dtype=np.int64) << 20
TABLES = [table_of(rows) for rows in (0, 1, 40, 500)]


def divided_by_public_number(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a noised sum makes the same gradient whatever the batch was."""
    monkeypatch.setattr(dp_sgd, "rounded_gaussian", lambda *_: NOISE)
    with monkeypatch.context() as patched:
        recorded(patched)  # sums of zero
        moves = [moved_by(patched, asked(steps=1, batch=BATCH, clip=2.0), table)[0] for table in TABLES]
    expected = (NOISE * (2.0 * 2.0**-28 / BATCH)).astype(np.float32)
    return all(np.array_equal(move, expected) for move in moves)


def public_batches(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The sizes of the batches of public rows, over tables of all sizes."""
    with monkeypatch.context() as patched:
        calls = recorded(patched)
        for table in TABLES:
            asked(public=PUBLIC, public_batch=20, public_weight=1.0).run(table, Unit())
    return {len(call["codes"]) for call in calls if call["public"]}


def test_the_divisor_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    assert divided_by_public_number(monkeypatch)


def test_the_public_batch_has_a_public_size(monkeypatch: pytest.MonkeyPatch) -> None:
    assert public_batches(monkeypatch) == {20}


def test_the_realised_size_as_divisor_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, gradient = dp_sgd._Training._batch, dp_sgd._Training._gradient
    size: list[int] = []

    def counted(training: Any) -> Any:
        chosen = batch(training)
        size[:] = [max(1, len(chosen))]
        return chosen

    def realised(training: Any, noised: np.ndarray, step: int) -> Any:
        """The broken twin."""
        return gradient(training, noised, step) * BATCH / size[0]

    monkeypatch.setattr(dp_sgd._Training, "_batch", counted)
    monkeypatch.setattr(dp_sgd._Training, "_gradient", realised)
    assert not divided_by_public_number(monkeypatch)


def test_a_fake_batch_as_large_as_the_real_one_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    total = dp_sgd._Training._sum
    last: list[int] = [0]

    def tied(training: Any, codes: np.ndarray, *, public: bool) -> np.ndarray:
        """The broken twin."""
        if public:
            return total(training, codes[: last[0]], public=True)
        last[0] = len(codes)
        return total(training, codes, public=False)

    monkeypatch.setattr(dp_sgd._Training, "_sum", tied)
    assert public_batches(monkeypatch) != {20}
