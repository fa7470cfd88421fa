"""Exact sampling from weights exp(rate * score): the largest of rate * score + Gumbel noise wins.

No weight is ever formed, so none can underflow to zero (pitfall P24): a candidate far behind keeps
its tiny probability, because its noise has infinitely many bits and as many are read as it takes.

*The float filter.* With V uniform and E = -log(1 - V), the Gumbel variable is -log E. Given 63 bits
of V as a double v in [2^-40, 1 - 2^-20], unseen bits and conversion change V by at most
2^-63 + 2^-53 v. For v < 1/2 this is relative to E at most 2 * (2^-23 + 2^-53); for v >= 1/2, where
E > 0.69 and dE = dV / (1 - V), at most 2^-31. Both are far below _SLACK = 2^-20, and so are the
rounding errors of log1p and log. The score enters through its exact distance from the best one, so
that rate * distance has a relative error of at most 2^-51, charged as 2^-48. A candidate is dropped
only if it is behind by more than both bounds together.

*The exact path.* Candidates that are left, or whose v lies outside those limits, are compared in
interval arithmetic on ever more bits until one is surely ahead; this ends with probability one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth.mechanisms._keystream import source
from dpsynth.mechanisms.base import IntArray

if TYPE_CHECKING:
    from dpsynth.mechanisms._keystream import WordSource

__all__ = ["EPSILON_LIMIT", "choose"]

_PREFIX = 63
_SLACK = 2.0**-20
_RELATIVE = 2.0**-48
EPSILON_LIMIT = 2.0**40


def choose(scores: IntArray, epsilon: float, sensitivity: int) -> int:
    """Draw index i with probability proportional to exp(epsilon * scores[i] / (2 * sensitivity)).

    Args:
        scores: Integers of magnitude below 2^62.
        epsilon: Length of the range of the log-probability ratios.
        sensitivity: How far one score can move between neighbours, in the unit of the scores.
    """
    words = source()
    behind = scores - scores.max()
    prefixes = (words.words(scores.size) >> np.uint64(1)).view(np.int64)
    v = prefixes * 2.0**-_PREFIX
    usable = (v >= 2.0**-40) & (v <= 1 - 2.0**-20)
    linear = behind * (epsilon / (2 * sensitivity))
    value = linear - np.log(-np.log1p(-np.where(usable, v, 0.5)))
    error = _SLACK + _RELATIVE * np.abs(linear)
    low = np.where(usable, value - error, -np.inf)
    high = np.where(usable, value + error, np.inf)
    left = [int(index) for index in np.flatnonzero(high >= low.max())]
    if len(left) == 1:
        return left[0]
    return _settle({i: int(prefixes[i]) for i in left}, behind, (epsilon, sensitivity), words)


def _settle(prefixes: dict[int, int], behind: IntArray, rate: tuple[float, int], source: WordSource) -> int:
    """The index that is surely ahead of all others, reading more bits of each until there is one."""
    from mpmath.ctx_iv import MPIntervalContext

    iv = MPIntervalContext()  # an own context: its precision is nobody else's
    bits = _PREFIX
    while True:
        iv.prec = bits + 64
        values = {i: _interval(iv, prefix, bits, int(behind[i]), rate) for i, prefix in prefixes.items()}
        best = max(values, key=lambda i: values[i].a)
        ahead = [i for i in values if i == best or not values[i].b < values[best].a]
        if ahead == [best]:
            return best
        prefixes = {i: prefixes[i] << 64 | int(source.words(1)[0]) for i in ahead}
        bits += 64


def _interval(iv: Any, prefix: int, bits: int, behind: int, rate: tuple[float, int]) -> Any:
    """Bounds on one noisy score, widened past the last places of mpmath's logarithm."""
    whole = 1 << bits
    rest = iv.mpf([whole - prefix - 1, whole - prefix]) / whole  # all 1 - V that begin with these bits
    gumbel = -iv.log(-iv.log(rest))
    pad = iv.mpf([-1, 1]) / (1 << bits + 24)
    return gumbel + pad + iv.mpf(behind) * iv.mpf(rate[0]) / (2 * rate[1])
