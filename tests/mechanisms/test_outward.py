from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from dpsynth.mechanisms._outward import norm_up, quotient_up, sum_up

POSITIVE = st.floats(min_value=1e-9, max_value=1e9)


def least(value: float, holds) -> bool:
    return holds(Fraction(value)) and not holds(Fraction(math.nextafter(value, -math.inf)))


@given(POSITIVE, POSITIVE)
def test_a_quotient_is_the_least_double_above(a: float, b: float) -> None:
    assert least(quotient_up(a, b), lambda q: q * Fraction(b) >= Fraction(a))


@given(st.lists(POSITIVE, min_size=1, max_size=20))
def test_sum_and_norm_are_the_least_doubles_above(values: list[float]) -> None:
    exact = [Fraction(value) for value in values]
    assert least(sum_up(values), lambda s: s >= sum(exact))
    assert least(norm_up(values), lambda r: r > 0 and r * r >= sum(v * v for v in exact))


@given(POSITIVE)
def test_one_value_is_its_own_norm(value: float) -> None:
    assert norm_up([value]) == value


def test_plain_rounding_would_fall_short() -> None:
    values = [0.1] * 10
    assert Fraction(math.fsum(values)) < sum(map(Fraction, values)) <= Fraction(sum_up(values))
