"""P33: training by sampling from true category frequencies; real rows come back among samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mechanisms.deep import DOMAIN, asked, recorded

from dpsynth.mechanisms import dp_sgd
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.unit import Unit

ROWS, RARE, STEPS, RATE = 2000, 100, 40, 0.2
PUBLIC = np.array([[0, 1, 2], [1, 2, 3]])
TABLE = EncodedTable(
    DOMAIN,
    {"a": (np.arange(ROWS) < RARE).astype(int), "b": np.zeros(ROWS, int), "c": np.zeros(ROWS, int)},
    rows=ROWS,
)


def calls_of(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls = recorded(monkeypatch)
    asked(steps=STEPS, sampling_rate=RATE, public=PUBLIC, public_weight=1.0).run(TABLE, Unit())
    return calls


def blind(calls: list[dict[str, Any]]) -> bool:
    """Whether rows of the rare category join as often as all others."""
    private = [call["codes"][:, 0] for call in calls if not call["public"]]
    rare = sum(int((codes == 1).sum()) for codes in private) / (STEPS * RARE)
    rest = sum(int((codes == 0).sum()) for codes in private) / (STEPS * (ROWS - RARE))
    return abs(rare - RATE) < 0.04 and abs(rest - RATE) < 0.01


def public_is_public(calls: list[dict[str, Any]]) -> bool:
    """Whether what joins without noise are the given rows and no others."""
    offsets = np.cumsum([0, *DOMAIN.sizes[:-1]])
    given = {tuple(row) for row in (PUBLIC + offsets).tolist()}
    return all({tuple(row) for row in call["codes"].tolist()} <= given for call in calls if call["public"])


def test_categories_have_no_influence_on_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = calls_of(monkeypatch)
    assert blind(calls)
    assert public_is_public(calls)


def test_sampling_by_frequency_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def balanced(training: Any) -> np.ndarray:
        """The broken twin: as many rows of each category."""
        codes = training._codes[:, 0]
        weights = 0.5 / np.bincount(codes)[codes]
        return np.flatnonzero(np.random.default_rng(0).random(ROWS) < weights * RATE * ROWS)

    monkeypatch.setattr(dp_sgd._Training, "_batch", balanced)
    assert not blind(calls_of(monkeypatch))


def test_real_rows_among_the_public_ones_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    start = dp_sgd._Training.__init__

    def reusing(training: Any, *args: Any) -> None:
        """The broken twin: conditional vectors are drawn from the table."""
        start(training, *args)
        training._public = training._codes[:2].astype(np.int64)

    monkeypatch.setattr(dp_sgd._Training, "__init__", reusing)
    assert not public_is_public(calls_of(monkeypatch))
