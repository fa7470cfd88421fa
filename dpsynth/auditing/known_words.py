"""Words that are known, in place of random ones: they show what a mechanism computes under its noise.

Noise is drawn by inversion (see `mechanisms._noise`), so a word tells how much: from `SILENT` words all
additive noise is zero, and an answer is the exact one; from `LOUD` words it is a known multiple of the scale
that the mechanism really used. So an audit runs the real code, and needs no second copy of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from dpsynth.testing.insecure import WordArray, WordSource

__all__ = ["LOUD", "LOUD_GAUSSIAN", "LOUD_LAPLACE", "SILENT", "Answering", "Constant", "Heard", "gumbel_word"]

_LOUD_TAIL = 2.0**-16


@dataclass(frozen=True, slots=True)
class Constant:
    """The same word again and again."""

    word: int

    def words(self, count: int) -> WordArray:
        """So many of it."""
        return np.full(count, self.word, dtype=np.uint64)


SILENT = Constant(2**64 - 2)
"""The largest probability of being exceeded, and no sign: noise of zero."""
LOUD = Constant(round(_LOUD_TAIL * 2**63) << 1)
"""Noise that is exceeded with a probability of 2^-16 only."""
LOUD_GAUSSIAN = 4.3249
"""What Gaussian noise from `LOUD` words is in units of sigma, rounded down."""
LOUD_LAPLACE = 16 * math.log(2)
"""The same for Laplace noise in units of its scale."""


@dataclass(frozen=True, slots=True)
class Answering:
    """Words that follow from how many are asked: consumers of one run are told apart by that."""

    give: Callable[[int], WordArray | None]

    def words(self, count: int) -> WordArray:
        """What `give` says; silent words where it says nothing."""
        given = self.give(count)
        return SILENT.words(count) if given is None else given


@dataclass(slots=True)
class Heard:
    """Passes words on and tells that it did.

    Attributes:
        source: Gives the words.
        log: Where every request is written, with how many words it was for.
    """

    source: WordSource
    log: list[tuple[str, int]] = field(default_factory=list)

    def words(self, count: int) -> WordArray:
        """The next words of `source`."""
        self.log.append(("noise", count))
        return self.source.words(count)


def gumbel_word(value: float) -> int:
    """The word from which the noise of a candidate of the exponential mechanism is `value`."""
    v = -math.expm1(-math.exp(-value))
    return min(max(round(v * 2**63), 2**24), 2**63 - 2**44) << 1
