"""Zero-concentrated and Rényi differential privacy, alone or beside Gaussians.

A moment of a run is written as its cumulant: (alpha - 1) times the Rényi divergence of order alpha, which is
the logarithm of the mean of e^((alpha-1) loss). Cumulants add up (Mironov, 2017), and each gives by
Canonne, Kamath and Steinke (2020, proposition 12)

    log delta(epsilon) <= cumulant + (alpha-1) log(1 - 1/alpha) - log alpha - (alpha-1) epsilon

for every real epsilon. As a function of epsilon these are lines, one for each order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from .events import Atom, Run
from .normal import log_tail
from .repeats import best_of
from .rounding import UNIT, LogDelta, above

__all__ = ["beside_gaussians", "by_orders", "concentrated_log_delta", "orders_tell_more"]

# Every order gives a valid bound. These contain those of the first accountant, and one between any two of
# them: where the curves of two kinds of run cross, the bound has a corner, and who lacks its order is off.
_BETWEEN: tuple[float, ...] = tuple(1 + 0.01 * 95.0 ** (k / 46) for k in range(-10, 47))  # 1.004 to 1.95
_ABOVE = (round(65 * (4096.0 / 65.0) ** (k / 94)) for k in range(95))
_WHOLE: tuple[int, ...] = tuple(sorted({*range(2, 65), *_ABOVE}))
ORDERS = (*_BETWEEN, *map(float, _WHOLE))
_LARGE = 1e60

_Line = tuple[float, float]  # height at epsilon = 0, and steepness alpha - 1


def concentrated_log_delta(rho: float, epsilon: float) -> float:
    """Logarithm of a delta of rho-zCDP at `epsilon`: the best of all real orders, rounded up.

    The cumulant is (alpha-1) alpha rho. The exponent is convex in alpha, so its slope rises and is halved on.
    """
    if rho == 0:
        return -math.inf
    if rho > _LARGE:
        return 0.0
    low, high = 1e-9, epsilon / rho + 1 / math.sqrt(rho)  # of alpha - 1: the slope is positive at `high`
    for _ in range(64):
        middle = math.sqrt(low * high)
        slope = (2 * middle + 1) * rho - epsilon - math.log1p(1 / middle)
        low, high = (middle, high) if slope < 0 else (low, middle)
    steep = high
    size = steep * ((1 + steep) * rho + epsilon)
    return min(0.0, _height(steep * (1 + steep) * rho, steep) - steep * epsilon + 8 * UNIT * size)


def _height(cumulant: float, steep: float) -> float:
    """The line of an order 1 + `steep` at epsilon = 0, rounded up."""
    correction = steep * math.log1p(1 / steep) + math.log1p(steep)
    return cumulant - correction + 8 * UNIT * (cumulant + correction)


def orders_tell_more(run: Run) -> bool:
    """Whether Rényi orders can say more than zero-concentration: not of what is known by its rho alone."""
    return any(atom.kind != "zcdp" for atom, _ in run.atoms)


def by_orders(run: Run) -> LogDelta:
    """All steps, Gaussians included, by their Rényi orders."""
    lines = _lines(run, run.squared_mu)

    def log_delta(epsilon: float) -> float:
        return min(height - steep * epsilon + 8 * UNIT * steep * epsilon for height, steep in lines)

    return log_delta


def beside_gaussians(run: Run, mu: float) -> LogDelta:
    """The Gaussians exactly, the rest by its orders.

    The loss of the Gaussians is normal with mean and half the variance mu²/2. Given that loss l the rest may
    spend epsilon - l, and the hockey-stick divergence of a composition of dominating pairs is the mean of
    that of the rest over l (Zhu, Dong and Wang, 2022). The best order changes with l at the corners of the
    lower hull of the lines; between two corners the mean of e^(line) over a normal variable is a closed form.
    """
    hull = _lower_hull(_lines(run, Fraction(0)))

    def log_delta(epsilon: float) -> float:
        parts = []
        for (height, steep), start, end in hull:  # from start >= epsilon - l to end
            low, high = ((epsilon - left) / mu - mu / 2 for left in (start, end))
            middle = steep * (mu * mu / 2 * (1 + steep) - epsilon)
            size = abs(height) + steep * (mu * mu * (1 + steep) + epsilon) + (1 + steep * mu) ** 2
            part = _log_slice(low - steep * mu, high - steep * mu)
            parts.append(height + middle + part + 16 * UNIT * (size + abs(part)))
        largest = max(parts)
        if largest == -math.inf:
            return largest
        return min(0.0, largest + math.log(math.fsum(math.exp(part - largest) for part in parts)) + 1e-13)

    return log_delta


def _log_slice(low: float, high: float) -> float:
    """Logarithm of the chance that a standard normal variable lies between, rounded up.

    An error in the ends, which carry one of a few units of their terms, moves it at most as a move outward.
    """
    low, high = low - 16 * UNIT * (1 + abs(low)), high + 16 * UNIT * (1 + abs(high))
    if low + high < 0:
        low, high = -high, -low
    whole = log_tail(low)
    beyond = log_tail(high) if high < math.inf else -math.inf
    share = -math.expm1(min(0.0, beyond - whole))
    return whole + math.log(share + 64 * UNIT * (1 + abs(whole)))


def _lower_hull(lines: Sequence[_Line]) -> list[tuple[_Line, float, float]]:
    """The lines that are lowest somewhere, flattest first, each with where it starts and ends.

    A line rules from a larger to a smaller argument as seen from the loss: the flattest where least is left,
    so `start` is the larger end. Numerically wrong corners cost tightness only: every line is valid anywhere.
    """
    best: list[_Line] = []
    for line in sorted(set(lines), key=lambda line: (line[1], line[0])):
        if best and line[1] == best[-1][1]:
            continue
        while len(best) > 1 and _crossing(best[-2], line) <= _crossing(best[-2], best[-1]):
            best.pop()
        best.append(line)
    corners = [-math.inf, *map(_crossing, best, best[1:]), math.inf]
    return list(zip(best, corners[1:], corners, strict=False))


def _crossing(flat: _Line, steep: _Line) -> float:
    return (steep[0] - flat[0]) / (steep[1] - flat[1])


def _lines(run: Run, squared_mu: Fraction) -> list[_Line]:
    """The line of each order, and that of delta = 1."""
    total = _totals(run, squared_mu)
    lines = [(_height(part, alpha - 1), alpha - 1) for part, alpha in zip(total, ORDERS, strict=True)]
    return [(0.0, 0.0), *((height, steep) for height, steep in lines if height < _LARGE)]


def _totals(run: Run, squared_mu: Fraction) -> list[float]:
    """The cumulants of all atoms, and of Gaussians of this size, at `ORDERS`."""
    total = [_concentrated(above(squared_mu / 2), alpha) for alpha in ORDERS]
    for atom, times in run.atoms:
        for place, part in enumerate(_cumulants(atom)):
            total[place] += times * part
    slack = 1 + 4 * UNIT * (len(run.atoms) + 2)
    return [part * slack for part in total]


def _best(atom: Atom) -> tuple[float, ...]:
    """The best of several runs. Which kind a run is, it draws and tells: the worst kind bounds each order."""
    kinds = [_totals(run, run.squared_mu) for run in atom.runs]
    run = [max(parts) for parts in zip(*kinds, strict=True)]
    lines = [(_height(part, alpha - 1), alpha - 1) for part, alpha in zip(run, ORDERS, strict=True)]

    def log_delta(epsilon: float) -> float:
        return min(0.0, *(height - steep * epsilon for height, steep in lines))

    return best_of(run, ORDERS, mean=atom.size, shape=atom.shape, log_delta=log_delta)


def _concentrated(rho: float, alpha: float) -> float:
    return (alpha - 1) * alpha * rho * (1 + 4 * UNIT)


@lru_cache(maxsize=64)
def _cumulants(atom: Atom) -> tuple[float, ...]:
    """The cumulants of one atom at `ORDERS`, each rounded up."""
    if atom.kind == "poisson":
        whole = [_poisson(atom.rate, atom.size, order) for order in _WHOLE]
        # A cumulant is convex in the order and 0 at order 1: the chord to order 2 lies above it.
        return (*((alpha - 1) * whole[0] for alpha in _BETWEEN), *whole)
    if atom.kind == "best":
        return _best(atom)
    rho, pure = above(atom.rho or Fraction(0)), atom.pure
    bounds = [_concentrated(rho, alpha) for alpha in ORDERS]
    if pure is None:
        return tuple(bounds)
    curve = _laplace if atom.kind == "laplace" else _response
    return tuple(min(bound, curve(above(pure), alpha)) for bound, alpha in zip(bounds, ORDERS, strict=True))


def _log_sum(*terms: float) -> float:
    largest = max(terms)
    return largest + math.log(math.fsum(math.exp(term - largest) for term in terms))


def _response(epsilon: float, alpha: float) -> float:
    """Randomised response, of which every epsilon-DP step is a post-processing (Kairouz et al., 2015)."""
    value = _log_sum((alpha - 1) * epsilon, -alpha * epsilon) - math.log1p(math.exp(-epsilon))
    return max(0.0, value) + 32 * UNIT * (1 + alpha * epsilon)


def _laplace(epsilon: float, alpha: float) -> float:
    """Laplace noise (Mironov, 2017, proposition 6).

    The curve is convex in epsilon and 0 at 0, so noise on several cells is worst if one takes the whole
    distance.
    """
    first, second = math.log(alpha / (2 * alpha - 1)), math.log((alpha - 1) / (2 * alpha - 1))
    value = _log_sum(first + (alpha - 1) * epsilon, second - alpha * epsilon)
    return max(0.0, value) + 32 * UNIT * (4 + alpha * epsilon)


def _poisson(rate: float, multiplier: float, order: int) -> float:
    """A Gaussian step on a Poisson sample at a whole order (Mironov, Talwar and Zhang, 2019, section 3.3).

    The moment is the mean of (1 + q (R - 1))^alpha over the noise without the unit, R being the likelihood
    ratio of the plain step. Its binomial expansion has the terms

        C(alpha, k) (1-q)^(alpha-k) q^k e^((k²-k)/(2 sigma²)).

    Those with e^(...) replaced by 1 add up to 1, so the excess over 1 is a sum of positive terms. The paper
    shows that the opposite direction of the neighbours never has the larger moment.
    """
    inverse = 1 / (2 * multiplier * multiplier)
    if inverse > 1e9:
        return math.inf
    terms, log_ways = [], math.log(order)  # of C(order, 1)
    log_in, log_out = math.log(rate), math.log1p(-rate)
    for k in range(2, order + 1):
        log_ways += math.log((order - k + 1) / k)
        exponent = (k * k - k) * inverse
        gain = exponent + math.log(-math.expm1(-exponent)) if exponent > 0 else -math.inf
        terms.append(log_ways + k * log_in + (order - k) * log_out + gain)
    largest = max(terms)
    if largest == -math.inf:
        return 1e-300  # far below any float's effect, but not nothing
    log_excess = largest + math.log(math.fsum(math.exp(term - largest) for term in terms))
    # Thousands of summands of size up to order * (1 + |log q|) each rounded once.
    size = order * (8 + abs(log_in) + abs(log_out)) + order * order * inverse
    log_excess += 8 * UNIT * size + 4 * UNIT * order * 10
    return max(log_excess, 0.0) + math.log1p(math.exp(-abs(log_excess)))
