"""Gaussians beside steps that only Rényi orders can price: the Gaussians exactly, the rest by its orders.

Rényi orders lose much on Gaussians: at (1, 1e-6) an eighth of mu squared. Here the Gaussians, merged to one
of mu, keep their exact privacy loss, which is normal with mean mu²/2 and variance mu². Given that loss l, the
rest may spend epsilon - l: the run is (epsilon, delta)-DP for

    delta = E over l of delta_rest(epsilon - l),

because the hockey-stick divergence of a composition is that mean, for every pair of dominating distributions
(Zhu, Dong and Wang, 2022), and for an adaptive rest because it is dominated whatever came before. delta_rest
is that of Canonne, Kamath and Steinke (2020, proposition 12); its proof compares two functions of the loss at
every real epsilon, negative ones included. The mean is an upper sum: delta_rest falls in its argument.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dpsynth.privacy.rdp import ORDERS
from dpsynth.privacy.zcdp import order_bound

__all__ = ["Mixed"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_CELLS_OF_DEVIATION = 96
_REACH = (-9.0, 38.0)  # in deviations; beyond the second the normal tail is below 1e-300
_ARGUMENTS = 8192
_FINEST, _FARTHEST = 0.01, 1e4
_ROUND_OFF = 1e-11


class Mixed:
    """Gaussians and a rest, as log(delta) of epsilon.

    Args:
        mu: The Gaussians, merged.
        cumulants: Of the rest at `ORDERS`: (alpha-1) times its Rényi divergence.
    """

    def __init__(self, mu: float, cumulants: Floats) -> None:
        from scipy.special import ndtr

        half = _ARGUMENTS // 2
        steps = np.arange(-half, half) / half * math.asinh(_FARTHEST / _FINEST)
        self._arguments = _FINEST * np.sinh(steps)
        self._rest = np.exp(np.minimum(_log_delta(cumulants, self._arguments), 0.0))
        cells = round((_REACH[1] - _REACH[0]) * _CELLS_OF_DEVIATION)
        edges = np.linspace(*_REACH, cells + 1)
        # The first cell holds all that is below; what is above the last counts as a failure.
        upper_tails = np.r_[1.0, ndtr(-edges[1:])]
        self._masses = upper_tails[:-1] - upper_tails[1:]
        self._beyond = float(upper_tails[-1])
        self._losses = mu * mu / 2 + mu * edges[1:]

    def log_delta(self, epsilon: float) -> float:
        """Logarithm of the smallest delta known at `epsilon`, rounded up."""
        left = epsilon - self._losses
        below = np.searchsorted(self._arguments, left - _ROUND_OFF * np.abs(left), side="right") - 1
        rest = np.where(below < 0, 1.0, self._rest[np.maximum(below, 0)])
        delta = float(self._masses @ rest) * (1 + _ROUND_OFF) + self._beyond
        return min(math.log(delta), 0.0) if delta > 0 else -math.inf


def _log_delta(cumulants: Floats, epsilons: Floats) -> Floats:
    """The bound of the best order at each epsilon.

    The bound of an order falls along a line in epsilon, and the lowest line shows the best order. Which is
    taken where is a matter of tightness: each is valid everywhere. `order_bound` rounds up for a magnitude of
    epsilon.
    """
    divergences = cumulants / (ORDERS - 1)
    lines = order_bound(ORDERS, divergences, 0.0) - np.multiply.outer(epsilons, ORDERS - 1)
    best = np.argmin(lines, axis=1)
    bound = order_bound(ORDERS[best], divergences[best], epsilons)
    return np.asarray(bound + 2e-15 * (ORDERS[best] - 1) * np.abs(epsilons))
