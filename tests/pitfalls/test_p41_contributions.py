"""P41: a contribution bound k that reaches sigma but not the selection (or the other way round)."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.mechanisms import (
    ExponentialMechanism,
    GaussianMechanism,
    LaplaceMechanism,
    Marginal,
    MarginalGap,
    Total,
    selection,
)
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.unit import Relation, Unit
from dpsynth.schema.layout import Domain

QUERIES = (Marginal(columns=("x",)), Total())
GAUSSIAN = GaussianMechanism(queries=QUERIES, mus=(0.5, 0.5))
LAPLACE = LaplaceMechanism(queries=QUERIES, epsilons=(0.5, 0.5))
SCORE = MarginalGap(cliques=(("x",), ("x",)), estimates=(np.zeros(5000, dtype=int), np.ones(5000, dtype=int)))
DOMAIN = Domain(columns=("x",), sizes=(5000,))
EMPTY = EncodedTable(DOMAIN, {"x": np.array([], dtype=np.int32)}, rows=0)
RELATIONS: tuple[Relation, ...] = ("add_remove", "replace_one")


def unit(k: int, relation: Relation) -> Unit:
    return Unit(relation=relation, id_column="id", contributions=k)


def reaches(numbers: list[float], k: int) -> bool:
    """Whether a scale at bound k is k times the scale at bound 1."""
    return numbers[1] == pytest.approx(k * numbers[0], rel=1e-12)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("k", [2, 5, 100])
def test_k_reaches_every_scale(k: int, relation: Relation) -> None:
    units = [unit(1, relation), unit(k, relation)]
    for index in range(2):
        assert reaches([GAUSSIAN.sigmas(u)[index] for u in units], k)
        assert reaches([LAPLACE.scales(u)[index] for u in units], k)
    assert reaches([SCORE.sensitivity(u) for u in units], k)
    assert not reaches([1.0, 1.0], k)  # the broken twin: k forgotten


@pytest.mark.parametrize("mechanism", [GAUSSIAN, LAPLACE], ids=["gaussian", "laplace"])
def test_k_reaches_the_noise_that_is_drawn(mechanism) -> None:
    spreads = [mechanism.run(EMPTY, unit(k, "add_remove")).values[0].std() for k in (1, 10)]
    assert 8 < spreads[1] / spreads[0] < 12.5  # 10, with rounding; standard error below 2.5 %


def test_k_reaches_the_choice_that_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def spy(scores: np.ndarray, epsilon: float, sensitivity: int) -> int:
        given.append((epsilon, sensitivity))
        return 0

    monkeypatch.setattr(selection, "choose", spy)
    for k in (1, 7):
        ExponentialMechanism(score=SCORE, epsilon=0.25).run(EMPTY, unit(k, "replace_one"))
    assert given == [(0.25, 2), (0.25, 14)]
