"""Zero-concentrated differential privacy (Bun and Steinke, 2016), turned into (epsilon, delta)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from dpsynth.privacy._solve import smallest_epsilon

_LARGEST = 1e100


def order_bound(alpha: Any, divergence: Any, epsilon: Any) -> Any:
    """Logarithm of a delta that goes with `epsilon`, from one Rényi divergence, rounded up.

    delta = exp((alpha-1)(divergence-epsilon)) / (alpha-1) (1-1/alpha)^alpha (Canonne, Kamath and
    Steinke, 2020, proposition 12). Takes numbers or arrays of orders alpha > 1.
    """
    less, log_alpha = alpha - 1, np.log(alpha)
    correction = less * np.log1p(-1 / alpha)
    value = less * (divergence - epsilon) + correction - log_alpha
    return value + 1e-15 * (less * (divergence + epsilon) - correction + log_alpha + 1)


def log_delta(rho: float, epsilon: float) -> float:
    """Logarithm of the smallest delta that rho-zCDP is known to give at `epsilon`, rounded up."""
    if rho > _LARGEST:
        return 0.0
    if rho == 0:
        return -math.inf
    alpha = _best_order(rho, epsilon)
    return min(float(order_bound(alpha, alpha * rho, epsilon)), 0.0)


def epsilon(rho: float, delta: float) -> float:
    """The smallest epsilon that rho-zCDP is known to give at `delta`, rounded up."""
    return smallest_epsilon(partial(log_delta, rho), delta)


def _best_order(rho: float, epsilon: float) -> float:
    """The order that minimises the bound: Newton on its (increasing, concave) derivative.

    It starts left of the root and stays there. Every order is valid, so an inexact one costs
    tightness and never safety.
    """
    start = alpha = min(max((epsilon / rho + 1) / 2, 1 + 1e-9), _LARGEST)
    for _ in range(60):
        slope = (2 * alpha - 1) * rho - epsilon + math.log1p(-1 / alpha)
        previous, alpha = alpha, alpha - slope / (2 * rho + 1 / (alpha * (alpha - 1)))
        alpha = min(max(alpha, start), _LARGEST)
        if abs(alpha - previous) <= 1e-9 * alpha:
            break
    return alpha
