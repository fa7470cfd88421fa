"""What it costs to keep the best of a random number of runs (Papernot and Steinke, 2022).

Everything is in cumulants: c(alpha) = (alpha-1) times the Rényi divergence of one run at order alpha.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dpsynth.privacy._solve import boundary
from dpsynth.privacy.events import RepeatSelectEvent
from dpsynth.privacy.zcdp import order_bound

__all__ = ["cumulants", "log_inverse_gamma"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_ROUND_OFF = 1e-11  # more than the solver's tolerance and every rounding below


def cumulants(run: Floats, event: RepeatSelectEvent, *, orders: Floats) -> Floats:
    """The cumulants of the best run at `orders`, which rise, rounded up, from those of one run."""
    if event.distribution == "poisson":
        more = _poisson(run, event.mean, orders)
    else:
        # Theorem 2, with the order of its second divergence chosen freely. In the paper's terms
        # (1 - 1/order) * divergence is c / order, and that is joined by log(1/gamma) / order.
        second = float(np.min((run + log_inverse_gamma(event.mean, event.eta)) / orders))
        more = (orders - 1) * (1 + event.eta) * second + math.log(event.mean)
    whole = run + more + _ROUND_OFF * (1 + np.abs(run) + np.abs(more))
    # A Rényi divergence rises with its order, so that of a higher order bounds it too.
    least = np.minimum.accumulate((whole / (orders - 1))[::-1])[::-1]
    return np.asarray(np.maximum(least, 0.0) * (orders - 1) * (1 + _ROUND_OFF))


def log_inverse_gamma(mean: float, eta: float) -> float:
    """log(1/gamma) of the truncated negative binomial law with this mean, rounded up.

    The mean is (1/gamma - 1) / log(1/gamma) for eta = 0, else eta (1/gamma - 1) / (1 - gamma^eta).
    """
    if mean == 1:
        return 0.0
    aim = math.log(mean) * (1 + 1e-15) + 1e-13  # more than what rounding does to `short`

    def short(x: float) -> float:
        shape = x if eta == 0 else -math.expm1(-eta * x) / eta
        return aim - (x + math.log(-math.expm1(-x)) - math.log(shape))

    return (boundary(short, rising=False) or 0.0) * (1 + _ROUND_OFF)


def _poisson(run: Floats, mean: float, orders: Floats) -> Floats:
    """Theorem 6: (alpha-1) mean d + log(mean) is added; a run is (e, d)-DP at e = log(1 + 1/(alpha-1))."""
    at = -np.log1p(-1 / orders)
    bounds = order_bound(orders[:, None], (run / (orders - 1))[:, None], at[None, :])
    deltas = np.exp(np.minimum(np.min(bounds, axis=0), 0.0))
    return np.asarray((orders - 1) * mean * deltas + math.log(mean))
