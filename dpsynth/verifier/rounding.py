"""Rounding outward, and monotone equations solved on the safe side."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

__all__ = ["UNIT", "LogDelta", "above", "below", "lowest", "root_above", "smallest_epsilon"]

UNIT = 2.0**-53
"""Half the distance from 1 to the next float: the largest relative error of one operation."""

LogDelta = Callable[[float], float]
"""Upper bound on the logarithm of delta, as a falling function of epsilon >= 0."""

_HIGHEST = 1e140
_GOLDEN = (math.sqrt(5) - 1) / 2


def above(value: Fraction) -> float:
    """The smallest float that is not below `value`; infinity if there is none."""
    try:
        nearest = float(value)
    except OverflowError:
        return math.inf
    return nearest if Fraction(nearest) >= value else math.nextafter(nearest, math.inf)


def below(value: Fraction) -> float:
    """The largest float that is not above `value`, which must be within the range of floats."""
    nearest = float(value)
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, -math.inf)


def root_above(value: Fraction) -> float:
    """A float not below the square root of `value` and at most one step too high."""
    bits = max(0, 160 - value.numerator.bit_length() + value.denominator.bit_length())
    bits += bits % 2
    scaled = -((-value.numerator << bits) // value.denominator)  # rounded up
    root = math.isqrt(scaled)
    return above(Fraction(root + (root * root < scaled), 1 << bits // 2))


def smallest_epsilon(log_delta: LogDelta, delta: float) -> float:
    """The smallest epsilon at which `log_delta` allows `delta`, to one part in 10^13; inf if none is found.

    The answer has been evaluated there, so it is valid whatever the rounding on the way.
    """
    target = math.log(delta)
    target -= 4 * UNIT * abs(target)  # the rounding of the logarithm
    if log_delta(0.0) <= target:
        return 0.0
    high = 1.0
    while log_delta(high) > target:
        high *= 4
        if high > _HIGHEST:
            return math.inf
    low = high / 4
    while low > 1 / _HIGHEST and log_delta(low) <= target:
        low, high = low / 4, low
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if log_delta(middle) <= target else (middle, high)
    return high


def lowest(function: Callable[[float], float], low: float, high: float, *, rounds: int = 80) -> float:
    """The argument in [low, high] at which a function with one valley is lowest, by golden section.

    Whoever asks may use every argument: a wrong one costs tightness only.
    """
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(rounds):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
    return left if at_left <= at_right else right
