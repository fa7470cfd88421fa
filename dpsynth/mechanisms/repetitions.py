"""How often a secret run is repeated, and what it tries: draws from the keystream of the noise.

The number of runs is part of the mechanism: its law is what the price rests on, and its value stays secret.
Each law is followed to 2^-100 in total variation, by inversion with 128 bits against sums of 60 digits.
How long a draw takes depends on what is drawn: timing is outside the guarantee.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from itertools import accumulate, count
from typing import Any

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms._keystream import random_words
from dpsynth.privacy.events import RepeatSelectEvent

__all__ = ["drawn_index", "drawn_number", "drawn_seed"]

_DIGITS = 60
_BITS = 128


def drawn_number(event: RepeatSelectEvent) -> int:
    """How many runs there are, by the law of `event`.

    Privacy: uses no data. The number must not leave the session.
    """
    import mpmath

    with mpmath.workdps(_DIGITS):
        point = (mpmath.mpf(_uniform()) + mpmath.mpf("0.5")) / 2**_BITS
        poisson = event.distribution == "poisson"
        chances = _poisson(event.mean) if poisson else _negative_binomial(event.mean, event.eta)
        first = 0 if poisson else 1
        return next(k for k, below in enumerate(accumulate(chances), start=first) if below > point)


def drawn_index(weights: Sequence[float]) -> int:
    """A place in `weights`, with a chance in proportion to what stands there.

    Privacy: uses no data. Each run draws its own, whatever the others drew.

    Raises:
        ConfigurationError: A weight is not positive, or there is none.
    """
    if not weights:
        raise ConfigurationError("Expected at least one weight.")
    wholes = [int(_validate.positive("weight", weight) / max(weights) * 2**60) or 1 for weight in weights]
    point = _uniform() * sum(wholes) >> _BITS
    return next(place for place, above in enumerate(accumulate(wholes)) if point < above)


def drawn_seed() -> int:
    """A seed for the post-processing of one run. It may be told: it says nothing about the data."""
    return int(random_words(1)[0] >> np.uint64(1))


def _uniform() -> int:
    """A whole number of 128 uniform bits."""
    first, second = random_words(2)
    return int(first) << 64 | int(second)


def _poisson(mean: float) -> Iterator[Any]:
    """The chances of 0, 1, 2, ... runs."""
    import mpmath

    steps = (mpmath.mpf(mean) / number for number in count(1))
    return accumulate(steps, operator.mul, initial=mpmath.exp(-mpmath.mpf(mean)))


def _negative_binomial(mean: float, eta: float) -> Iterator[Any]:
    """The chances of 1, 2, 3, ... runs (Papernot and Steinke, 2022, definition 1)."""
    import mpmath

    y = _log_inverse_gamma(mean, eta)
    rest = -mpmath.expm1(-y)  # 1 - gamma
    chance = rest / y if eta == 0 else rest * eta / mpmath.expm1(eta * y)
    steps = (rest * (number - 1 + mpmath.mpf(eta)) / number for number in count(2))
    return accumulate(steps, operator.mul, initial=chance)


def _log_inverse_gamma(mean: float, eta: float) -> Any:
    """log(1/gamma) of the law with this mean, by halving: the mean rises with it."""
    import mpmath

    def mean_at(y: Any) -> Any:
        return mpmath.expm1(y) / (y if eta == 0 else -mpmath.expm1(-eta * y) / mpmath.mpf(eta))

    low, high = mpmath.mpf(0), mpmath.mpf(1)
    while mean_at(high) < mean:
        low, high = high, 2 * high
    for _ in range(4 * _DIGITS):
        middle = (low + high) / 2
        low, high = (middle, high) if mean_at(middle) < mean else (low, middle)
    return high
