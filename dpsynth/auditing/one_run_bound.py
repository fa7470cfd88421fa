"""From guesses about many canaries in one run to a lower bound on epsilon.

After Steinke, Nasr and Jagielski (2023), theorem 5.2: m rows are put into a table by independent fair coins,
one release is made, and the attacker guesses r of the coins, as he likes, and abstains from the others. If
the release is (epsilon, delta)-DP for one row, the number of right guesses W satisfies, for every v,

    P(W >= v) <= P(B >= v) + 2 m delta max_(1 <= i <= v) P(v > B >= v - i) / i,

where B is binomial, r trials at e^epsilon / (1 + e^epsilon). Nothing is assumed about how the release treats
the canaries together.
"""

from __future__ import annotations

import math

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError

__all__ = ["one_run_bound", "one_run_tail"]

_LARGEST = 50.0
_HALVINGS = 50


def one_run_tail(epsilon: float, *, delta: float, canaries: int, guesses: int, right: int) -> float:
    """The largest probability of so many right guesses, or more, under (epsilon, delta)-DP."""
    from scipy.stats import binom

    rate = 1 / (1 + math.exp(-epsilon))
    tail = float(binom.sf(right - 1, guesses, rate))
    if not delta or not right:
        return min(tail, 1.0)
    below = np.cumsum(binom.pmf(np.arange(right - 1, -1, -1), guesses, rate))
    return min(1.0, tail + 2 * canaries * delta * float((below / np.arange(1, right + 1)).max()))


def one_run_bound(
    right: int, guesses: int, *, canaries: int, delta: float, confidence: float = 0.95
) -> float:
    """The largest epsilon whose claim so many right guesses refute; 0 if they refute none.

    With `right` = `guesses` the ceiling of an audit.

    Raises:
        ConfigurationError: There are more guesses than canaries, or more right ones than guesses.
    """
    _validate.fraction("confidence", confidence)
    if not 0 <= right <= guesses <= canaries or not guesses:
        raise ConfigurationError(
            f"Expected right guesses <= guesses <= canaries, got {right}, {guesses}, {canaries}."
        )

    def refuted(epsilon: float) -> bool:
        tail = one_run_tail(epsilon, delta=delta, canaries=canaries, guesses=guesses, right=right)
        return tail <= 1 - confidence

    if not refuted(0.0):
        return 0.0
    low, high = 0.0, _LARGEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low
