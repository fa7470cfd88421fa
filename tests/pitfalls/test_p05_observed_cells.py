"""P05: noise on observed cells only, so that the support of the data shows."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.mechanisms import GaussianMechanism, LaplaceMechanism, Marginal
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

SIZE = 4000
MECHANISMS = [
    GaussianMechanism(queries=(Marginal(columns=("x", "y")),), mus=(0.1,)),
    LaplaceMechanism(queries=(Marginal(columns=("x", "y")),), epsilons=(0.1,)),
]


def table(observed: int) -> EncodedTable:
    """50 rows in each of the first `observed` cells."""
    cells = np.repeat(np.arange(observed), 50)
    return EncodedTable(
        Domain(columns=("x", "y"), sizes=(SIZE // 4, 4)), {"x": cells // 4, "y": cells % 4}, len(cells)
    )


def support_shows(released: np.ndarray, observed: int) -> bool:
    """Whether unobserved cells look different from noise: all zero, say, or absent."""
    unobserved = released[observed:]
    return released.size != SIZE or np.count_nonzero(unobserved) < 0.8 * unobserved.size


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=["gaussian", "laplace"])
@pytest.mark.parametrize("observed", [0, 1, SIZE // 2])
def test_every_declared_cell_gets_noise(mechanism, observed: int) -> None:
    (released,) = mechanism.run(table(observed), Unit()).values
    assert not support_shows(released, observed)


def test_noise_on_observed_cells_only_is_caught() -> None:
    exact = table(SIZE // 2).marginal_counts(("x", "y"))
    noise = np.rint(np.random.default_rng(0).normal(0, 10, SIZE)).astype(np.int64)
    assert support_shows(np.where(exact > 0, exact + noise, 0), SIZE // 2)
    assert support_shows((exact + noise)[exact > 0], SIZE // 2)
