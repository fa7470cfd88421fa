"""Selection probabilities: exp(epsilon * score / (2 * sensitivity)), normalised, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.mechanisms import ExponentialMechanism, MarginalGap
from dpsynth.mechanisms._gumbel import choose
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain


def weights(exponents: np.ndarray) -> np.ndarray:
    raw = np.exp(exponents - exponents.max())
    return raw / raw.sum()


@pytest.mark.parametrize(
    ("scores", "epsilon", "sensitivity"),
    [((0, 1, 2, 5), 1.0, 1), ((400, 390, 300), 0.1, 3), ((2**60, 2**60 - 2**20, 2**60 - 2**21), 1.5, 2**20)],
)
def test_choices_have_their_probabilities(
    scores: tuple[int, ...], epsilon: float, sensitivity: int, fits
) -> None:
    values = np.array(scores, dtype=np.int64)
    counts = np.bincount([choose(values, epsilon, sensitivity) for _ in range(25_000)], minlength=len(scores))
    exponents = (values - values.max()) * (epsilon / (2 * sensitivity))
    assert fits(counts, weights(exponents))
    for wrong in (0.5, 0.8, 1.25, 2.0):  # 2.0 is the formula for monotone scores
        assert not fits(counts, weights(wrong * exponents))


@pytest.mark.parametrize("unit", [Unit(), Unit(relation="replace_one", id_column="id", contributions=2)])
def test_the_mechanism_divides_by_the_sensitivity_of_its_unit(unit: Unit, fits) -> None:
    table = EncodedTable(Domain(columns=("x",), sizes=(2,)), {"x": np.array([], dtype=np.int32)}, rows=0)
    levels = [0, 4 * unit.rows_changed, 8 * unit.rows_changed]
    estimates = tuple(np.array([level, 0]) for level in levels)
    score = MarginalGap(cliques=(("x",),) * 3, estimates=estimates, bits=1)
    mechanism = ExponentialMechanism(score=score, epsilon=1.0)
    counts = np.bincount([int(mechanism.run(table, unit).values[0][0]) for _ in range(6000)], minlength=3)
    exponents = np.array(levels) / (2 * 2 * unit.rows_changed)
    assert fits(counts, weights(exponents))
    assert not fits(counts, weights(2 * exponents))
    assert not fits(counts, weights(exponents / 2))
