"""Gaussian differential privacy (Dong, Roth and Su, 2022): exact for compositions of Gaussians."""

from __future__ import annotations

import math
from functools import partial

from dpsynth.privacy._solve import smallest_epsilon

_LARGEST = 1e100


def log_delta(mu: float, epsilon: float) -> float:
    """Logarithm of the smallest delta at which mu-GDP implies (epsilon, delta)-DP, rounded up.

    delta = Phi(-epsilon/mu + mu/2) - e^epsilon Phi(-epsilon/mu - mu/2) (Balle and Wang, 2018). With
    x = epsilon/mu - mu/2 and the Mills ratio M it equals phi(x) (M(x) - M(x + mu)), where nothing
    underflows or cancels. `error` bounds the rounding of M and of x, `slack` what that of x does to phi.
    """
    from scipy.special import erfcx, ndtr

    if mu > _LARGEST:
        return 0.0
    if mu == 0:
        return -math.inf
    scaled = min(epsilon / mu, _LARGEST)
    x, far = scaled - mu / 2, scaled + mu / 2
    log_phi = -x * x / 2 - math.log(2 * math.pi) / 2
    beyond = _mills(erfcx(far / math.sqrt(2)))
    if x < -1:  # then mu > 2 and delta > 1/2: the plain form is accurate
        value = math.log(ndtr(-x) - math.exp(log_phi) * beyond)
    else:
        near = _mills(erfcx(x / math.sqrt(2)))
        error = 1e-14 * (near + abs(1 - x * near) * far)
        value = log_phi + math.log(near - beyond + error)
    slack = 1e-15 * (4 + x * x + (abs(x) + 1) * far)
    return min(value + slack, 0.0)


def epsilon(mu: float, delta: float) -> float:
    """The smallest epsilon at which mu-GDP implies (epsilon, delta)-DP, rounded up."""
    return smallest_epsilon(partial(log_delta, mu), delta)


def advantage(mu: float) -> float:
    """The largest (true minus false positive rate) of a test for one unit's presence."""
    return math.erf(mu / math.sqrt(8))


def power(mu: float, false_positive_rate: float) -> float:
    """The largest true positive rate of a test with this false positive rate."""
    from scipy.special import ndtr, ndtri

    return float(ndtr(ndtri(false_positive_rate) + mu))


def _mills(scaled_tail: float) -> float:
    return math.sqrt(math.pi / 2) * float(scaled_tail)
