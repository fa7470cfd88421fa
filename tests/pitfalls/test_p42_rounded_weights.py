"""P42: fractional weights floored or rounded after the sensitivity argument was made for them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import MarginalGap
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

DOMAIN = Domain(columns=("x",), sizes=(3,))


def table(*codes: int) -> EncodedTable:
    return EncodedTable(DOMAIN, {"x": np.array(codes, dtype=np.int32)}, rows=len(codes))


@given(
    weights=st.lists(st.integers(1, 1000), min_size=1, max_size=3),
    penalty=st.integers(-(10**6), 10**6),
    estimate=st.lists(st.integers(-1000, 1000), min_size=3, max_size=3),
    codes=st.lists(st.integers(0, 2), max_size=6),
    more=st.integers(0, 2),
)
@settings(max_examples=60, deadline=None)
def test_whole_weights_keep_the_sensitivity(weights, penalty, estimate, codes, more) -> None:
    score = MarginalGap(
        cliques=(("x",),) * len(weights),
        estimates=(np.array(estimate),) * len(weights),
        bits=2,
        weights=tuple(weights),
        penalties=(penalty,) * len(weights),
    )
    moves = score.evaluate(table(*codes, more)) - score.evaluate(table(*codes))
    assert np.abs(moves).max() <= score.sensitivity(Unit())


@pytest.mark.parametrize("weight", [0.5, 1.5, np.float64(2.0), "2", True])
def test_fractional_weights_are_refused(weight: object) -> None:
    with pytest.raises(ConfigurationError, match="weight"):
        MarginalGap(cliques=(("x",),), estimates=(np.zeros(3, dtype=int),), weights=(weight,))


def test_rounding_after_the_argument_is_caught() -> None:
    # The broken twin: weight 0.6, sensitivity argued as 0.6, scores floored afterwards.
    floored = [math.floor(0.6 * int(table(*[0] * n).marginal_counts(("x",))[0])) for n in range(6)]
    assert max(b - a for a, b in itertools.pairwise(floored)) > 0.6
