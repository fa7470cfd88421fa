from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.mechanisms.contribution import bounded_rows
from dpsynth.testing.insecure import insecure_noise


@given(units=st.lists(st.integers(0, 5), max_size=40), k=st.integers(1, 4))
def test_each_unit_keeps_at_most_k_rows_and_none_is_cut_in_vain(units: list[int], k: int) -> None:
    array = np.array(units, dtype=np.int64)
    kept = bounded_rows(array, k)
    for unit in set(units):
        assert kept[array == unit].sum() == min(k, units.count(unit))


def test_the_choice_is_uniform() -> None:
    """10,000 units of 4 rows, 1 kept: each place is kept 2,500 times, give or take 7 deviations."""
    units = np.repeat(np.arange(10_000), 4)
    places = bounded_rows(units, 1).reshape(-1, 4).sum(axis=0)
    assert places.sum() == 10_000
    assert np.abs(places - 2500).max() < 7 * np.sqrt(10_000 * 0.25 * 0.75)


@pytest.mark.parametrize("place", [0, 3])
def test_the_choice_takes_no_side(place: int) -> None:
    """A twin that keeps the first or the last row of each unit fails the test above."""
    places = np.zeros(4)
    places[place] = 10_000
    assert np.abs(places - 2500).max() > 7 * np.sqrt(10_000 * 0.25 * 0.75)


def test_it_follows_the_mechanisms_own_randomness() -> None:
    units = np.zeros(1000, dtype=np.int64)
    with insecure_noise(1):
        first = bounded_rows(units, 10)
    with insecure_noise(1):
        assert (bounded_rows(units, 10) == first).all()
    assert (bounded_rows(units, 10) != first).any()
