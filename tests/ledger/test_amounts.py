"""Amounts are integers: costs rounded up, caps down, decimals as people write them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError
from dpsynth.ledger import Cap, Spend
from dpsynth.ledger.amounts import SCALES, describe, numbers


def test_costs_are_rounded_up_and_caps_down() -> None:
    assert Spend(epsilon=1.0000000001, delta=1e-19, rho=1.5e-12).units() == {
        "epsilon": 1_000_000_001,
        "delta": 1,
        "rho": 2,
    }
    assert Cap(epsilon=1.9999999999, delta=1.9e-18).units() == {"epsilon": 1_999_999_999, "delta": 1}
    assert Cap(rho=1.9e-12).units() == {"rho": 1}


def test_a_decimal_is_read_as_it_was_typed() -> None:
    assert 10 * Spend(epsilon=0.1, delta=1e-7).units()["epsilon"] == Cap(epsilon=1.0).units()["epsilon"]
    assert 10 * Spend(epsilon=0.1, delta=1e-7).units()["delta"] == Cap(epsilon=1, delta=1e-6).units()["delta"]


def test_numpy_and_integer_amounts_are_read_alike() -> None:
    assert Spend(epsilon=np.float64(0.1)).units() == Spend(epsilon=0.1).units()
    assert Cap(epsilon=3).units() == Cap(epsilon=3.0).units()


@given(value=st.floats(min_value=0, max_value=1e300, exclude_min=True))
def test_no_cost_is_ever_lowered_below_its_decimal(value: float) -> None:
    units = Spend(epsilon=value).units()["epsilon"]
    assert units >= 1
    assert 0 <= units - Fraction(repr(value)) * SCALES["epsilon"] < 1
    # the decimal is the float up to half a unit in its last place
    assert Fraction(units, SCALES["epsilon"]) >= Fraction(value) - Fraction(math.ulp(value)) / 2


@given(value=st.floats(min_value=1e-9, max_value=1e6))
def test_a_cap_never_grows_and_survives_a_round_trip(value: float) -> None:
    units = Cap(epsilon=value).units()
    assert units["epsilon"] <= Fraction(repr(value)) * SCALES["epsilon"]
    assert Cap(**numbers(units)).units() == units


@pytest.mark.parametrize(
    "wrong",
    [
        {"epsilon": -1.0},
        {"epsilon": math.nan},
        {"epsilon": math.inf},
        {"epsilon": 0.0},
        {"epsilon": 0.0, "delta": 0.0, "rho": 1.0},
        {"epsilon": 1.0, "delta": 1.0},
        {"epsilon": 1.0, "delta": -1e-9},
        {"epsilon": 1.0, "rho": 0.0},
        {"epsilon": "1"},
    ],
)
def test_impossible_spends_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="Expected"):
        Spend(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"epsilon": 1.0, "rho": 1.0},
        {"rho": 1.0, "delta": 1e-6},
        {"epsilon": 0.0},
        {"epsilon": 1e-10},
        {"rho": 1e-13},
        {"epsilon": 1.0, "delta": 1.5},
        {"epsilon": math.inf},
    ],
)
def test_impossible_caps_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="Expected"):
        Cap(**wrong)


def test_a_spend_may_be_a_pure_failure_probability() -> None:
    assert Spend(epsilon=0.0, delta=1e-9).units() == {"epsilon": 0, "delta": 10**9}


def test_amounts_read_well() -> None:
    assert describe({"delta": 10**9, "epsilon": 500_000_000}) == "epsilon 0.5, delta 1e-09"
