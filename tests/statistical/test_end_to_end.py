"""From a table to the released number: an attacker gains what was claimed, and not more.

Neighbours differ by one row of a rare value, the worst case for a count. Many sessions on each give an
attacker's rates of true and false alarm at the best threshold; their confidence limits (Clopper and
Pearson, level 1e-6) give a lower limit on mu (Nasr et al., 2023): it must not exceed the claim, and it
must come near it, or the audit would see nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from scipy.stats import beta

from dpsynth.generators.independent import Independent
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import gaussian
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import mu_of
from dpsynth.schema.columns import Boolean
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Session

pytestmark = pytest.mark.slow

SESSIONS, LEVEL = 4000, 1e-6
BUDGET = Budget(epsilon=4.0, delta=1e-2)
SCHEMA = Schema(columns=(Boolean(name="rare", required=True),))


def released(rows: list[bool]) -> np.ndarray:
    """The noisy count of the rare value in each of many sessions."""
    table = PrivateTable.load(pd.DataFrame({"rare": rows}), SCHEMA)
    counts = []
    for _ in range(SESSIONS):
        with Ledger.in_memory() as ledger:
            session = Session.open(table, budget=BUDGET, ledger=ledger, dataset="d")
            session.run(Independent())
            counts.append(session.transcript.measurements[0].values[0][1])
    return np.array(counts)


def lower_limit(without: np.ndarray, with_: np.ndarray) -> float:
    """A lower limit on mu at the best of a few thresholds (Bonferroni)."""
    thresholds, best = (0, 1), 0.0
    level = LEVEL / (2 * len(thresholds))
    for threshold in thresholds:
        hits, false = int((with_ > threshold).sum()), int((without > threshold).sum())
        power = beta.ppf(level, hits, SESSIONS - hits + 1)
        alarms = beta.ppf(1 - level, false + 1, SESSIONS - false)
        best = max(best, float(ndtri(power) - ndtri(alarms)))
    return best


def test_the_attacker_gains_what_was_claimed() -> None:
    claim = mu_of(BUDGET)
    found = lower_limit(released([False] * 50), released([False] * 50 + [True]))
    assert 0.75 * claim < found <= claim


def test_half_the_noise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    original = gaussian.gaussian_sigma
    monkeypatch.setattr(gaussian, "gaussian_sigma", lambda *a, **k: original(*a, **k) / 2)
    assert lower_limit(released([False] * 50), released([False] * 50 + [True])) > mu_of(BUDGET)
