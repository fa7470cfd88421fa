"""The price of a run: every engine that is valid for its events, and the smallest valid answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, partial

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, UnsupportedEventError
from dpsynth.privacy import gdp, pld, rdp, zcdp
from dpsynth.privacy._solve import LogDelta, smallest_epsilon
from dpsynth.privacy.budget import NEEDS_DELTA
from dpsynth.privacy.composition import Composition, compose, down, root_up, up
from dpsynth.privacy.events import Event, ZCDPEvent
from dpsynth.privacy.mixed import Mixed


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What a run costs, rounded up.

    Attributes:
        epsilon: The run is (epsilon, delta)-DP. Infinite only if a step had no guarantee at all.
        delta: As asked.
        engine: The engine that proved `epsilon`.
        candidates: The epsilon of every engine that could price the run.
        rho: The run is rho-zCDP; None if that is not known.
        mu: The run is exactly mu-GDP; None if there are other events than Gaussians.
    """

    epsilon: float
    delta: float
    engine: str
    candidates: tuple[tuple[str, float], ...]
    rho: float | None = None
    mu: float | None = None


class Profile:
    """The whole trade-off of a run between epsilon and delta; `profile` makes one."""

    def __init__(self, events: Sequence[Event], *, adaptive: bool = False) -> None:
        self._composition = compose(events)
        self._engines = _engines(self._composition, adaptive=adaptive)

    def delta(self, epsilon: float) -> float:
        """The smallest delta known at `epsilon`, rounded up."""
        _validate.non_negative("epsilon", epsilon)
        least = min(log_delta(epsilon) for log_delta in self._engines.values())
        tail = 0.0 if least == -math.inf else math.nextafter(math.exp(least) * (1 + 1e-12), math.inf)
        return min(1.0, up(Fraction(tail) + self._composition.failure))

    def epsilon(self, delta: float) -> float:
        """The smallest epsilon known at `delta`, rounded up."""
        return min(epsilon for _, epsilon in _candidates(self._composition, self._engines, delta))


def price(events: Sequence[Event], *, delta: float, adaptive: bool = False, thorough: bool = False) -> Price:
    """Price `events` together at `delta`.

    Args:
        events: What was done, or is planned. For an adaptive run these are the `guarantee` of its
            filter, not what happened to be spent: where a run stopped depends on the data.
        delta: In [0, 1).
        adaptive: Whether a parameter was chosen from earlier answers. Then only engines with a
            filter theorem are asked: zCDP, GDP, and basic composition (pitfall P16).
        thorough: Whether to ask also for the privacy loss distribution (seconds, extra `pld`).

    Raises:
        ConfigurationError: `delta` is too small for events that fail with some probability.
        UnsupportedEventError: No valid engine knows these events.
    """
    return _priced(compose(events), _validate.non_negative("delta", delta), adaptive, thorough)


@lru_cache(maxsize=1024)  # searches, and runs that are repeated, ask the same again and again
def _priced(composition: Composition, delta: float, adaptive: bool, thorough: bool) -> Price:
    engines = _engines(composition, adaptive=adaptive)
    candidates = _candidates(composition, engines, delta)
    if thorough and not adaptive and composition.protected:
        near = min(epsilon for _, epsilon in candidates)
        numeric = pld.epsilon(composition, _spare(composition, delta), near=near)
        candidates += [] if numeric is None else [("pld", numeric)]
    engine, epsilon = min(candidates, key=lambda candidate: candidate[1])
    exact = composition.protected and composition.failure == 0
    rho = composition.rho if exact else None
    return Price(
        epsilon=epsilon,
        delta=delta,
        engine=engine,
        candidates=tuple(candidates),
        rho=None if rho is None else up(rho),
        mu=composition.mu if exact and not composition.others else None,
    )


def profile(events: Sequence[Event], *, adaptive: bool = False) -> Profile:
    """The trade-off between epsilon and delta of `events` together; `adaptive` as for `price`."""
    return Profile(events, adaptive=adaptive)


def closed_epsilon(events: Sequence[Event], *, delta: float, adaptive: bool) -> float:
    """The least epsilon of the engines in closed form, never less than `price`; infinite without one."""
    composition = compose(events)
    engines = _closed_forms(composition, adaptive=adaptive) if composition.protected else {}
    return min((epsilon for _, epsilon in _candidates(composition, engines, delta)), default=math.inf)


def _engines(composition: Composition, *, adaptive: bool) -> dict[str, LogDelta]:
    """The engines that are valid for these events, each as log(delta) of epsilon without failures."""
    if not composition.protected:
        return {"non-private": lambda _: 0.0}
    engines = _closed_forms(composition, adaptive=adaptive)
    if not adaptive:
        engines |= _by_orders(composition)
    if not engines:
        names = sorted({event.name for event, _ in composition.others})
        remedy = (
            " Only zCDP, Gaussian and pure events fit an adaptive run: commit a fixed plan."
            if adaptive
            else ""
        )
        raise UnsupportedEventError(
            f"No valid accountant here can price the events {names} together.{remedy}"
        )
    return engines


def _closed_forms(composition: Composition, *, adaptive: bool) -> dict[str, LogDelta]:
    engines: dict[str, LogDelta] = {}
    squared_mu, pure, rho = composition.gdp, composition.pure, composition.rho
    if pure is not None and not composition.squared_mu:
        engines["pure"] = partial(_pure_log_delta, up(pure))
    if squared_mu:
        engines["gdp"] = partial(gdp.log_delta, root_up(squared_mu))
    if pure and composition.squared_mu and not adaptive:
        engines["gdp+pure"] = partial(_shifted_log_delta, composition.mu, up(pure))
    if rho is not None:
        engines["zcdp"] = partial(zcdp.log_delta, up(rho))
    return engines


def _by_orders(composition: Composition) -> dict[str, LogDelta]:
    """The engines that know Rényi orders, where these may say more than closed forms."""
    engines: dict[str, LogDelta] = {}
    if not composition.others:
        return engines
    rest = rdp.cumulants(replace(composition, squared_mu=Fraction(0)))
    if rest is not None and composition.squared_mu:
        engines["gdp+rdp"] = Mixed(composition.mu, rest).log_delta
    if not all(isinstance(event, ZCDPEvent) for event, _ in composition.others):  # `zcdp` knows all orders
        whole = rdp.cumulants(composition)
        if whole is not None:
            engines["rdp"] = partial(rdp.log_delta, whole)
    return engines


def _pure_log_delta(pure: float, epsilon: float) -> float:
    """Randomised response, the worst mechanism of pure DP (Kairouz, Oh and Viswanath, 2015)."""
    if epsilon >= pure:
        return -math.inf
    return min(math.log(-math.expm1(epsilon - pure)) - math.log1p(math.exp(-pure)) + 1e-14, 0.0)


def _shifted_log_delta(mu: float, pure: float, epsilon: float) -> float:
    """Gaussians and `pure` composed simply: the losses of the pure part are at most `pure`."""
    if epsilon < pure:
        return 0.0
    return gdp.log_delta(mu, math.nextafter(epsilon - pure, 0.0))


def _spare(composition: Composition, delta: float) -> float:
    """The part of `delta` that the failures leave, rounded down."""
    spare = Fraction(delta) - composition.failure
    if spare < 0:
        raise ConfigurationError(
            f"Expected delta >= {up(composition.failure)}, the sum of the deltas of the events, got {delta}."
        )
    return down(spare)


def _candidates(
    composition: Composition, engines: Mapping[str, LogDelta], delta: float
) -> list[tuple[str, float]]:
    """The epsilon of each engine at `delta`."""
    if _validate.non_negative("delta", delta) >= 1:
        raise ConfigurationError(f"Expected 0 <= delta < 1, got {delta!r}.")
    if not composition.protected:
        return [("non-private", math.inf)]
    spare = _spare(composition, delta)
    if spare > 0:
        found = {name: smallest_epsilon(log_delta, spare) for name, log_delta in engines.items()}
    elif "pure" in engines:
        found = {"pure": math.inf}
    else:
        raise ConfigurationError(
            f"Expected delta > {up(composition.failure)} for these events, got {delta}. {NEEDS_DELTA}"
        )
    if "pure" in found:
        found["pure"] = up(composition.pure or Fraction(0))
    finite = [(name, epsilon) for name, epsilon in found.items() if math.isfinite(epsilon)]
    if engines and not finite:
        raise UnsupportedEventError("These events are too large to price: no engine gives a finite epsilon.")
    return finite
