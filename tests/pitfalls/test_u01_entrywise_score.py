"""U01: a pair is scored by the induced matrix norm instead of the sum over its cells."""

from __future__ import annotations

import numpy as np

from dpsynth.mechanisms import ExponentialMechanism, MarginalGap
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

DOMAIN = Domain(columns=("a", "b", "c", "d"), sizes=(2, 2, 2, 2))
SPREAD = np.array([[50, 40], [40, 50]])  # each cell 45 or so off zero, in both columns
TALL = np.array([[90, 0], [60, 30]])


def table() -> EncodedTable:
    """Rows whose (a, b) counts are SPREAD and whose (c, d) counts are TALL."""
    a, b = (np.repeat(axis, SPREAD.ravel()) for axis in np.indices((2, 2)).reshape(2, 4))
    c, d = (np.repeat(axis, TALL.ravel()) for axis in np.indices((2, 2)).reshape(2, 4))
    return EncodedTable(DOMAIN, {"a": a, "b": b, "c": c, "d": d}, rows=180)


def score() -> MarginalGap:
    estimates = (np.array([95, 85, 85, 95]), np.array([55, 0, 60, 30]))
    return MarginalGap(cliques=(("a", "b"), ("c", "d")), estimates=estimates)


def induced(counts: np.ndarray, estimate: np.ndarray) -> float:
    """The broken twin: the largest column sum."""
    return float(np.linalg.norm(counts - estimate.reshape(2, 2), 1))


def test_u01_the_score_is_the_sum_over_all_cells() -> None:
    gap = score()
    np.testing.assert_array_equal(gap.evaluate(table()), [180, 35])
    assert induced(SPREAD, gap.estimates[0]) == 90
    assert induced(TALL, gap.estimates[1]) == 35


def test_u01_the_pair_with_the_larger_entrywise_gap_wins() -> None:
    estimates = (np.array([20, 10, 10, 20]), np.array([0, 0, 0, 30]))
    gap = MarginalGap(cliques=(("a", "b"), ("c", "d")), estimates=estimates)
    np.testing.assert_array_equal(gap.evaluate(table()), [120, 150])
    assert induced(SPREAD, estimates[0]) == 60 < induced(TALL, estimates[1]) == 150
    wide = MarginalGap(cliques=gap.cliques, estimates=(np.zeros(4, np.int64), np.array([0, 0, 30, 30])))
    entrywise = wide.evaluate(table())
    np.testing.assert_array_equal(entrywise, [180, 120])
    assert induced(SPREAD, wide.estimates[0]) < induced(TALL, wide.estimates[1])
    mechanism = ExponentialMechanism(score=wide, epsilon=20.0)
    assert {int(mechanism.run(table(), Unit()).values[0][0]) for _ in range(20)} == {0}
