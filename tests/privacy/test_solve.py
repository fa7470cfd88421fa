from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.privacy._solve import REACH, boundary, smallest_epsilon


@given(st.floats(min_value=1e-100, max_value=1e100), st.sampled_from([0.1, 1.0, 3.0]), st.booleans())
@settings(deadline=None)
def test_the_boundary_is_found_from_inside(root: float, power: float, rising: bool) -> None:
    calls = 0

    def excess(value: float) -> float:
        nonlocal calls
        calls += 1
        return (power if rising else -power) * math.log(value / root)

    found = boundary(excess, rising=rising)
    assert found is not None
    assert excess(found) <= 0
    assert found == pytest.approx(root, rel=1e-11)
    assert calls <= 60


@given(st.floats(min_value=1e-100, max_value=1e100), st.booleans())
@settings(deadline=None)
def test_a_step_is_found_too(root: float, rising: bool) -> None:
    found = boundary(lambda value: math.inf if (value > root) == rising else -math.inf, rising=rising)
    assert found is not None
    assert (found <= root) == rising or found == root
    assert found == pytest.approx(root, rel=1e-11)


@given(st.floats(min_value=1e-3, max_value=1e3))
@settings(deadline=None)
def test_a_crooked_function_is_found_too(root: float) -> None:
    found = boundary(
        lambda value: math.expm1(20 * (value - root)) if value < root + 20 else math.inf, rising=True
    )
    assert found is not None
    assert root * (1 - 1e-11) <= found <= root


@pytest.mark.parametrize("rising", [True, False])
def test_nothing_inside_and_nothing_outside(rising: bool) -> None:
    assert boundary(lambda _: 1.0, rising=rising) is None
    assert boundary(lambda _: math.nan, rising=rising) is None
    end = boundary(lambda _: -1.0, rising=rising)
    assert end == pytest.approx(REACH if rising else 1 / REACH)


def test_the_smallest_epsilon_is_zero_infinite_or_verified() -> None:
    assert smallest_epsilon(lambda _: -30.0, 1e-9) == 0.0
    assert smallest_epsilon(lambda _: 0.0, 1e-9) == math.inf
    found = smallest_epsilon(lambda epsilon: -epsilon, 1e-9)
    assert -found <= math.log(1e-9)
    assert found == pytest.approx(-math.log(1e-9), rel=1e-11)
