"""Powers of distributions under circular convolution, by a Fourier transform with a proven error.

The transform keeps the order of its stages' geometry (Pease, 1968), so each stage is a few passes over whole
lists. It leaves the frequencies in bit-reversed order, which products do not mind.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from operator import add, mul, sub

from .rounding import UNIT

__all__ = ["composed", "transform_error"]

_STAGE = 8 * UNIT  # one addition, one multiplication (sqrt(5) units) and one twiddle factor (3 units)
_POWER = 32 * UNIT  # of z**n for each of the n: absolute value, angle and their multiples


def composed(parts: Sequence[tuple[Sequence[float], int]]) -> list[float]:
    """The circular convolution of all parts, each as often as it says; see `transform_error`.

    Args:
        parts: Lists of one length, a power of two, of numbers >= 0 with sum 1.
    """
    twiddles = _twiddles(len(parts[0][0]))
    whole: list[complex] | None = None
    for values, times in parts:
        frequencies = _forward(list(map(complex, values)), twiddles)
        powers = frequencies if times == 1 else [value**times for value in frequencies]
        whole = powers if whole is None else list(map(mul, whole, powers))
    return [value.real for value in _backward(whole or [], twiddles)]


def transform_error(length: int, counts: Sequence[int]) -> float:
    """A bound on the absolute error of each entry of `composed`.

    Each frequency of a list with sum 1 is computed by a tree of log2(length) stages whose partial results are
    at most 1 in absolute sum, so it is wrong by at most `_STAGE` for each stage. Raised to a power n, an
    error e of a number of absolute value <= 1 becomes at most n e (1 + e)^n. The mean over all frequencies,
    which is the inverse transform, is wrong by no more than the worst of them, and by its own stages.
    """
    stages = length.bit_length()
    times = sum(counts)
    frequency = stages * _STAGE + _POWER
    if times * frequency > 0.01:
        return math.inf
    return 1.1 * (times * frequency + len(counts) * _STAGE + stages * _STAGE)


def _twiddles(length: int) -> list[complex]:
    return [cmath.rect(1.0, -2 * math.pi * k / length) for k in range(length // 2)]


def _stage_twiddles(twiddles: Sequence[complex], stage: int) -> list[complex]:
    run = 1 << stage
    return [value for value in twiddles[::run] for _ in range(run)]


def _forward(values: list[complex], twiddles: Sequence[complex]) -> list[complex]:
    half = len(values) // 2
    for stage in range(half.bit_length()):
        first, second = values[:half], values[half:]
        values[0::2] = map(add, first, second)
        values[1::2] = map(mul, map(sub, first, second), _stage_twiddles(twiddles, stage))
    return values


def _backward(values: list[complex], twiddles: Sequence[complex]) -> list[complex]:
    """Each stage of `_forward` undone, the last first, with one division at the end."""
    half = len(values) // 2
    inverse = [value.conjugate() for value in twiddles]
    for stage in reversed(range(half.bit_length())):
        sums, turned = values[0::2], map(mul, values[1::2], _stage_twiddles(inverse, stage))
        differences = list(turned)
        values[:half] = map(add, sums, differences)
        values[half:] = map(sub, sums, differences)
    return [value / len(values) for value in values]
