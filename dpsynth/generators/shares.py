"""Divide a fixed price over queries that are known only after the plan was committed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dpsynth import _validate
from dpsynth.mechanisms import GaussianMechanism, MergedMarginal

__all__ = ["divided"]

_UNDER = 1 - 1e-12


def divided(
    queries: Sequence[MergedMarginal], weights: Sequence[float], *, total: float
) -> GaussianMechanism:
    """Answer `queries` with precision mu_i^2 in proportion to `weights` > 0, for `total` together.

    The event is `GaussianEvent(total)` to the last bit, whatever the weights: they may follow from
    noisy answers while the plan stays as committed. The shares are cut by one part in 10^12, more than
    rounding can add to their sum; the mechanism refuses shares that cost more than the total.
    """
    for weight in weights:
        _validate.positive("weights", weight)
    whole = math.fsum(weights)
    mus = tuple(_UNDER * total * math.sqrt(weight / whole) for weight in weights)
    return GaussianMechanism(queries=tuple(queries), mus=mus, total=total)
