"""Parameters rounded to the safe side, by exact rational arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

__all__ = ["norm_up", "quotient_up", "sum_up"]


def quotient_up(numerator: float, denominator: float) -> float:
    """The smallest double that is at least numerator / denominator; both positive."""
    return _up(Fraction(numerator) / Fraction(denominator))


def sum_up(values: Iterable[float]) -> float:
    """The smallest double that is at least the sum of `values`."""
    return _up(sum((Fraction(value) for value in values), Fraction(0)))


def norm_up(values: Iterable[float]) -> float:
    """The smallest double that is at least the root of the sum of the squares of `values`."""
    square = sum((Fraction(value) ** 2 for value in values), Fraction(0))
    root = math.sqrt(square)  # within a few places of the answer
    while Fraction(root) ** 2 >= square:
        root = math.nextafter(root, -math.inf)
    while Fraction(root) ** 2 < square:
        root = math.nextafter(root, math.inf)
    return root


def _up(exact: Fraction) -> float:
    nearest = float(exact)
    return nearest if nearest >= exact else math.nextafter(nearest, math.inf)
