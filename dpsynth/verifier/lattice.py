"""The privacy losses of one step on points, by connecting the dots: never below the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .pairs import Pair
from .rounding import UNIT

__all__ = ["Lattice", "log_total", "on_edges", "reach", "rough_edges"]

_ROUGH = 240


@dataclass(frozen=True, slots=True)
class Lattice:
    """Masses of one step at consecutive losses: those of the grid, or any for a rough first look.

    Attributes:
        losses: Where the masses are.
        log_masses: Logarithms of the masses, which are upper bounds in the sense of dominance.
        beyond: Mass above, counted as failure.
    """

    losses: list[float]
    log_masses: list[float]
    beyond: float

    def cumulant(self, tilt: float) -> float:
        """The logarithm of the mean of e^(tilt * loss)."""
        return log_total(self.tilted(tilt))

    def tilted(self, tilt: float) -> list[float]:
        """The logarithm of each mass times e^(tilt * loss)."""
        return [tilt * loss + mass for loss, mass in zip(self.losses, self.log_masses, strict=True)]


def reach(pair: Pair, cut: float, unlikely: float) -> tuple[float, float]:
    """The losses that a grid has to hold: those above count as failures, those below are moved up."""
    bottom, top = pair.bottom, pair.top
    if top == math.inf:
        top = _quantile(lambda t: pair.above(t)[0] <= cut, 1.0)
    if bottom == -math.inf:
        bottom = -_quantile(lambda t: 1 - pair.above(-t)[0] <= unlikely, 1.0)
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


def rough_edges(bottom: float, top: float) -> list[float]:
    """Cells that are narrow around no loss at all, where most steps have theirs, and wide far away."""
    shares = [(k / _ROUGH) ** 3 for k in range(1, _ROUGH + 1)]
    inner = [bottom * share for share in reversed(shares)] if bottom < 0 else []
    outer = [top * share for share in shares] if top > 0 else []
    return [*inner, 0.0, *outer]


def on_edges(pair: Pair, edges: list[float]) -> Lattice:
    """The losses of a pair on `edges`, by connecting the dots, rounded toward the higher loss.

    With m and w the chances of a cell (a, b] under P and Q, its upper end gets (m - e^a w) / (1 - e^(a-b))
    and its lower end the rest of m. More at the upper end and no less in all is an upper bound, so both are
    raised by the error that their tails may carry.
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
    log_masses = [math.log(mass) if mass > 0 else -math.inf for mass in masses]
    return Lattice(edges, log_masses, p * (1 + pair.slack))


def log_total(terms: Sequence[float]) -> float:
    """The logarithm of the sum of numbers given by their logarithms."""
    largest = max(terms)
    return largest + math.log(math.fsum(math.exp(term - largest) for term in terms))
