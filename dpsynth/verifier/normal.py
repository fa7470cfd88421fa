"""The normal distribution, and what a Gaussian mechanism gives: exact but for outward rounding."""

from __future__ import annotations

import math

from .rounding import UNIT

__all__ = ["gaussian_log_delta", "gaussian_power", "log_tail", "tail"]

_ROOT_2 = math.sqrt(2)
_HALF_LOG_2_PI = math.log(2 * math.pi) / 2
_SMALL, _LARGE = 1e-4, 1e75


def tail(x: float) -> float:
    """The chance that a standard normal variable is above x."""
    return math.erfc(x / _ROOT_2) / 2


def log_tail(x: float) -> float:
    """The logarithm of `tail`, also where it leaves the range of floats."""
    return math.log(tail(x)) if x < 5 else math.log(_mills(x)) - x * x / 2 - _HALF_LOG_2_PI


def _mills(x: float) -> float:
    """The Mills ratio tail / density, for x >= -6, to a few units in the last place.

    From 2 on by Laplace's continued fraction 1/(x + 1/(x + 2/(x + ...))); every term is positive, and what
    80 terms leave out is below the last digit there.
    """
    if x < 2:
        return math.sqrt(math.pi / 2) * math.exp(x * x / 2) * math.erfc(x / _ROOT_2)
    value = x
    for term in range(80 if x < 50 else 12, 0, -1):
        value = x + term / value
    return 1 / value


def gaussian_log_delta(mu: float, epsilon: float) -> float:
    """Logarithm of the smallest delta of a mu-GDP mechanism at `epsilon`, rounded up.

    Balle and Wang (2018): delta = tail(x) - e^epsilon tail(x + mu) at x = epsilon/mu - mu/2. With the density
    phi this is phi(x) (M(x) - M(x + mu)), because e^epsilon phi(x + mu) = phi(x): nothing underflows. The
    Mills ratio M is the Laplace transform of a positive function, so its slope g = x M - 1 is concave and
    negative; for a small mu, where the difference would cancel, the trapezoid of -g is an upper bound of it.
    """
    if mu == 0:
        return -math.inf
    if mu > _LARGE:
        return 0.0
    x, beyond = epsilon / mu - mu / 2, epsilon / mu + mu / 2
    if x > _LARGE:
        return -_LARGE
    log_density = -x * x / 2 - _HALF_LOG_2_PI
    if x < -1:  # then mu > 2 and delta > 1/2: the plain form cancels nothing
        value = math.log(tail(x) - math.exp(log_density) * _mills(beyond))
    elif mu < _SMALL:
        falls = [1 - point * _mills(point) + 16 * UNIT for point in (x, beyond)]
        value = log_density + math.log(mu * sum(falls) / 2)
    else:
        near = _mills(x)
        value = log_density + math.log(near - _mills(beyond) + 32 * UNIT * near)
    # x carries a relative error of its two terms; it moves log phi by x and log M by at most x + 1.
    return min(0.0, value + UNIT * (32 + 4 * x * x + 8 * (abs(x) + 1) * beyond))


def gaussian_power(mu: float, false_positive_rate: float) -> float:
    """The largest true positive rate of a test of a mu-GDP mechanism, rounded up.

    tail(z - mu), where tail(z) is the false positive rate; z is bracketed and its lower end taken.
    """
    if mu == 0 or false_positive_rate in {0.0, 1.0}:
        return false_positive_rate
    low, high = -40.0, 40.0
    while high - low > 1e-15 * (1 + abs(low)):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        low, high = (middle, high) if tail(middle) >= false_positive_rate * (1 + 1e-14) else (low, middle)
    return min(1.0, tail(low - mu) * (1 + 1e-12))
