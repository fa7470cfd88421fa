"""U03: values beyond the bounds follow the declared rule; no cell is widened or narrowed for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpsynth.schema.columns import Integer
from dpsynth.schema.decode import decode_column
from dpsynth.schema.encode import encode_column

AGE = Integer(name="age", minimum=20, maximum=59, cells=4)
VALUES = pd.Series([-1000, 19, 20, 29, 30, 59, 60, 10**9])


def broken(values: pd.Series, cuts: list[int]) -> list[tuple[int, int]]:
    """Open-ended first and last bins that are decoded as if they were one wide."""
    bounds = [cuts[0] - 1, *cuts, cuts[-1] + 1]
    places = np.searchsorted(cuts, values, side="right")
    return [(bounds[place], bounds[place + 1]) for place in places]


def test_a_broken_twin_has_slivers() -> None:
    low, high = broken(VALUES, [20, 30, 40, 50, 60])[0]
    assert high - low == 1
    lattice = AGE.lattice
    assert (lattice.ends - lattice.starts).tolist() == [10, 10, 10, 10]


@pytest.mark.parametrize(
    ("rule", "required", "expected"),
    [
        ("clip", False, [0, 0, 0, 0, 1, 3, 3, 3]),
        ("clip", True, [0, 0, 0, 0, 1, 3, 3, 3]),
        ("missing", False, [4, 4, 0, 0, 1, 3, 4, 4]),
        ("missing", True, [-1, -1, 0, 0, 1, 3, -1, -1]),
        ("drop", False, [-1, -1, 0, 0, 1, 3, -1, -1]),
        ("drop", True, [-1, -1, 0, 0, 1, 3, -1, -1]),
    ],
)
def test_values_outside_follow_the_rule(rule: str, required: bool, expected: list[int]) -> None:
    column = replace(AGE, out_of_domain=rule, required=required)
    assert encode_column(column, VALUES).tolist() == expected
    assert encode_column(column, VALUES.astype(str)).tolist() == expected


def test_clipped_values_spread_over_the_whole_cell() -> None:
    codes = encode_column(AGE, pd.Series([10**9] * 2000))
    decoded = decode_column(AGE, codes, np.random.default_rng(0))
    assert set(decoded.tolist()) == set(range(50, 60))
