"""P13: the noise of a count divided by the number of rows, as if the query were a share."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.mechanisms import GaussianMechanism, LaplaceMechanism, Marginal, Total
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

SIZE = 20_000
GAUSSIAN = GaussianMechanism(queries=(Marginal(columns=("x",)), Total()), mus=(0.05, 0.05))
LAPLACE = LaplaceMechanism(queries=(Marginal(columns=("x",)), Total()), epsilons=(0.05, 0.05))


def spread(noise: np.ndarray) -> float:
    return float(noise.astype(np.float64).std())


def right(noise: np.ndarray, expected: float) -> bool:
    """Standard error of a standard deviation over 20,000 cells: at most 0.8 % (Laplace)."""
    return abs(spread(noise) / expected - 1) < 0.06


@pytest.mark.parametrize("rows", [0, 10, 100_000])
@pytest.mark.parametrize(("mechanism", "expected"), [(GAUSSIAN, 20.0), (LAPLACE, 20.0 * np.sqrt(2))])
def test_the_noise_of_a_count_does_not_know_the_number_of_rows(mechanism, expected: float, rows: int) -> None:
    codes = np.zeros(rows, dtype=np.int32)
    table = EncodedTable(Domain(columns=("x",), sizes=(SIZE,)), {"x": codes}, rows=rows)
    measurement = mechanism.run(table, Unit())
    noise = measurement.values[0] - table.marginal_counts(("x",))
    assert right(noise, expected)
    assert measurement.sigmas[0] == pytest.approx(expected, rel=1e-3)


def test_a_scale_divided_by_n_is_caught() -> None:
    noise = np.rint(np.random.default_rng(0).normal(0, 20.0, SIZE))
    assert right(noise, 20.0)
    assert not right(np.rint(noise / 10), 20.0)
