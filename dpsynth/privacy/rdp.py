"""Rényi differential privacy (Mironov, 2017): prices every event, DP-SGD included, in milliseconds."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from dpsynth.privacy import _selecting
from dpsynth.privacy.composition import Composition, compose, event_pure, event_rho, up
from dpsynth.privacy.events import Event, LaplaceEvent, PoissonGaussianEvent, RepeatSelectEvent
from dpsynth.privacy.zcdp import order_bound

Floats = np.ndarray[Any, np.dtype[np.float64]]

# Fractional orders serve large epsilon, integer ones the rest; DP-SGD has closed forms at integers.
_FRACTIONS = 1 + np.geomspace(0.01, 0.95, 24)
_INTEGERS = np.unique(np.r_[2:65, np.geomspace(65, 4096, 48).round()]).astype(np.float64)
ORDERS: Floats = np.r_[_FRACTIONS, _INTEGERS]
ORDERS.setflags(write=False)
_LARGEST = 1e50


def cumulants(composition: Composition) -> Floats | None:
    """(alpha-1) times the Rényi divergence at each of `ORDERS`, rounded up; None if unknown."""
    parts = [(_concentrated(composition.squared_mu / 2), 1)]
    parts += [(_cumulants(event), times) for event, times in composition.others]
    total = np.zeros_like(ORDERS)
    for part, times in parts:
        if part is None or times > _LARGEST:
            return None
        total += times * part
    return np.asarray(total * (1 + 1e-14 * (1 + len(composition.others))))


def log_delta(cumulants: Floats, epsilon: float) -> float:
    """Logarithm of the smallest delta that the divergences give at `epsilon`, rounded up."""
    return min(float(np.min(order_bound(ORDERS, cumulants / (ORDERS - 1), epsilon))), 0.0)


def _cumulants(event: Event) -> Floats | None:
    if isinstance(event, PoissonGaussianEvent):
        return _poisson_gaussian(event.sampling_rate, event.noise_multiplier)
    if isinstance(event, RepeatSelectEvent):
        return _repeat_select(event)
    rho, pure = event_rho(event), event_pure(event)
    bound = None if rho is None else _concentrated(rho)
    if bound is None or pure is None:
        return bound
    return np.minimum(bound, _bounded(up(pure), laplace=isinstance(event, LaplaceEvent)))


def _repeat_select(event: RepeatSelectEvent) -> Floats | None:
    """The best of a random number of runs; None if one run may fail, or has no Rényi divergences.

    A run draws its alternative from a fixed law and tells it, so at each order its divergence is that of the
    worst alternative at most.
    """
    found: list[Floats] = []
    for alternative in event.events:
        composition = compose([alternative])
        run = cumulants(composition)
        if run is None or composition.failure > 0 or not composition.protected:
            return None
        found.append(run)
    return _selecting.cumulants(np.max(found, axis=0), event, orders=ORDERS)


def _concentrated(rho: Fraction) -> Floats | None:
    return None if rho > _LARGEST else np.asarray(ORDERS * (ORDERS - 1) * up(rho))


def _bounded(epsilon: float, *, laplace: bool) -> Floats:
    """Laplace noise, or randomised response, the worst of all epsilon-DP mechanisms.

    Mironov (2017), propositions 6 and 5: both are log(v e^((alpha-1) epsilon) + w e^(-alpha epsilon))
    with weights v and w. With noise on several cells the Laplace curve is largest if one cell takes
    the whole L1 distance, because it is convex in epsilon and 0 at 0.
    """
    first = second = np.full_like(ORDERS, -np.log1p(np.exp(-epsilon)))
    if laplace:
        first, second = np.log(ORDERS / (2 * ORDERS - 1)), np.log((ORDERS - 1) / (2 * ORDERS - 1))
    value = np.logaddexp(first + (ORDERS - 1) * epsilon, second - ORDERS * epsilon)
    return np.asarray(np.maximum(value, 0) + 4e-15 * (1 + ORDERS * epsilon))


@lru_cache(maxsize=256)
def _poisson_gaussian(rate: float, multiplier: float) -> Floats | None:
    """One step on a Poisson sample (Mironov, Talwar and Zhang, 2019, section 3.3).

    At an integer order the moment is the sum over k of C(alpha, k) (1-q)^(alpha-k) q^k
    exp((k²-k) / (2 sigma²)). Its excess over 1 is a sum of positive terms, so nothing cancels. The
    cumulant is convex in the order and 0 at order 1: between 1 and 2 the chord bounds it. The paper
    shows that the other direction of the neighbours is never the larger one.
    """
    from scipy.special import gammaln, logsumexp

    if not 1 / _LARGEST < multiplier < _LARGEST:
        return None
    values = []
    for order in _INTEGERS:
        k = np.arange(2, order + 1)
        exponent = (k * k - k) / (2 * multiplier * multiplier)
        terms = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
        terms += k * np.log(rate) + (order - k) * np.log1p(-rate)
        terms += exponent + np.log(-np.expm1(-exponent))
        values.append(np.logaddexp(0, logsumexp(terms)))
    whole = np.array(values) * (1 + 1e-10)
    result: Floats = np.r_[(_FRACTIONS - 1) * whole[0], whole]
    result.setflags(write=False)
    return result
