"""P40: the exponential mechanism charged as for a monotone score when the score can rise and fall."""

from __future__ import annotations

import itertools
import math

import numpy as np

from dpsynth.mechanisms import ExponentialMechanism, MarginalGap
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.events import ExponentialEvent
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

DOMAIN = Domain(columns=("x", "y"), sizes=(2, 2))
# One candidate is overestimated, one underestimated: one more row moves their scores apart.
SCORE = MarginalGap(cliques=(("x",), ("y",)), estimates=(np.array([9, 9]), np.array([0, 0])))
EPSILON = 1.0


def table(rows: int) -> EncodedTable:
    codes = np.zeros(rows, dtype=np.int32)
    return EncodedTable(DOMAIN, {"x": codes, "y": codes}, rows=rows)


def loss_range(divisor: float) -> float:
    """Length of the window of log-probability ratios between two neighbours, over all candidates."""
    spans = []
    for rows in range(5):
        logs = [SCORE.evaluate(table(n)) * EPSILON / divisor for n in (rows, rows + 1)]
        ratios = [log - math.log(np.exp(log).sum()) for log in logs]
        difference = ratios[1] - ratios[0]
        spans.append(max(a - b for a, b in itertools.product(difference, repeat=2)))
    return max(spans)


def test_the_score_rises_and_falls() -> None:
    moves = SCORE.evaluate(table(1)) - SCORE.evaluate(table(0))
    assert moves.tolist() == [-1, 1]


def test_the_window_of_losses_has_the_length_that_is_charged() -> None:
    mechanism = ExponentialMechanism(score=SCORE, epsilon=EPSILON)
    assert mechanism.event() == ExponentialEvent(epsilon=EPSILON)
    assert loss_range(2 * SCORE.sensitivity(Unit())) <= EPSILON * (1 + 1e-12)


def test_the_monotone_formula_would_cost_twice_the_charge() -> None:
    assert loss_range(SCORE.sensitivity(Unit())) > 1.99 * EPSILON  # a factor 4 in rho


def test_the_drawn_probabilities_are_those_of_the_charge() -> None:
    mechanism = ExponentialMechanism(score=SCORE, epsilon=EPSILON)
    few = EncodedTable(DOMAIN, {"x": np.zeros(8, dtype=np.int32), "y": np.zeros(8, dtype=np.int32)}, rows=8)
    lead = int(np.diff(SCORE.evaluate(few))[0])  # 8 - 10
    draws = [int(mechanism.run(few, Unit()).values[0][0]) for _ in range(6000)]
    right, monotone = (1 / (1 + math.exp(-lead * EPSILON / d)) for d in (2, 1))
    error = math.sqrt(right * (1 - right) / 6000)
    assert abs(np.mean(draws) - right) < 6.5 * error  # fails once in ten billion runs
    assert abs(np.mean(draws) - monotone) > 6.5 * error
