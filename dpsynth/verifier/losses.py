"""The privacy loss distribution of a fixed plan: the tightest bound, for events whose losses are known.

Losses are moved to a grid by connecting the dots (Doroshenko et al., 2022): the chances of each cell under P
and under Q go to its two ends such that both are kept. The hockey-stick divergence then agrees at the grid,
and is a chord above a convex function between its points: an upper bound.

What is composed is not P but P tilted, each chance times e^(tilt * loss): with the tilt of the best Rényi
order the losses near epsilon, which decide, are the likely ones. So the error of the Fourier transform is
small beside delta however small that is, and the grid has to hold little more than these. Every tilt and
every grid gives a valid bound; poor ones only a loose one. What is added for safety:

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
from functools import partial
from itertools import accumulate

from .fourier import composed, transform_error
from .lattice import Lattice, log_total, on_edges, reach, rough_edges
from .pairs import Pair
from .rounding import UNIT, lowest

__all__ = ["loss_curve"]

Parts = Sequence[tuple[Pair, int]]

_EDGE = 10.0  # e^-10 of delta may lie beyond either end of the grid
_TOLERANCE = 1e-4
_SHORTEST, _LONGEST = 1 << 10, 1 << 17
_MOST_CELLS = 100_000
_REACH = 600.0
_UNLIKELY = 1e-8  # chance, over all steps, of a loss that is moved up to the lower end


@dataclass(frozen=True, slots=True)
class _Grid:
    """`length` losses from `first * width` on; the tilt of what is composed, and one for what is above."""

    first: int
    length: int
    width: float
    tilt: float
    steeper: float


def loss_curve(
    parts: Parts,
    *,
    epsilon: float | None = None,
    log_delta: float,
    spare: float = 1e-6,
    finer: float = 1.0,
) -> Callable[[float], float] | None:
    """An upper bound on log(delta) for every epsilon, tight near one; None if the losses are out of reach.

    Args:
        parts: The pair of each step with its number of occurrences.
        epsilon: Where it should be tight; None to have it tight at `log_delta`.
        log_delta: There, or about what it is at `epsilon`: sets what may be cut off.
        spare: Share of delta that may be cut off.
        finer: Divides the width of the grid that is thought to be enough.
    """
    cut = log_delta + math.log(spare) - math.log(sum(times for _, times in parts))
    if cut < -690:
        return None
    ranges = [reach(pair, math.exp(cut), _UNLIKELY / times) for pair, times in parts]
    if max(top for _, top in ranges) > _REACH:
        return None
    rough = [
        (on_edges(pair, rough_edges(*ends)), times) for (pair, times), ends in zip(parts, ranges, strict=True)
    ]

    def cumulant(tilt: float) -> float:
        return math.fsum(times * lattice.cumulant(tilt) for lattice, times in rough)

    coarsest = max(top - bottom for bottom, top in ranges) / _MOST_CELLS
    grid = _grid(cumulant, [times for _, times in parts], epsilon, log_delta, (coarsest, finer))
    width = grid.width
    lattices = []
    for (pair, times), (bottom, top) in zip(parts, ranges, strict=True):
        first, last = math.floor(bottom / width), math.ceil(top / width)
        lattices.append((on_edges(pair, [k * width for k in range(first, last + 1)]), times))
    return _compose(lattices, grid)


def _grid(
    cumulant: Callable[[float], float],
    counts: Sequence[int],
    epsilon: float | None,
    log_delta: float,
    limits: tuple[float, float],
) -> _Grid:
    """The shortest grid on which neither its width nor the transform costs much of delta at the target.

    The tilt of the best order suits the transform best. A smaller one may make do with a shorter grid, where
    rare large losses are many of the tilted ones. `limits` are the least width, and by how much to be finer.
    """
    least_width, finer = limits

    def bound(tilt: float) -> float:
        """The logarithm of delta at epsilon 0 by this order (Canonne, Kamath and Steinke, 2020)."""
        return cumulant(tilt) - tilt * math.log1p(1 / tilt) - math.log1p(tilt)

    def exponent(point: float) -> float:
        tilt = math.exp(point)
        if epsilon is None:
            return (bound(tilt) - log_delta) / tilt
        return max(bound(tilt) - tilt * epsilon, log_delta - _EDGE)

    best = math.exp(lowest(exponent, math.log(1e-2), math.log(1e5), rounds=34))
    near = max(exponent(math.log(best)), 0.0) if epsilon is None else epsilon
    # Connecting the dots adds about width²/12 * order to epsilon for each step: little beside it.
    room = max(near, 1e-3) if epsilon is None else 5 / (best + 1)
    finest = min(0.3, math.sqrt(12 * _TOLERANCE * room * (best + 1) / sum(counts))) / (best + 1)
    finest /= finer
    spare = min(sum(counts), 64) + 2  # cells for the steps whose top is rounded up
    grids: list[_Grid] = []
    for share in (1.0, 0.7, 0.5, 0.35, 0.2, 0.1):
        tilt = share * best
        larger = max(cumulant(tilt) - tilt * near - log_delta, 0.0)  # than delta, before the tilt is undone
        low, high, move = _window(cumulant, tilt, _EDGE + larger)
        length = _SHORTEST
        while length < _LONGEST and (high - low) / length > finest:
            length *= 2
        width = _dyadic(max((high - low) / (length - spare), least_width))
        noise = transform_error(length, counts) / (width * tilt * (tilt + 1))
        grid = _Grid(math.floor(low / width), length, width, tilt, tilt + move)
        if not grids or larger + math.log(noise) < math.log(_TOLERANCE):
            grids.append(grid)
    return min(grids, key=lambda grid: (grid.length, grid.width))


def _compose(lattices: Sequence[tuple[Lattice, int]], grid: _Grid) -> Callable[[float], float] | None:
    first, length, width, tilt = grid.first, grid.length, grid.width, grid.tilt
    circles, log_mass, slack = [], 0.0, 0.0
    for lattice, times in lattices:
        tilted = lattice.tilted(tilt)
        part = log_total(tilted)
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
    failure += _above(lattices, losses[-1], (tilt, grid.steeper))
    top = math.fsum(times * lattice.losses[-1] for lattice, times in lattices)
    curve = _Curve(losses, masses, tilt, log_mass + slack, failure)
    return partial(_below_top, curve.log_delta, top + 1e-12 * (1 + abs(top)), failure)


def _below_top(log_delta: Callable[[float], float], top: float, failure: float, epsilon: float) -> float:
    """No sum of losses is above the sum of their tops: from there on only failures are left.

    Where steps have a largest loss and delta is tiny, the tilt is so large that the curve says nothing there.
    """
    if epsilon < top:
        return log_delta(epsilon)
    return math.log(failure) if failure > 0 else -math.inf


class _Curve:
    """log(delta) of epsilon from tilted masses: the sum of mass * (1 - e^(epsilon - loss)) above epsilon."""

    def __init__(
        self, losses: list[float], masses: list[float], tilt: float, log_mass: float, failure: float
    ) -> None:
        middle = losses[0] + (losses[-1] - losses[0]) / 2
        start = next(
            k for k, loss in enumerate(losses) if (tilt + 1) * (middle - loss) < _REACH or loss >= middle
        )
        self._losses, self._middle = losses[start:], middle
        # Beyond this the weights leave the range of floats: delta here is an upper bound of delta there.
        self._last = middle + _REACH / (tilt + 1)
        weights = [
            mass * math.exp(-tilt * (loss - middle))
            for loss, mass in zip(self._losses, masses[start:], strict=True)
        ]
        shrunk = [
            weight * math.exp(middle - loss) for loss, weight in zip(self._losses, weights, strict=True)
        ]
        self._sums, self._shrunk = (list(accumulate(reversed(terms)))[::-1] for terms in (weights, shrunk))
        self._scale, self._failure = log_mass - tilt * middle, failure
        self._width = losses[1] - losses[0]
        self._relative = 4 * UNIT * (len(losses) + 8 + (tilt + 1) * (losses[-1] - losses[0]))

    def log_delta(self, epsilon: float) -> float:
        """Rounded up; 0 below the grid."""
        epsilon = min(epsilon, self._last)
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


def _above(lattices: Sequence[tuple[Lattice, int]], loss: float, tilts: Sequence[float]) -> float:
    """A bound on the chance that the sum of all losses is above the grid."""
    if math.fsum(times * lattice.losses[-1] for lattice, times in lattices) * (1 + 1e-12) < loss:
        return 0.0
    best = min(
        math.fsum(times * lattice.cumulant(tilt) for lattice, times in lattices) - tilt * loss
        for tilt in tilts
    )
    return math.exp(min(best, 0.0)) * (1 + 1e-6)


def _window(cumulant: Callable[[float], float], tilt: float, edge: float) -> tuple[float, float, float]:
    """Where all but e^-edge of the tilted losses are, by Markov's inequality; and the move that shows it."""
    base, step = cumulant(tilt), 1e-3 * (1 + tilt)
    up, down = cumulant(tilt + step), cumulant(tilt - step)
    centre, spread = (up - down) / (2 * step), math.sqrt(max(up + down - 2 * base, 1e-12)) / step
    moves = [0.35 * 1.6**k / spread for k in range(14)]
    high, best = min(((cumulant(tilt + move) - base + edge) / move, move) for move in moves)
    low = max(-(cumulant(tilt - move) - base + edge) / move for move in moves)
    return min(low, centre - spread), max(high, centre + spread), best


def _dyadic(width: float) -> float:
    """Not below `width`, with 16 bits: whole multiples of it are exact."""
    mantissa, exponent = math.frexp(width)
    return math.ldexp(math.ceil(mantissa * 65536), exponent - 16)
