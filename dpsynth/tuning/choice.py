"""Choosing an epsilon from bands, and the rate at which a fresh run will keep what was chosen.

Who looks at twelve points and takes the smallest that passes has looked twelve times: the one that
passes may have been lucky. So the points of a method are tried in an order that is fixed before, from the
largest epsilon down, and the search stops at the first that fails. Then no correction for the number of
points is needed. (A fixed sequence of tests, Maurer, Hothorn and Lehmacher, 1995; the interval of each is
the distribution-free tolerance interval of Wilks, 1941.)

**Theorem.** Let each point of one method have R independent runs, and let a point pass if fewer than k of
its runs miss the target, so if its k-th smallest reaches it. Choose the last point before the first that
fails. The probability that a point is chosen *and* a fresh run at it misses the target is at most
k / (R + 1), whatever the distribution of the runs is, and whether or not utility grows with epsilon.

*Proof.* Let m_i be the probability that one run at point i misses. For any t in (0, 1), if the chosen point
has m > t, then the first point in the order with m_j > t was passed, since the chosen one comes at it or
after it. That point does not depend on the runs, and it passes with probability P(Bin(R, m_j) < k), which
falls as m_j grows, so it is at most P(Bin(R, t) < k). The fresh run is independent of the choice, so

    P(chosen, and missed) = E[m_chosen] = integral over t of P(chosen with m > t)
                         <= integral of P(Bin(R, t) < k) dt = sum over j < k of 1 / (R + 1) = k / (R + 1),

as the integral of C(R, j) t^j (1 - t)^(R - j) over (0, 1) is 1 / (R + 1) for every j.  ∎

With several methods the sum of their bounds is one (each may be the chosen one), so naming one method
states a better rate. With R replicates of which the smallest is the lower end (k = 1) the rate is
R / (R + 1): five replicates state 83 %, nineteen 95 %. The rate is that of fresh runs *on the rows that the
frontier ran on*, for a target that was stated before looking: a proxy speaks for private rows as far as it
resembles them, and no mathematics says how far.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.tuning.result import Band, FrontierPoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpsynth.tuning.result import Frontier

__all__ = ["Choice", "choose", "rate_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What was chosen.

    Attributes:
        epsilon: The smallest that passed.
        method: Of the point.
        target: What it is to reach.
        metric: By which.
        rate: At least so often a fresh run reaches the target, over the choice and the run; 0 where the
            frontier has no runs behind it.
        point: The point itself.
    """

    epsilon: float
    method: str
    target: float
    metric: str
    rate: float
    point: FrontierPoint

    def in_words(self) -> str:
        """The choice and what it promises, in a sentence or two."""
        head = (
            f"{self.method} at epsilon = {self.epsilon:g} is the smallest whose lower band reaches "
            f"{self.metric} = {self.target:g}, there and at every larger epsilon."
        )
        if self.rate <= 0:
            return (
                f"{head} No rate is stated: the curve is an expectation, or several methods share few runs."
            )
        return f"{head} A fresh run on the same rows reaches it at a rate of {self.rate:.0%} or more."

    def __str__(self) -> str:
        return self.in_words()


def choose(frontier: Frontier, target: float, *, metric: str, method: str | None = None) -> Choice:
    """See `Frontier.choose`; the rate is proved above.

    Raises:
        ConfigurationError: No epsilon reaches the target, or there is no such metric or method.
    """
    _validate.number("target", target)
    methods = frontier.methods if method is None else (method,)
    passed = [_last(frontier.of(name), target, metric) for name in methods]
    found = [point for point in passed if point is not None]
    if not found:
        best = max(point.utility[metric].low for name in methods for point in frontier.of(name))
        raise ConfigurationError(
            f"No epsilon of this frontier reaches {metric} = {target:g} with its lower band, there and "
            f"at every larger epsilon; the best lower end is {best:.4g}. Lower the target, or add "
            "larger epsilons."
        )
    point = min(found, key=lambda one: (one.epsilon, -one.utility[metric].low))
    missed = sum(1 - rate_of(frontier.of(name)) for name in methods)
    return Choice(
        epsilon=point.epsilon,
        method=point.method,
        target=target,
        metric=metric,
        rate=max(0.0, 1 - missed),
        point=point,
    )


def rate_of(points: Sequence[FrontierPoint]) -> float:
    """1 - k / (R + 1) for the points of one method; 0 where one has no runs.

    Where points have different numbers of runs, the bounds of these numbers add up: the integrand of the
    proof is the largest of several then, and at most their sum.
    """
    numbers = {point.replicates for point in points}
    missed = sum((Band.outside(number) + 1) / (number + 1) for number in numbers)
    return max(0.0, 1 - missed)


def _last(points: Sequence[FrontierPoint], target: float, metric: str) -> FrontierPoint | None:
    """The last point before the first that fails, from the largest epsilon down."""
    for point in points:
        if metric not in point.utility:
            known = sorted(point.utility)
            raise ConfigurationError(f"Expected one of the metrics {known}, got {metric!r}.")
    reached = takewhile(lambda point: point.utility[metric].low >= target, reversed(points))
    return min(reached, key=lambda point: point.epsilon, default=None)
