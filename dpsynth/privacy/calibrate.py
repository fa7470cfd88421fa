"""From a budget to parameters: the largest plan that a budget pays for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from dpsynth.errors import BudgetExceededError, ConfigurationError, UnsupportedEventError
from dpsynth.privacy import gdp, zcdp
from dpsynth.privacy._solve import REACH, boundary
from dpsynth.privacy.accountant import closed_epsilon, price
from dpsynth.privacy.budget import NEEDS_DELTA, Budget
from dpsynth.privacy.composition import compose, root_down, up
from dpsynth.privacy.events import Event

_MORE = 1e-10  # what a calibration may leave
_HEADROOM = 1e-11  # more than the solver's tolerance: whatever costs less than the answer fits as well


def fits(events: Sequence[Event], budget: Budget, *, adaptive: bool = False, thorough: bool = False) -> bool:
    """Whether `budget` pays for `events` together."""
    return _excess(events, budget, adaptive=adaptive, thorough=thorough) <= 0


def calibrate(
    make_events: Callable[[float], Sequence[Event]],
    budget: Budget,
    *,
    adaptive: bool = False,
    thorough: bool = False,
) -> float:
    """The largest scale whose events the budget pays for, to one part in 10^10, rounded down.

    Args:
        make_events: The events of a plan at a scale > 0; they must cost more as the scale grows.
        budget: The limit.
        adaptive: As for `price`.
        thorough: As for `price`; each step of the search then takes seconds.

    Raises:
        BudgetExceededError: Even the smallest scale costs more than the budget.
        ConfigurationError: The cost does not grow with the scale.
    """

    def excess(scale: float) -> float:
        try:
            return _excess(make_events(scale), budget, adaptive=adaptive, thorough=thorough) + _HEADROOM
        except UnsupportedEventError:
            return math.inf

    scale = _by_closed_forms(make_events, budget, adaptive=adaptive)
    if scale is None or not excess(scale * (1 + _MORE)) > 0:
        start = scale or 1.0
        factor = boundary(lambda factor: excess(start * factor), rising=True)
        scale = None if factor is None else start * factor
    if scale is None:
        fits(make_events(1.0), budget, adaptive=adaptive, thorough=thorough)  # unsupported events say so here
        raise BudgetExceededError(f"The fixed costs of this plan alone exceed the budget {budget}.")
    if scale > REACH / 2:
        raise ConfigurationError("Expected events whose cost grows with the scale.")
    return scale


def _by_closed_forms(
    make_events: Callable[[float], Sequence[Event]], budget: Budget, *, adaptive: bool
) -> float | None:
    """As `calibrate` by the engines in closed form, which are many times as fast; None without one.

    They never cost less than the whole price, so what it finds fits, and is the largest if a little more does
    not.
    """
    limit = budget.epsilon
    if limit is None or budget.delta == 0:
        return None

    def excess(scale: float) -> float:
        try:
            spent = closed_epsilon(make_events(scale), delta=budget.delta, adaptive=adaptive)
        except UnsupportedEventError:
            return math.inf
        return _distance(spent, limit) + _HEADROOM

    return boundary(excess, rising=True)


def rho_of(budget: Budget) -> float:
    """The largest rho whose epsilon at the budget's delta is within the budget, rounded down."""
    return _largest(zcdp.epsilon, budget) if budget.rho is None else budget.rho


def mu_of(budget: Budget) -> float:
    """The largest mu of one Gaussian within the budget, rounded down."""
    return _largest(gdp.epsilon, budget) if budget.rho is None else root_down(2 * Fraction(budget.rho))


def _largest(epsilon_of: Callable[[float, float], float], budget: Budget) -> float:
    limit = budget.epsilon or 0.0
    if budget.delta == 0:
        raise ConfigurationError(NEEDS_DELTA)

    def excess(size: float) -> float:
        return _distance(epsilon_of(size, budget.delta), limit) + _HEADROOM

    return boundary(excess, rising=True) or 0.0


def _excess(events: Sequence[Event], budget: Budget, *, adaptive: bool, thorough: bool) -> float:
    """log(cost / limit): at most 0 exactly if the cost is within the limit."""
    if budget.epsilon is not None:
        spent = price(events, delta=budget.delta, adaptive=adaptive, thorough=thorough).epsilon
        return _distance(spent, budget.epsilon)
    composition = compose(events)
    if composition.failure > 0:
        raise ConfigurationError(
            "A rho budget has no room for events with a delta: state epsilon and delta instead."
        )
    if composition.rho is None:
        raise UnsupportedEventError("A rho budget can pay for zCDP, Gaussian and pure events only.")
    return _distance(up(composition.rho), budget.rho or 0.0) if composition.protected else math.inf


def _distance(spent: float, limit: float) -> float:
    return math.log(max(spent / limit, 1e-300))
