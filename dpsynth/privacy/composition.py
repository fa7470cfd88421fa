"""What a run did, merged: equal events counted once, with the amounts of each in exact numbers.

Every float is a rational number, so amounts are added exactly and rounded once, outward, at the very
end. Nothing is absorbed, and neither order nor grouping matters (pitfall P19).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from dpsynth.errors import UnsupportedEventError
from dpsynth.privacy.events import (
    ApproximateEvent,
    ComposedEvent,
    Event,
    ExponentialEvent,
    GaussianEvent,
    LaplaceEvent,
    NonPrivateEvent,
    PoissonGaussianEvent,
    RepeatedEvent,
    ZCDPEvent,
)

_PI_UP = Fraction(math.nextafter(math.pi, 4.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Composition:
    """Events of a run, taken together.

    Attributes:
        squared_mu: Sum of mu² over all Gaussians. They merge into one without loss: mu-GDP
            composes as the root of the sum of squares (Dong, Roth and Su, 2022).
        others: Each different other event with its number of occurrences; none with a delta.
        failure: Sum of the deltas of all approximate events. An (epsilon, delta)-DP step is an
            epsilon-DP step except in a failure of probability delta (Kairouz, Oh and Viswanath,
            2015; Bun and Steinke, 2016, section 8): the deltas are taken off first, and each engine
            prices the rest at what remains (pitfall P18).
        protected: False if a step without any guarantee is among the events.
    """

    squared_mu: Fraction
    others: tuple[tuple[Event, int], ...]
    failure: Fraction
    protected: bool

    @property
    def mu(self) -> float:
        """The Gaussians as one mu-GDP mechanism, rounded up."""
        return root_up(self.squared_mu)

    @property
    def rho(self) -> Fraction | None:
        """The rho of all events together; None if one has none."""
        others = self._total(event_rho)
        return None if others is None else self.squared_mu / 2 + others

    @property
    def gdp(self) -> Fraction | None:
        """The mu² of all events together, as one mu-GDP mechanism; None if one has none."""
        others = self._total(event_squared_mu)
        return None if others is None else self.squared_mu + others

    @property
    def pure(self) -> Fraction | None:
        """The epsilon at delta = 0 of all events but the Gaussians; None if one has none."""
        return self._total(event_pure)

    def _total(self, amount: Callable[[Event], Fraction | None]) -> Fraction | None:
        parts = [(amount(event), times) for event, times in self.others]
        known = [(part, times) for part, times in parts if part is not None]
        return _sum(known) if len(known) == len(parts) else None


def compose(events: Iterable[Event]) -> Composition:
    """Merge `events`: unfold repetitions, count equal events once, take the deltas off."""
    counts: Counter[Event] = Counter()
    failure, protected = Fraction(0), True
    for event, times in (atom for whole in events for atom in _unfold(whole, 1)):
        match event:
            case NonPrivateEvent():
                protected = False
            case ApproximateEvent(epsilon=epsilon, delta=delta):
                failure += times * Fraction(delta)
                if epsilon > 0:
                    counts[ApproximateEvent(epsilon=epsilon, delta=0.0)] += times
            case PoissonGaussianEvent(sampling_rate=rate, noise_multiplier=multiplier, steps=steps):
                step = PoissonGaussianEvent(sampling_rate=rate, noise_multiplier=multiplier, steps=1)
                everyone = GaussianEvent(mu=up(1 / Fraction(multiplier)))
                counts[everyone if rate == 1 else step] += times * steps
            case Event():
                counts[event] += times
            case _:
                raise UnsupportedEventError(f"Expected privacy events, got {type(event).__name__}.")
    gaussians = [(event, times) for event, times in counts.items() if isinstance(event, GaussianEvent)]
    return Composition(
        squared_mu=_sum([(Fraction(event.mu) ** 2, times) for event, times in gaussians]),
        others=tuple(
            (event, times) for event, times in counts.items() if not isinstance(event, GaussianEvent)
        ),
        failure=failure,
        protected=protected,
    )


def _unfold(event: Event, times: int) -> Iterator[tuple[Event, int]]:
    if isinstance(event, RepeatedEvent):
        yield from _unfold(event.event, times * event.times)
    elif isinstance(event, ComposedEvent):
        for part in event.events:
            yield from _unfold(part, times)
    else:
        yield event, times


def event_pure(event: Event) -> Fraction | None:
    """The epsilon of an event that is epsilon-DP with delta = 0."""
    if isinstance(event, (LaplaceEvent, ExponentialEvent, ApproximateEvent)):
        return Fraction(event.epsilon)
    return None


def event_rho(event: Event) -> Fraction | None:
    """The rho of an event that is not Gaussian.

    Bounded range: epsilon²/8 (Cesar and Rogers, 2021). Other epsilon-DP: epsilon²/2 (Bun and
    Steinke, 2016, proposition 1.4).
    """
    if isinstance(event, ZCDPEvent):
        return Fraction(event.rho)
    epsilon = event_pure(event)
    share = 8 if isinstance(event, ExponentialEvent) else 2
    return None if epsilon is None else epsilon**2 / share


def event_squared_mu(event: Event) -> Fraction | None:
    """The mu² of an event that is not Gaussian, as a mu-GDP mechanism.

    Bounded range: mu = sqrt(pi/8) epsilon. Its trade-off function is that of logistic noise at distance
    epsilon; the proof is in docs/explanation/accounting.md. Other epsilon-DP: not asked for so far.
    """
    return Fraction(event.epsilon) ** 2 * _PI_UP / 8 if isinstance(event, ExponentialEvent) else None


def _sum(parts: Sequence[tuple[Fraction, int]]) -> Fraction:
    base = math.lcm(*(part.denominator for part, _ in parts))
    return Fraction(sum(times * part.numerator * (base // part.denominator) for part, times in parts), base)


def up(value: Fraction) -> float:
    """The smallest float that is not below `value`."""
    try:
        nearest = float(value)
    except OverflowError:
        return math.inf
    return math.nextafter(nearest, math.inf) if Fraction(nearest) < value else nearest


def down(value: Fraction) -> float:
    """The largest float that is not above `value`."""
    nearest = float(value)
    return math.nextafter(nearest, -math.inf) if Fraction(nearest) > value else nearest


def root_up(value: Fraction) -> float:
    """A float not below the square root of `value`; exact if the root is a float."""
    root, exact, scale = _root(value)
    return up(Fraction(root if exact else root + 1, scale))


def root_down(value: Fraction) -> float:
    """A float not above the square root of `value`."""
    root, _, scale = _root(value)
    return down(Fraction(root, scale))


def _root(value: Fraction) -> tuple[int, bool, int]:
    """Floor of the root of `value` times a power of two, to at least 64 bits; and whether it is exact."""
    shift = 64 + max(0, value.denominator.bit_length() - value.numerator.bit_length())
    scaled = value.numerator << 2 * shift
    root = math.isqrt(scaled // value.denominator)
    return root, root * root * value.denominator == scaled, 1 << shift
