"""Exact rounded Gaussian and Laplace noise on the integers, fed by a keystream.

For an integer x and continuous noise N, x + round(N) = round(x + N): adding *rounded* noise to a
count is post-processing of the textbook mechanism, so every theorem about the continuous mechanism
holds as it stands, and no float ever carries the answer (Mironov, 2012; Haney et al., 2022;
pitfalls P24, P26).

Sampling is by inversion. One bit of a word is the sign; the other 63 are the first bits of a number
U that is uniform on (0, 1) and has infinitely many. The magnitude is T = Q(U), where Q inverts the
tail probability P(|N| >= t), and the draw is the integer k whose cell [k - 1/2, k + 1/2) holds
scale * T. The law of the draw is exactly that of round(N): k is only ever accepted when *all* numbers
that begin with the bits seen so far lead to k.

*The float filter.* Let u be the 63 bits as a double, and q the floating-point Q. It accepts a draw
with u >= 2^-17 whose scale * q(u) keeps the distance _SLACK * scale + 2^-50 from the edges of its
cell. Why that distance suffices; all figures are bounds on the error of T:
  - bits not seen: at most 2^-63 of U; conversion to double: at most 2^-53 u. Relative to u that is at
    most 2^-46 + 2^-53, and |dT| = u h(T) * (relative change), where h is 1 for Laplace and the Mills
    ratio, at most 1.26, for the Gaussian (at most 1/T, hence 2^-48 where the 2^-46 applies). So it
    costs less than 2^-45.9 for each law.
  - the function: T <= 12 (Laplace) or 4.5 (Gaussian). numpy states 4 units in the last place for log,
    which is 12 * 2^-50 < 2^-46.4; scipy's ndtri is allowed as much. Measured against high-precision
    arithmetic both stay below 2^-49, and a test holds every platform to 2^-48.
  - the product with scale: one rounding, 12 * 2^-53 < 2^-49. Subtracting the nearest integer is exact.
  Their sum is below 2^-44.8 < _SLACK = 2^-44; 2^-50 covers the rounding of the limit itself.

*The exact path.* Any other draw (about 2^-17 + 2 _SLACK scale of them) goes on reading bits until
integer arithmetic with proven bounds (`_exact`) separates it from the edges of its cell. This ends
with probability one. How long it takes depends on the noise: timing is outside the guarantee.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import _exact
from dpsynth.mechanisms._keystream import WordSource, source, tainted
from dpsynth.mechanisms.base import IntArray

__all__ = ["SCALE_LIMIT", "check_scale", "rounded_gaussian", "rounded_laplace", "tainted"]

SCALE_LIMIT = 2.0**40  # beyond it the filter decides nothing, and sums of noise could leave int64

_CHUNK = 2**15  # words held at once: the buffers stay in the second-level cache
_PREFIX = 63
_TAIL = 2.0**-17
_SLACK = 2.0**-44

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class _Law:
    quantile: Callable[[FloatArray], FloatArray]
    tail: _exact.Tail


def rounded_gaussian(sigma: float, size: int) -> IntArray:
    """`size` independent draws of round(N(0, sigma^2)), exact in distribution."""
    return _draw(_Law(_gaussian_quantile, _exact.gaussian_tail), sigma, size)


def rounded_laplace(scale: float, size: int) -> IntArray:
    """`size` independent draws of round(Laplace(scale)), exact in distribution."""
    return _draw(_Law(_laplace_quantile, _exact.laplace_tail), scale, size)


def check_scale(scale: float) -> float:
    """Return `scale` if noise can be drawn at it."""
    if _validate.positive("the noise scale", scale) >= SCALE_LIMIT:
        raise ConfigurationError(
            f"Expected a noise scale below 2^40, got {scale!r}. Spend more on this query."
        )
    return scale


def _gaussian_quantile(u: FloatArray) -> FloatArray:
    from scipy.special import ndtri

    tail: FloatArray = ndtri(u * 0.5)
    return np.negative(tail, out=tail)


def _laplace_quantile(u: FloatArray) -> FloatArray:
    logarithm: FloatArray = np.log(u)
    return np.negative(logarithm, out=logarithm)


def _draw(law: _Law, scale: float, size: int) -> IntArray:
    check_scale(scale)
    noise = np.empty(size, dtype=np.int64)
    words = source()
    for start in range(0, size, _CHUNK):
        _fill(noise[start : start + _CHUNK], law, scale, words)
    return noise


def _fill(noise: IntArray, law: _Law, scale: float, source: WordSource) -> None:
    words = source.words(noise.size)
    prefixes = (words >> np.uint64(1)).view(np.int64)
    u = np.maximum(prefixes * 2.0**-_PREFIX, _TAIL)
    x = law.quantile(u)
    x *= scale
    nearest = np.rint(x)
    noise[:] = nearest
    x -= nearest
    accepted = (np.abs(x, out=x) < 0.5 - (_SLACK * scale + 2.0**-50)) & (u > _TAIL)
    for index in np.flatnonzero(~accepted):
        noise[index] = _settle(int(prefixes[index]), law, scale, source)
    sign = -(words & np.uint64(1)).view(np.int64)
    noise ^= sign  # two's complement: (k ^ -1) - (-1) = -k
    noise -= sign


def _settle(prefix: int, law: _Law, scale: float, source: WordSource) -> int:
    """The cell of a magnitude whose U begins with the 63 bits `prefix`; reads more bits as needed."""
    bits = _PREFIX
    while True:
        side = partial(_side, law.tail, Fraction(scale), prefix, bits)
        middle = float(Fraction(2 * prefix + 1, 2 << bits))
        cell = round(float(law.quantile(np.array([max(middle, 1e-300)]))[0]) * scale)
        inner, outer = side(cell), side(cell + 1)
        while outer > 0:
            cell, inner, outer = cell + 1, outer, side(cell + 2)
        while inner < 0:
            cell, inner, outer = cell - 1, side(cell - 1), inner
        if inner > 0 > outer:
            return cell
        prefix = prefix << 64 | int(source.words(1)[0])
        bits += 64


def _side(tail: _exact.Tail, scale: Fraction, prefix: int, bits: int, edge: int) -> int:
    """Whether the magnitude is surely at least edge - 1/2 (1), surely less (-1), or still open (0)."""
    if edge == 0:
        return 1
    low, high = tail((edge - Fraction(1, 2)) / scale, bits + 64)
    return int((prefix + 1) << 64 <= low) - int(prefix << 64 >= high)
