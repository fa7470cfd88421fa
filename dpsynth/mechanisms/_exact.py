"""Tail probabilities of the continuous laws between proven bounds, in integer arithmetic.

A number x is held as an integer near x * 2^work. Both laws need sums of positive terms only, so a
sum rounded down in every step is a lower bound and one rounded up in every step an upper bound: no
property of floating-point functions is relied on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

__all__ = ["Tail", "gaussian_tail", "laplace_tail"]

Tail = Callable[[Fraction, int], tuple[int, int]]

_GUARD = 48  # bits below the result, for the rounding of a few hundred steps


def gaussian_tail(point: Fraction, bits: int) -> tuple[int, int]:
    """Bounds on P(|Z| >= point) * 2^bits for a standard normal Z and point > 0.

    P(|Z| < t) = sqrt(2/pi) t e^(-t^2/2) (1 + t^2/3 + t^4/(3*5) + ...), all terms positive. Where
    t^2/2 > bits, P <= e^(-t^2/2) < 2^-bits settles it.
    """
    from mpmath.libmp import pi_fixed

    square = point * point
    if square > 2 * bits:
        return 0, 1
    work = bits + _GUARD
    pi = pi_fixed(work)  # right to the last place; widened by far more
    low, high = _fixed(square, work)
    root_low = math.isqrt((low << 2 * work + 1) // (pi + 16))
    root_high = math.isqrt((high << 2 * work + 1) // (pi - 16)) + 1
    inside_low = root_low * _series(low, work, 3, 2, up=0) // _series((high >> 1) + 1, work, 1, 1, up=1)
    inside_high = root_high * _series(high, work, 3, 2, up=1) // _series(low >> 1, work, 1, 1, up=0) + 1
    one = 1 << work
    return (one - inside_high) >> _GUARD, ((one - inside_low) >> _GUARD) + 1


def laplace_tail(point: Fraction, bits: int) -> tuple[int, int]:
    """Bounds on P(|Y| >= point) * 2^bits = e^-point * 2^bits for a standard Laplace Y and point > 0."""
    if point > bits:
        return 0, 1
    work = bits + _GUARD
    low, high = _fixed(point, work)
    one = 1 << 2 * work
    tail_low = one // _series(high, work, 1, 1, up=1)
    tail_high = one // _series(low, work, 1, 1, up=0) + 1
    return tail_low >> _GUARD, (tail_high >> _GUARD) + 1


def _fixed(value: Fraction, work: int) -> tuple[int, int]:
    low = (value.numerator << work) // value.denominator
    return low, low + 1


def _series(x: int, work: int, first: int, stride: int, *, up: int) -> int:
    """A bound from below (up=0) or above (up=1) on 1 + x/d1 + x^2/(d1 d2) + ..., d = first, first + stride...

    Floors of floors stay below the true terms; floors plus one stay above them. The sum ends when
    the term is exhausted and every later one is less than half of the one before, so that what is
    left out is positive and less than the last term.
    """
    term = total = 1 << work
    divisor = first
    while term > up or divisor << work < 2 * x:
        term = (term * x >> work) // divisor + up
        total += term
        divisor += stride
    return total + up * term
