from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators.shares import divided
from dpsynth.mechanisms import MergedMarginal
from dpsynth.privacy.events import GaussianEvent

QUERY = MergedMarginal(columns=("a",), groups=((0, 0, 1),))


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (1e-9, 3.0, 7e8), (0.1, 0.1, 0.3)])
@pytest.mark.parametrize("total", [0.1, 0.17823, 1 / 3, 5.0])
def test_a_divided_price_is_the_stated_one_to_the_last_bit(weights: tuple[float, ...], total: float) -> None:
    mechanism = divided([QUERY] * 3, weights, total=total)
    assert mechanism.event() == GaussianEvent(mu=total)
    squares = [Fraction(mu) ** 2 for mu in mechanism.mus]
    assert sum(squares) <= Fraction(total) ** 2
    assert float(sum(squares)) == pytest.approx(total**2, rel=1e-11)
    assert float(squares[0] / squares[1]) == pytest.approx(weights[0] / weights[1])


def test_many_shares_stay_below_their_total() -> None:
    weights = np.random.default_rng(0).gamma(0.3, size=5_000) + 1e-12
    mechanism = divided([QUERY] * 5_000, weights.tolist(), total=0.3)
    assert sum(Fraction(mu) ** 2 for mu in mechanism.mus) <= Fraction(0.3) ** 2


@pytest.mark.parametrize("weights", [(0.0,), (), (1.0, 1.0)])
def test_weights_that_divide_nothing_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ConfigurationError):
        divided([QUERY], weights, total=1.0)
