"""Privacy loss distributions, by the optional package dp-accounting: the tightest prices, in seconds.

Only for plans that are fixed before the first draw (pitfall P16). No neighbouring relation is handed
over: events are normalised (pitfall P20), so the package's native pair at sensitivity 1 is the right one.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

from dpsynth._lazy import require
from dpsynth.privacy.composition import Composition, event_pure
from dpsynth.privacy.events import Event, GaussianEvent, LaplaceEvent, PoissonGaussianEvent

DELTA_FLOOR = 1e-13
_ROUND_OFF = 1e-14  # kept back from delta for the rounding of the Fourier transforms


def epsilon(composition: Composition, delta: float, *, near: float) -> float | None:
    """The smallest epsilon on the loss grid at `delta`; None if this engine cannot price the events.

    Args:
        composition: What was done.
        delta: For the events without their failures. Below `DELTA_FLOOR` truncation and rounding
            would swallow the answer, so there is none.
        near: An epsilon known from another engine. It sets the width of the loss grid; every width
            gives an upper bound, because losses are rounded up.
    """
    if delta < DELTA_FLOOR or not 0 < near < math.inf:
        return None
    width = 5e-5 * max(near, 0.1)
    gaussian = [(GaussianEvent(mu=composition.mu), 1)] if composition.squared_mu else []
    losses = []
    for event, times in (*gaussian, *composition.others):
        loss = _loss(event, width)
        if loss is None:
            return None
        losses.append(loss if times == 1 else loss.self_compose(times))
    whole = reduce(lambda left, right: left.compose(right), losses)
    found = float(whole.get_epsilon_for_delta(delta - _ROUND_OFF))
    return found if math.isfinite(found) else None


def _loss(event: Event, width: float) -> Any:
    library = require("dp_accounting.pld.privacy_loss_distribution", extra="pld")
    grid = {"value_discretization_interval": width}
    match event:
        case GaussianEvent():
            return library.from_gaussian_mechanism(math.nextafter(1 / event.mu, 0.0), **grid)
        case LaplaceEvent():  # several cells: the worst case is one cell that takes the whole L1 distance
            return library.from_laplace_mechanism(math.nextafter(1 / event.epsilon, 0.0), **grid)
        case PoissonGaussianEvent():
            multiplier, rate = event.noise_multiplier, event.sampling_rate
            return library.from_gaussian_mechanism(multiplier, sampling_prob=rate, **grid)
        case _:
            pure = event_pure(event)
            if pure is None:
                return None
            common = require("dp_accounting.pld.common", extra="pld")
            return library.from_privacy_parameters(common.DifferentialPrivacyParameters(float(pure)), **grid)
