"""Filters: limits that hold although each step is chosen from the answers before it.

A filter admits an event if the total stays within the limit. Totals are exact rational numbers, so
no spending is too small to count (pitfall P19). A run under a filter is priced by the filter's
`guarantee`, the whole limit: where it stopped depends on the data (pitfall P16).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar, Self

from dpsynth import _validate
from dpsynth.errors import BudgetExceededError, ConfigurationError, UnsupportedEventError
from dpsynth.privacy.composition import Composition, compose, down, root_down
from dpsynth.privacy.events import ApproximateEvent, Event, GaussianEvent, ZCDPEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter(ABC):
    """Base of the filters: a limit and what was spent of it. Spending gives a new filter.

    Attributes:
        delta: Limit on the sum of the deltas of approximate events.
        spent: Sum so far, in the amount that the filter adds up.
        failed: Sum of deltas so far.
    """

    _parameter: ClassVar[str]
    _power: ClassVar[int] = 1

    delta: float = 0.0
    spent: Fraction = Fraction(0)
    failed: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        _validate.positive(self._parameter, getattr(self, self._parameter))
        if _validate.non_negative("delta", self.delta) >= 1:
            raise ConfigurationError(f"Expected 0 <= delta < 1, got {self.delta!r}.")
        if not (0 <= self.spent <= self.limit and 0 <= self.failed <= Fraction(self.delta)):
            raise ConfigurationError("Expected amounts spent between 0 and the limit of the filter.")

    @property
    def limit(self) -> Fraction:
        """The limit, in the amount that the filter adds up."""
        return Fraction(getattr(self, self._parameter)) ** self._power

    @property
    def remaining(self) -> float:
        """The largest parameter that one more event may have, rounded down."""
        left = self.limit - self.spent
        return down(left) if self._power == 1 else root_down(left)

    @property
    def remaining_delta(self) -> float:
        """What one more event may add to the sum of deltas, rounded down."""
        return down(Fraction(self.delta) - self.failed)

    @property
    def guarantee(self) -> tuple[Event, ...]:
        """The events that stand for every run under this filter: price these."""
        failure = ApproximateEvent(epsilon=0.0, delta=self.delta)
        return (self._whole(), failure) if self.delta > 0 else (self._whole(),)

    def admits(self, event: Event) -> bool:
        """Whether there is room for `event`.

        Raises:
            UnsupportedEventError: The filter has no amount for such an event.
        """
        amount, failure = self._cost(event)
        return self.spent + amount <= self.limit and self.failed + failure <= Fraction(self.delta)

    def spend(self, event: Event) -> Self:
        """The filter after `event`.

        Raises:
            BudgetExceededError: There is no room; this filter is unchanged.
            UnsupportedEventError: The filter has no amount for such an event.
        """
        if not self.admits(event):
            raise BudgetExceededError(
                f"The event {event.name!r} does not fit in what remains of this filter."
            )
        amount, failure = self._cost(event)
        return replace(self, spent=self.spent + amount, failed=self.failed + failure)

    def _cost(self, event: Event) -> tuple[Fraction, Fraction]:
        composition = compose([event])
        amount = self._amount(composition) if composition.protected else None
        if amount is None:
            raise UnsupportedEventError(f"{type(self).__name__} cannot bound the event {event.name!r}.")
        return amount, composition.failure

    @abstractmethod
    def _amount(self, composition: Composition) -> Fraction | None: ...

    @abstractmethod
    def _whole(self) -> Event: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ZCDPFilter(Filter):
    """Adds up rho (Feldman and Zrnic, 2021; Whitehouse, Ramdas, Rogers and Wu, 2023)."""

    _parameter: ClassVar[str] = "rho"
    rho: float

    def _amount(self, composition: Composition) -> Fraction | None:
        return composition.rho

    def _whole(self) -> Event:
        return ZCDPEvent(rho=self.rho)


@dataclass(frozen=True, kw_only=True, slots=True)
class GDPFilter(Filter):
    """Adds up mu² (Smith and Thakurta, 2022; Koskela, Tobaben and Honkela, 2023).

    Each step may be any mechanism that is mu-GDP given the answers before it, not Gaussians only.
    """

    _parameter: ClassVar[str] = "mu"
    _power: ClassVar[int] = 2
    mu: float

    def _amount(self, composition: Composition) -> Fraction | None:
        return composition.gdp

    def _whole(self) -> Event:
        return GaussianEvent(mu=self.mu)


@dataclass(frozen=True, kw_only=True, slots=True)
class BasicFilter(Filter):
    """Adds up epsilon and delta (Rogers, Roth, Ullman and Vadhan, 2016)."""

    _parameter: ClassVar[str] = "epsilon"
    epsilon: float

    def _amount(self, composition: Composition) -> Fraction | None:
        return None if composition.squared_mu else composition.pure

    def _whole(self) -> Event:
        return ApproximateEvent(epsilon=self.epsilon, delta=0.0)


def filter_for(whole: Event) -> Filter:
    """The filter whose limit is `whole`.

    Raises:
        UnsupportedEventError: No filter theorem covers such an event.
    """
    if isinstance(whole, ZCDPEvent):
        return ZCDPFilter(rho=whole.rho)
    if isinstance(whole, GaussianEvent):
        return GDPFilter(mu=whole.mu)
    raise UnsupportedEventError(
        f"An adaptive plan is one zCDP or one Gaussian event, got {whole.name!r}: no filter covers that."
    )
