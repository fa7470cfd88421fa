"""U01: the score of a pair by the induced matrix norm instead of the entrywise L1 norm."""

from __future__ import annotations

import numpy as np

from dpsynth.mechanisms import MarginalGap
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.schema.layout import Domain

DOMAIN = Domain(columns=("x", "y"), sizes=(3, 4))
RNG = np.random.default_rng(3)
CODES = {"x": RNG.integers(0, 3, 500), "y": RNG.integers(0, 4, 500)}


def test_the_score_of_a_pair_is_the_sum_over_its_cells() -> None:
    table = EncodedTable(DOMAIN, CODES, rows=500)
    estimate = np.full(12, 41)
    (score,) = MarginalGap(cliques=(("x", "y"),), estimates=(estimate,)).evaluate(table)
    gap = np.zeros((3, 4))
    np.add.at(gap, (CODES["x"], CODES["y"]), 1)
    gap -= 41
    assert score == sum(abs(cell) for row in gap for cell in row)
    assert score != np.linalg.norm(gap, 1)  # the broken twin: the largest column sum
