"""The best of a random number of runs, of which only the winner is shown.

Let K be the number of runs, f(x) the mean of x^K, and q(y) the chance that one run scores below y. The winner
has at y the density of one run times f'(q(y)), which follows from how likely worse runs are. (Ties, broken at
random, change nothing.) So the moment of order a of the loss is that of one run times at most the largest

    f'(q)^a f'(p)^(1-a),

where q and p are the chances of one event under neighbouring tables (Papernot and Steinke, 2022, lemma 7).

*Truncated negative binomial.* f'(x) = m g^(1+s) (1 - (1-g) x)^(-1-s), with mean m and shape s. The bracket,
g + (1-g)(1-x), is the chance of another event of one run, so by its cumulant c(b) of any order b, the bracket
of p is at most e^(c(b)/b) times the bracket of q to the power 1 - 1/b. The bracket of q is at least g. Put
together, the logarithm is at most log m + (a-1)(1+s)(c(b) + log(1/g))/b.

*Poisson.* f'(x) = m e^(m (x-1)). The logarithm is log m + m (a q - (a-1) p - 1), and what is in brackets is
(a-1)((1-p) - a/(a-1) (1-q)): at most (a-1) d if one run is (log(a/(a-1)), d)-DP.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .rounding import UNIT

__all__ = ["best_of"]

_ROUND_OFF = 1e-11

Cumulants = Sequence[float]


def best_of(
    run: Cumulants, orders: Cumulants, *, mean: float, shape: float, log_delta: Callable[[float], float]
) -> tuple[float, ...]:
    """The cumulants of the winner at `orders`, each rounded up.

    Args:
        run: The cumulants of one run at `orders`.
        orders: All above 1, in rising order.
        mean: Mean number of runs.
        shape: Of the negative binomial law; infinite for the Poisson law, its limit.
        log_delta: The logarithm of a delta of one run at any epsilon.
    """
    if shape == math.inf:
        more = [(order - 1) * mean * math.exp(log_delta(-math.log1p(-1 / order))) for order in orders]
    else:
        spread = _log_inverse(mean, shape)
        second = min((part + spread) / order for part, order in zip(run, orders, strict=True))
        more = [(order - 1) * (1 + shape) * second for order in orders]
    found: list[float] = []
    least = math.inf  # a divergence rises with its order: those of higher orders bound it
    for part, extra, order in reversed(list(zip(run, more, orders, strict=True))):
        whole = part + extra + math.log(mean)
        whole += _ROUND_OFF * (1 + part + extra + abs(math.log(mean)))
        least = min(least, max(whole, 0.0) / (order - 1))
        found.append(least * (order - 1) * (1 + 8 * UNIT))
    return tuple(reversed(found))


def _log_inverse(mean: float, shape: float) -> float:
    """log(1/g) for which the mean is `mean`, rounded up: the mean rises with it, so it is halved on."""
    if mean == 1:
        return 0.0
    low, high = 0.0, 1.0
    while _log_mean(high, shape) < math.log(mean):
        low, high = high, 2 * high
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _log_mean(middle, shape) < math.log(mean) else (low, middle)
    return high * (1 + _ROUND_OFF) + 1e-13


def _log_mean(y: float, shape: float) -> float:
    """Logarithm of the mean for log(1/g) = y: (e^y - 1) / y in the limit of shape 0."""
    grown = y + math.log(-math.expm1(-y))
    return grown - math.log(y if shape == 0 else -math.expm1(-shape * y) / shape)
