"""U01: a pair is scored by the induced matrix norm instead of the sum over its cells."""

from __future__ import annotations

import numpy as np

from dpsynth.graphical.structure import Layer, fit_junction_tree
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
    return float(np.linalg.norm(counts - estimate.reshape(counts.shape), 1))


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


def test_u01_a_tree_keeps_the_pair_with_the_larger_entrywise_gap() -> None:
    """There is room for one: (0, 1) is off by a little in each of its rows, (2, 3) by more in one column only."""
    spread = np.full((4, 4), 250.0) + 100 * (2 * np.eye(4)[[1, 0, 3, 2]] + 2 * np.eye(4) - 1)
    tall = np.full((4, 4), 250.0) + np.outer([240, -240, 0, 0], [1, -1 / 3, -1 / 3, -1 / 3])
    uniform = np.full((4, 4), 250.0)
    assert induced(spread, uniform) < induced(tall, uniform)
    assert np.abs(spread - uniform).sum() > np.abs(tall - uniform).sum()
    margins = tuple(np.full(4, 1_000.0) for _ in range(4))
    for pairs, kept in (({(0, 1): spread, (2, 3): tall}, (0, 1)), ({(0, 1): tall, (2, 3): spread}, (2, 3))):
        layer = Layer(margins=margins, pairs={pair: (table, 5.0) for pair, table in pairs.items()})
        tree, _ = fit_junction_tree([layer], limit=4 * 4 + 4 + 4)
        assert kept in tree.cliques
