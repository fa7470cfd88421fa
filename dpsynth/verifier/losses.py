"""The privacy loss distribution of a fixed plan: the tightest bound, for events whose losses are known.

Losses are moved to a grid by connecting the dots (Doroshenko et al., 2022): the chances of each cell under P and
under Q go to its two ends such that both are kept. The hockey-stick divergence then agrees at the grid, and is a
chord above a convex function between its points: an upper bound.

What is composed is not P but P tilted, each chance times e^(tilt * loss): with the tilt of the best Rényi order
the losses near epsilon, which decide, are the likely ones. So the error of the Fourier transform is small beside
delta however small that is, and the grid has to hold little more than these. Every tilt and every grid gives a
valid bound; poor ones only a loose one. What is added for safety:

* tails of the losses: each cell is rounded up by the error of its two ends, and mass is moved upward only;
* losses above the grid of one step count as certain failure;
* circular convolution: mass from outside the grid only adds, except that above it, which is bounded by the
  moments of the same lists (Markov's inequality) and added;
* the transform: `fourier.transform_error` is added to every entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from .fourier import composed, transform_error
from .pairs import Pair
from .rounding import UNIT, lowest

__all__ = ["loss_curve"]

Parts = Sequence[tuple[Pair, int]]

_ROUGH = 240
_EDGE = 16.0  # e^-16 of the tilted mass may lie beyond either end of the grid
_TOLERANCE = 1e-4
_SHORTEST, _LONGEST = 1 << 10, 1 << 16
_MOST_CELLS = 400_000
_REACH = 600.0


@dataclass(frozen=True, slots=True)
class _Lattice:
    """Masses of one step at consecutive losses: those of the grid, or any for a rough first look.

    Attributes:
        losses: Where the masses are.
        masses: Upper bounds in the sense of dominance.
        beyond: Mass above, counted as failure.
    """

    losses: list[float]
    masses: list[float]
    beyond: float

    def cumulant(self, tilt: float) -> float:
        """The logarithm of the mean of e^(tilt * loss)."""
        return _log_total(self.tilted(tilt))

    def tilted(self, tilt: float) -> list[float]:
        """The logarithm of each mass times e^(tilt * loss)."""
        return [
            tilt * loss + math.log(mass) if mass > 0 else -math.inf
            for loss, mass in zip(self.losses, self.masses, strict=True)
        ]


def loss_curve(
    parts: Parts, *, epsilon: float | None = None, log_delta: float, spare: float = 1e-6
) -> Callable[[float], float] | None:
    """An upper bound on log(delta) for every epsilon, tight near one point; None if the losses are out of reach.

    Args:
        parts: The pair of each step with its number of occurrences.
        epsilon: Where it should be tight; None to have it tight at `log_delta`.
        log_delta: There, or about what it is at `epsilon`: sets what may be cut off.
        spare: Share of delta that may be cut off.
    """
    cut = log_delta + math.log(spare) - math.log(sum(times for _, times in parts))
    if cut < -690:
        return None
    rough = [(_on(pair, _rough_edges(pair, math.exp(cut))), times) for pair, times in parts]

    def cumulant(tilt: float) -> float:
        return math.fsum(times * lattice.cumulant(tilt) for lattice, times in rough)

    def exponent(point: float) -> float:
        tilt = math.exp(point)
        if epsilon is None:
            return (cumulant(tilt) - log_delta) / tilt
        return cumulant(tilt) - tilt * epsilon

    tilt = math.exp(lowest(exponent, math.log(1e-2), math.log(1e4), rounds=30))
    near = max(exponent(math.log(tilt)), 0.0) if epsilon is None else epsilon
    low, high = _window(cumulant, tilt)
    count = sum(times for _, times in parts)
    finest = math.sqrt(12 * _TOLERANCE * max(near, 1e-3) / (count * (tilt + 1)))
    length = _SHORTEST
    while length < _LONGEST and (high - low) / length > finest:
        length *= 2
    width = _dyadic((high - low) / length)
    lattices = []
    for pair, times in parts:
        bottom, top = _range(pair, math.exp(cut))
        first, last = math.floor(bottom / width), math.ceil(top / width)
        if last - first > _MOST_CELLS:
            return None
        lattices.append((_on(pair, [k * width for k in range(first, last + 1)]), times))
    return _compose(lattices, width, math.floor(low / width), length, tilt)


def _compose(
    lattices: Sequence[tuple[_Lattice, int]], width: float, first: int, length: int, tilt: float
) -> Callable[[float], float] | None:
    circles, log_mass, slack = [], 0.0, 0.0
    for lattice, times in lattices:
        tilted = lattice.tilted(tilt)
        part = _log_total(tilted)
        circle = [0.0] * length
        start = round(lattice.losses[0] / width)
        for k, value in enumerate(tilted):
            circle[(start + k) % length] += math.exp(value - part)
        circles.append((circle, times))
        log_mass += times * part
        farthest = max(abs(lattice.losses[0]), abs(lattice.losses[-1]))
        slack += times * 8 * UNIT * (4 + abs(part) + tilt * farthest) + 8 * UNIT * abs(times * part)
    error = transform_error(length, [times for _, times in lattices])
    if error == math.inf or slack > 0.1:
        return None
    values = composed(circles)
    masses = [max(values[(first + k) % length], 0.0) + error for k in range(length)]
    losses = [(first + k) * width for k in range(length)]
    failure = math.fsum(times * lattice.beyond for lattice, times in lattices)
    failure += _above(lattices, losses[-1], tilt)
    return _Curve(losses, masses, tilt, log_mass + slack, failure).log_delta


class _Curve:
    """log(delta) of epsilon from tilted masses: delta = sum of mass * (1 - e^(epsilon - loss)) over losses above."""

    def __init__(
        self, losses: list[float], masses: list[float], tilt: float, log_mass: float, failure: float
    ) -> None:
        middle = losses[0] + (losses[-1] - losses[0]) / 2
        start = next(
            k for k, loss in enumerate(losses) if (tilt + 1) * (middle - loss) < _REACH or loss >= middle
        )
        self._losses, self._middle = losses[start:], middle
        weights = [
            mass * math.exp(-tilt * (loss - middle))
            for loss, mass in zip(self._losses, masses[start:], strict=True)
        ]
        shrunk = [
            weight * math.exp(middle - loss) for loss, weight in zip(self._losses, weights, strict=True)
        ]
        self._sums, self._shrunk = (
            list(accumulate(reversed(terms)))[::-1] for terms in (weights, shrunk)
        )
        self._scale, self._failure = log_mass - tilt * middle, failure
        self._width = losses[1] - losses[0]
        self._relative = 4 * UNIT * (len(losses) + 8 + (tilt + 1) * (losses[-1] - losses[0]))

    def log_delta(self, epsilon: float) -> float:
        """Rounded up; 0 below the grid."""
        place = math.floor((epsilon - self._losses[0]) / self._width) + 1
        while place > 0 and place - 1 < len(self._losses) and self._losses[place - 1] > epsilon:
            place -= 1
        if place <= 0:
            return 0.0
        total = 0.0
        if place < len(self._losses):
            total = self._sums[place] * (1 + self._relative)
            total -= math.exp(epsilon - self._middle) * self._shrunk[place] * (1 - self._relative)
        return min(0.0, _log_add(self._scale + math.log(total) if total > 0 else -math.inf, self._failure))


def _log_add(log_value: float, value: float) -> float:
    other = math.log(value) if value > 0 else -math.inf
    largest = max(log_value, other)
    if largest == -math.inf:
        return largest
    return largest + math.log(math.exp(log_value - largest) + math.exp(other - largest)) + 1e-13


def _above(lattices: Sequence[tuple[_Lattice, int]], loss: float, tilt: float) -> float:
    """A bound on the chance that the sum of all losses is above the grid."""
    best = 0.0
    for factor in (0.0, 0.25, 0.5, 1.0, 2.0, 4.0):
        raised = tilt * (1 + factor)
        best = min(best, math.fsum(n * lattice.cumulant(raised) for lattice, n in lattices) - raised * loss)
    return math.exp(best) * (1 + 1e-6)


def _window(cumulant: Callable[[float], float], tilt: float) -> tuple[float, float]:
    """Where nearly all of the tilted losses are, by Markov's inequality at a dozen other tilts."""
    base = cumulant(tilt)
    step = 1e-3 * (1 + tilt)
    centre = (cumulant(tilt + step) - cumulant(tilt - step)) / (2 * step)
    spread = math.sqrt(max(cumulant(tilt + step) + cumulant(tilt - step) - 2 * base, 1e-12)) / step
    moves = [factor / spread for factor in (0.7, 1.4, 2.8, 5.6, 11.0, 22.0, 45.0, 90.0)]
    high = min((cumulant(tilt + move) - base + _EDGE) / move for move in moves)
    low = max(-(cumulant(tilt - move) - base + _EDGE) / move for move in moves)
    return min(low, centre - spread), max(high, centre + spread)


def _log_total(terms: Sequence[float]) -> float:
    largest = max(terms)
    return largest + math.log(math.fsum(math.exp(term - largest) for term in terms))


def _dyadic(width: float) -> float:
    """Not below `width`, with 16 bits: whole multiples of it are exact."""
    mantissa, exponent = math.frexp(width)
    return math.ldexp(math.ceil(mantissa * 65536), exponent - 16)


def _range(pair: Pair, cut: float) -> tuple[float, float]:
    """The losses that a grid has to hold: above and below it are chances of at most `cut` under P."""
    bottom, top = pair.bottom, pair.top
    if top == math.inf:
        top = _quantile(lambda t: pair.above(t)[0] <= cut, 1.0)
    if bottom == -math.inf:
        # Losses that Q hardly has, or P hardly has, may be moved up to the bottom.
        bottom = -_quantile(lambda t: 1 - pair.above(-t)[0] <= 1e-12, 1.0)
    return bottom, max(top, bottom + 1e-12)


def _quantile(reached: Callable[[float], bool], start: float) -> float:
    """The smallest positive argument, to a percent, at which a monotone condition holds."""
    high = start
    while not reached(high):
        high *= 2
        if high > 1e6:
            return high
    low = 0.0
    while high - low > 0.01 * high and high > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _rough_edges(pair: Pair, cut: float) -> list[float]:
    """Cells that are narrow around no loss at all, where most steps have theirs, and wide far away."""
    bottom, top = _range(pair, cut)
    shares = [(k / _ROUGH) ** 3 for k in range(1, _ROUGH + 1)]
    inner = [bottom * share for share in reversed(shares)] if bottom < 0 else []
    outer = [top * share for share in shares] if top > 0 else []
    return [*inner, 0.0, *outer]


def _on(pair: Pair, edges: list[float]) -> _Lattice:
    """The losses of a pair on `edges`, by connecting the dots, rounded toward the higher loss.

    With m and w the chances of a cell (a, b] under P and Q, its upper end gets (m - e^a w) / (1 - e^(a-b)) and
    its lower end the rest of m. More at the upper end and no less in all is an upper bound, so both are raised
    by the error that their tails may carry.
    """
    masses = [0.0] * len(edges)
    p, q = pair.above(edges[0])
    masses[0] += (1 - p) * (1 + 4 * UNIT) + pair.slack
    for k in range(1, len(edges)):
        low = edges[k - 1]
        next_p, next_q = pair.above(edges[k])
        error = 4 * (pair.slack + 4 * UNIT) * p
        mass = max(p - next_p, 0.0) + error
        upper = (p - next_p - math.exp(low) * (q - next_q) + error) / -math.expm1(low - edges[k])
        upper = min(max(upper, 0.0), mass)
        masses[k] += upper * (1 + 2 * UNIT)
        masses[k - 1] += (mass - upper) * (1 + 2 * UNIT)
        p, q = next_p, next_q
    return _Lattice(edges, masses, p * (1 + pair.slack))
