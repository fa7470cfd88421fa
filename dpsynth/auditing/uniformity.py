"""Whether noise has the law that was paid for: exact tests of numbers that are then independent and uniform.

Every draw was turned into a number that is uniform, and by the normal quantile into one that is standard
normal, exactly if the draw has its law (`laws`). Each test is of a statistic whose law is then known exactly,
so its false alarms are known too, whatever the number of draws: a normal or a chi-squared variable, or a
binomial one for each of some bins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.auditing.evidence import Check
from dpsynth.auditing.laws import FloatArray

__all__ = ["LEVEL", "Draw", "checks_of_choices", "checks_of_noise"]

LEVEL = 1e-6
"""Probability of a false alarm of each test."""

_BINS = 32


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Draw:
    """The noise of one answer.

    Attributes:
        uniform: One number for each cell.
        empty: For each cell whether its exact count is zero.
    """

    uniform: FloatArray
    empty: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

    @property
    def normal(self) -> FloatArray:
        """The same as standard normal numbers, cut where they are 8 or more."""
        from scipy.special import ndtri

        found: FloatArray = ndtri(np.clip(self.uniform, 1e-300, 1 - 2.0**-53))
        return found


def checks_of_noise(series: Sequence[Sequence[Draw]]) -> tuple[Check, ...]:
    """Whether additive noise has its law, and is independent wherever it should be.

    Args:
        series: Each a list of answers of one shape to the same question, or to one place of several runs, in
            the order in which they were drawn.
    """
    draws = [draw for answers in series for draw in answers]
    everything = np.concatenate([draw.normal for draw in draws])
    empty = np.concatenate([draw.normal[draw.empty] for draw in draws])
    full = np.concatenate([draw.normal[~draw.empty] for draw in draws])
    return (
        _bins("law", np.concatenate([draw.uniform for draw in draws])),
        _spread("scale", everything),
        _centre("centre", everything),
        _spread("scale on empty cells", empty),
        _spread("scale on occupied cells", full),
        _spread("cells of an answer together", _joined(draw.normal for draw in draws)),
        _spread("neighbouring cells", _summed(_halves(draw.normal) for draw in draws)),
        _spread("answers one after the other", _summed(_successive(series))),
    )


def checks_of_choices(draws: Sequence[Draw]) -> tuple[Check, ...]:
    """Whether candidates are chosen as often as they should be. Likely ones have small numbers."""
    uniform = np.concatenate([draw.uniform for draw in draws])
    normal = np.concatenate([draw.normal for draw in draws])
    pairs = [(normal[:-1:2], normal[1::2])]
    return (
        _bins("choices", uniform),
        _centre("likely choices", normal),
        _spread("choices one after the other", _summed(pairs)),
    )


def _joined(parts: Iterable[FloatArray]) -> FloatArray:
    """The sum of the cells of each answer, as one normal number: too large if they move together."""
    return np.array([part.sum() / math.sqrt(part.size) for part in parts if part.size])


def _halves(cells: FloatArray) -> tuple[FloatArray, FloatArray]:
    return cells[:-1:2], cells[1::2]


def _successive(series: Sequence[Sequence[Draw]]) -> Iterable[tuple[FloatArray, FloatArray]]:
    for answers in series:
        normal = [answer.normal for answer in answers]
        for first, second in zip(normal[:-1:2], normal[1::2], strict=False):
            shared = min(first.size, second.size)
            yield first[:shared], second[:shared]


def _summed(pairs: Iterable[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """Sums of disjoint pairs, again standard normal: too spread or not enough if the two are related."""
    parts = []
    for first, second in pairs:
        shared = min(first.size, second.size)
        parts.append((first[:shared] + second[:shared]) / math.sqrt(2))
    return np.concatenate(parts) if parts else np.zeros(0)


def _spread(name: str, normal: FloatArray) -> Check:
    """The sum of squares is chi-squared with one degree of freedom for each number."""
    from scipy.stats import chi2

    size, squares = normal.size, float((normal**2).sum())
    if not size:
        return Check(name=name, passed=True, detail="no numbers")
    tail = 2 * min(chi2.cdf(squares, size), chi2.sf(squares, size))
    return _said(name, tail, f"variance {squares / size:.4f} in place of 1 over {size} numbers")


def _centre(name: str, normal: FloatArray) -> Check:
    """The sum is normal, with a variance of one for each number."""
    from scipy.special import ndtr

    mean = float(normal.mean())
    tail = 2 * float(ndtr(-abs(mean) * math.sqrt(normal.size)))
    return _said(name, tail, f"mean {mean:.4f} in place of 0 over {normal.size} numbers")


def _bins(name: str, uniform: FloatArray) -> Check:
    """Each of equal bins holds a binomial number; the most unlikely one counts, times the number of bins."""
    from scipy.stats import binom

    found = np.bincount(np.minimum((uniform * _BINS).astype(int), _BINS - 1), minlength=_BINS)
    size = uniform.size
    tails = np.minimum(binom.cdf(found, size, 1 / _BINS), binom.sf(found - 1, size, 1 / _BINS))
    share = found[int(np.argmin(tails))] / size
    return _said(
        name,
        2 * _BINS * float(tails.min()),
        f"the oddest of {_BINS} equal bins holds {share:.4f} of {size} numbers in place of {1 / _BINS:.4f}",
    )


def _said(name: str, tail: float, detail: str) -> Check:
    return Check(name=name, passed=bool(tail >= LEVEL), detail=f"{detail}; p = {min(tail, 1.0):.2g}")
