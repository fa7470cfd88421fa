"""Dominating pairs of distributions, one for each kind of step, as tails of their privacy loss.

A step is dominated by a pair (P, Q) if its hockey-stick divergence is nowhere larger than theirs;
compositions of dominated steps are dominated by the products (Zhu, Dong and Wang, 2022). All that a price
needs of a pair is how likely a loss log(P/Q) above t is under P and under Q.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .events import Atom
from .normal import tail
from .rounding import UNIT

__all__ = ["Pair", "gaussian_pair", "pair_of"]

_SLACK = 1e-12  # a normal tail at z carries an error of about 4 z² units, and z stays below 40


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair of distributions.

    Attributes:
        above: The chances (under P, under Q) that the loss is above an argument.
        bottom: No loss is below it; -inf if there is no limit.
        top: No loss is above it; inf if there is no limit.
        slack: Largest error of the first chance, relative to it, and of e^t times the second.
    """

    above: Callable[[float], tuple[float, float]]
    bottom: float
    top: float
    slack: float = _SLACK


def pair_of(atom: Atom, *, removed: bool) -> Pair | None:
    """The pair of one atom, for a unit that is removed or added; None if its losses are not known."""
    if atom.kind == "poisson":
        return _poisson(atom.rate, atom.size, removed=removed)
    make = {"laplace": _laplace, "exponential": _logistic, "pure": _response}.get(atom.kind)
    return None if make is None else make(atom.size)


def gaussian_pair(mu: float) -> Pair:
    """Normal variables at distance mu: the loss is normal with mean mu²/2 under P and -mu²/2 under Q."""

    def above(t: float) -> tuple[float, float]:
        return tail(t / mu - mu / 2), tail(t / mu + mu / 2)

    return Pair(above, -math.inf, math.inf, _SLACK + 8 * UNIT * mu * (1 + mu))


def _laplace(epsilon: float) -> Pair:
    """Laplace noise, one cell at the whole distance: losses epsilon and -epsilon have positive chances."""

    def above(t: float) -> tuple[float, float]:
        if t >= epsilon:
            return 0.0, 0.0
        if t < -epsilon:
            return 1.0, 1.0
        return 1 - math.exp((t - epsilon) / 2) / 2, math.exp(-(t + epsilon) / 2) / 2

    return Pair(above, -epsilon, epsilon)


def _response(epsilon: float) -> Pair:
    """Randomised response: every epsilon-DP step is a post-processing of it (Kairouz et al., 2015)."""
    truth, lie = 1 / (1 + math.exp(-epsilon)), math.exp(-epsilon) / (1 + math.exp(-epsilon))

    def above(t: float) -> tuple[float, float]:
        if t >= epsilon:
            return 0.0, 0.0
        return (1.0, 1.0) if t < -epsilon else (truth, lie)

    return Pair(above, -epsilon, epsilon)


def _logistic(epsilon: float) -> Pair:
    """Bounded range epsilon: logistic variables at distance epsilon.

    For a ratio r of mean 1 under Q in [e^(t-epsilon), e^t], the mean of max(r - c, 0) is convex in r and so
    largest at the two ends. The largest over t is (e^(epsilon/2) - c^(1/2))² / (e^epsilon - 1), the
    hockey-stick divergence at c of such variables. Its slope in c is minus the chance under Q, which gives
    that under P.
    """
    whole = -math.expm1(-epsilon)

    def above(t: float) -> tuple[float, float]:
        if t >= epsilon:
            return 0.0, 0.0
        if t < -epsilon:
            return 1.0, 1.0
        share = -math.expm1((t - epsilon) / 2) / whole
        return share, share * math.exp(-(t + epsilon) / 2)

    return Pair(above, -epsilon, epsilon)


def _poisson(rate: float, multiplier: float, *, removed: bool) -> Pair | None:
    """A Gaussian step on a Poisson sample: a normal variable against its mixture with one moved by 1/sigma.

    In standard deviations the likelihood ratio of mixture and plain noise is, rising in z,
    1 - q + q e^(z/sigma - 1/(2 sigma²)). With the unit, P is the mixture ("removed") or Q
    is ("added"); neither is always worse.
    """
    if not 0.05 < multiplier < 1e6:
        return None
    moved, floor = 1 / multiplier, math.log1p(-rate)

    def threshold(t: float) -> float:
        """Where the logarithm of the ratio is t."""
        if t > 700:  # out of the range of floats, where the ratio is e^t for all that can be told
            return multiplier * (t - math.log(rate)) + moved / 2
        share = math.expm1(t) / rate
        return multiplier * math.log1p(share) + moved / 2 if share > -1 else -math.inf

    def removed_above(t: float) -> tuple[float, float]:
        z = threshold(t) if t > floor else -math.inf
        plain = tail(z)
        return (1 - rate) * plain + rate * tail(z - moved), plain

    def added_above(t: float) -> tuple[float, float]:
        z = threshold(-t) if -t > floor else -math.inf
        plain = tail(-z)
        return plain, (1 - rate) * plain + rate * tail(moved - z)

    # Near the floor 1 + share is small and has an error of 4 units; times the density of z this is at most:
    slack = _SLACK + 8 * UNIT * multiplier * math.exp(min(moved * moved / 2, 700.0))
    if slack > 1e-6:
        return None
    return (
        Pair(removed_above, floor, math.inf, slack)
        if removed
        else Pair(added_above, -math.inf, -floor, slack)
    )
