"""Monotone equations, solved so that the answer errs on one known side."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

LogDelta: TypeAlias = "Callable[[float], float]"
_Point: TypeAlias = "tuple[float, float]"  # logarithm of an argument, excess there

TOLERANCE = 1e-12
REACH = 1e150


def boundary(excess: Callable[[float], float], *, rising: bool) -> float | None:
    """The last positive argument, to one part in 10^12, at which a monotone `excess` is <= 0.

    The answer has been evaluated: `excess` is <= 0 there whatever the rounding. The search runs on
    the logarithm, by inverse quadratic interpolation inside a bracket (Chandrupatla, 1997).

    Args:
        excess: Monotone function of a positive argument.
        rising: Whether it grows with its argument.

    Returns:
        None if no argument satisfies it; an argument near the end of the range (1e-150 to 1e150) if
        all do.
    """
    newest, other = _bracket(excess, -1.0 if rising else 1.0)
    if not newest[1] <= 0:
        return None
    if other[1] <= 0:
        return math.exp(other[0])
    share = 0.5
    while (width := abs(other[0] - newest[0])) > TOLERANCE:
        share = min(max(share, TOLERANCE / 2 / width), 1 - TOLERANCE / 2 / width)
        at = newest[0] + share * (other[0] - newest[0])
        point = (at, excess(math.exp(at)))
        if (point[1] <= 0) == (newest[1] <= 0):
            newest, older = point, newest
        else:
            newest, other, older = point, newest, other
        share = _share(newest, other, older)
    return math.exp(newest[0] if newest[1] <= 0 else other[0])


def _share(newest: _Point, other: _Point, older: _Point) -> float:
    """Where the inverse quadratic through three points crosses zero, from `newest` (0) to `other` (1)."""
    (x, at_x), (y, at_y), (z, at_z) = newest, other, older
    along, rise = (x - y) / (z - y), (at_x - at_y) / (at_z - at_y)
    if not (rise * rise < along and (1 - rise) * (1 - rise) < 1 - along):
        return 0.5
    share = at_x / (at_y - at_x) * at_z / (at_y - at_z)
    return share + (z - x) / (y - x) * at_x / (at_z - at_x) * at_y / (at_z - at_y)


def smallest_epsilon(log_delta: LogDelta, delta: float) -> float:
    """The smallest epsilon whose `log_delta` is at most log(delta), rounded up; inf if there is none."""
    target = math.log(delta)
    target -= 4e-16 * abs(target)
    if log_delta(0.0) <= target:
        return 0.0
    found = boundary(lambda epsilon: log_delta(epsilon) - target, rising=False)
    return math.inf if found is None else found


def _bracket(excess: Callable[[float], float], inward: float) -> tuple[_Point, _Point]:
    """A point inside and one outside, as far as there are such points within reach."""
    here = (0.0, excess(1.0))
    heading = -inward if here[1] <= 0 else inward
    step, limit = 1.0, math.log(REACH)
    while True:
        at = max(-limit, min(limit, here[0] + heading * step))
        there = (at, excess(math.exp(at)))
        if (there[1] <= 0) != (here[1] <= 0) or abs(at) == limit:
            return (here, there) if heading == -inward else (there, here)
        here, step = there, 2 * step
