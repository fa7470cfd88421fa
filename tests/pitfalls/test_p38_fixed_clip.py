"""P38: adaptive clipping whose quantile estimate is not charged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mechanisms.deep import CRITIC, DOMAIN, asked, gradients_of, recorded, table_of

from dpsynth.mechanisms import dp_sgd
from dpsynth.privacy.unit import Unit

MECHANISM = asked(clip=0.37, steps=4, sampling_rate=1.0)
TABLES = [table_of(rows) for rows in (0, 1, 200)]


def clips(monkeypatch: pytest.MonkeyPatch) -> set[float]:
    """What rows are clipped to, over tables of all kinds."""
    with monkeypatch.context() as patched:
        calls = recorded(patched)
        for table in TABLES:
            MECHANISM.run(table, Unit())
    assert len(calls) == 12
    return {call["clip"] for call in calls}


def test_the_clip_is_the_public_number_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    assert clips(monkeypatch) == {0.37}
    assert MECHANISM.describe()["clip"] == 0.37


def test_the_noise_follows_the_clip_and_not_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    sigmas: list[float] = []
    monkeypatch.setattr(
        dp_sgd, "rounded_gaussian", lambda sigma, size: (sigmas.append(sigma), np.zeros(size, np.int64))[1]
    )
    for table in TABLES:
        MECHANISM.run(table, Unit())
    assert set(sigmas) == {MECHANISM.sigma(DOMAIN, Unit())}


def test_a_clip_at_the_median_norm_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def adaptive(training: Any, codes: np.ndarray, *, public: bool) -> np.ndarray:
        """The broken twin: the median of the true norms, free of charge."""
        rows = torch.from_numpy(codes[:20].astype(np.int64))
        nothing = torch.zeros((len(rows), 0))
        norms = np.linalg.norm(gradients_of(CRITIC, DOMAIN, training._parameters, rows, nothing), axis=1)
        clip = float(np.median(norms)) if len(norms) else 0.37
        return dp_sgd.clipped_sum(
            CRITIC, DOMAIN, training._parameters, rows, nothing, clip=clip, public=public
        )

    monkeypatch.setattr(dp_sgd._Training, "_sum", adaptive)
    assert clips(monkeypatch) != {0.37}
