"""P24: continuous noise added to floats; selection by a floating softmax that underflows to zero."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.mechanisms import GaussianMechanism, LaplaceMechanism, Marginal, Total, _keystream
from dpsynth.mechanisms._gumbel import choose
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

QUERIES = (Marginal(columns=("x",)), Total())


def porous(answers: np.ndarray) -> bool:
    """Whether released answers can carry more than whole numbers: bits below the point betray the input."""
    return not np.issubdtype(answers.dtype, np.integer)


@pytest.mark.parametrize(
    "mechanism",
    [
        GaussianMechanism(queries=QUERIES, mus=(0.3, 0.001)),
        LaplaceMechanism(queries=QUERIES, epsilons=(0.3, 0.001)),
    ],
    ids=["gaussian", "laplace"],
)
def test_what_is_released_is_whole(mechanism) -> None:
    table = EncodedTable(Domain(columns=("x",), sizes=(9,)), {"x": np.arange(9)}, rows=9)
    assert not any(porous(value) for value in mechanism.run(table, Unit()).values)
    assert porous(table.marginal_counts(("x",)) + np.random.default_rng(0).normal(0, 3, 9))


class Scripted:
    def __init__(self, *words: int) -> None:
        self.left = list(words)

    def words(self, count: int) -> np.ndarray:
        taken, self.left = self.left[:count], self.left[count:]
        return np.array(taken, dtype=np.uint64)


def test_a_candidate_far_behind_keeps_its_chance() -> None:
    scores = np.array([2000, 0], dtype=np.int64)
    softmax = np.exp((scores - scores.max()) * 0.5)
    assert softmax[1] == 0  # the broken twin: an outcome of probability zero costs an infinite epsilon
    # 1536 zero bits of V give noise above 1064, and the other candidate's noise is small: e^-1000 happens.
    token = _keystream._insecure.set(Scripted(2**63, 0, *[word for _ in range(24) for word in (2**63, 0)]))
    try:
        assert choose(scores, 1.0, 1) == 1
    finally:
        _keystream._insecure.reset(token)


@pytest.mark.parametrize("lead", [10**6, 10**12, 2**61])
def test_extreme_scores_neither_overflow_nor_warn(lead: int) -> None:
    scores = np.array([-lead, lead, 0], dtype=np.int64)
    assert [choose(scores, epsilon, 1) for epsilon in (1e-3, 1.0, 2.0**39)] == [1, 1, 1]


def test_a_lead_below_float_resolution_still_counts() -> None:
    # At 2^61 neighbouring doubles are 512 apart. The lead of 40 is e^20 in odds.
    scores = np.array([2**61, 2**61 - 40], dtype=np.int64)
    assert float(scores[0]) == float(scores[1])
    assert sum(choose(scores, 1.0, 1) for _ in range(200)) == 0
