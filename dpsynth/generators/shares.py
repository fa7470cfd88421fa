"""Divide a price: over columns and pairs of columns, and over queries that are known only later."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dpsynth import _validate
from dpsynth.mechanisms import GaussianMechanism, MergedMarginal

__all__ = ["divided", "one_way_share"]

_UNDER = 1 - 1e-12
_TYPICAL_MU, _TYPICAL_BUCKETS = 0.18, 12.0


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


def one_way_share(sizes: Sequence[int], mu: float) -> float:
    """The share of `mu` squared for one-way counts that minimises the noise of all pairs of columns.

    With precision in proportion to size^(2/3) the L1 noise of a set of tables is (sum of size^(2/3))^(3/2)
    / mu. One-way noise reaches every pair of its column. The number of buckets is not known yet: it is
    taken to grow with the root of mu.

    Args:
        sizes: The number of codes of each column that varies, two columns or more.
        mu: The whole budget.
    """
    number = _TYPICAL_BUCKETS * math.sqrt(mu / _TYPICAL_MU)
    alone = sum(size ** (2 / 3) for size in sizes)
    coarse = [min(size, max(number, 2.0)) ** (2 / 3) for size in sizes]
    together = (sum(coarse) ** 2 - sum(power**2 for power in coarse)) / 2
    reached = alone * math.pow(len(sizes) - 1, 2 / 3)
    return float(reached / (reached + together))
