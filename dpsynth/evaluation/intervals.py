"""Confidence of shares, of their differences, and of the area under a curve of attacks: 95 % each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError

__all__ = ["Interval", "area", "difference_of_shares", "exact_share", "mean_of_groups", "share"]

Interval = tuple[float, float]
Floats = np.ndarray[Any, np.dtype[np.float64]]

_NORMAL = 1.959963984540054
_TAIL = 0.025


def exact_share(hits: int, tries: int) -> Interval:
    """Clopper and Pearson (1934): holds for every size and every share, also 0 and 1."""
    from scipy.special import betaincinv

    _check(hits, tries)
    low = 0.0 if hits == 0 else float(betaincinv(hits, tries - hits + 1, _TAIL))
    high = 1.0 if hits == tries else float(betaincinv(hits + 1, tries - hits, 1 - _TAIL))
    return low, high


def share(hits: int, tries: int) -> Interval:
    """Wilson (1927): shorter than the exact one, and never degenerate."""
    _check(hits, tries)
    found, square = hits / tries, _NORMAL**2 / tries
    centre = (found + square / 2) / (1 + square)
    half = _NORMAL * math.sqrt(found * (1 - found) / tries + square / (4 * tries)) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)


def difference_of_shares(first: tuple[int, int], second: tuple[int, int]) -> Interval:
    """Newcombe (1998, method 10) for two shares of different rows, each as (hits, tries)."""
    (low, high), (other_low, other_high) = share(*first), share(*second)
    here, there = first[0] / first[1], second[0] / second[1]
    gap = here - there
    return (
        gap - math.hypot(here - low, other_high - there),
        gap + math.hypot(high - here, there - other_low),
    )


def mean_of_groups(values: Floats, groups: np.ndarray[Any, Any]) -> tuple[float, Interval]:
    """A mean whose values hang together within groups, so that groups count and not values.

    Synthetic rows that have one real row as their neighbour rise and fall together. Sums of squares
    within groups take that into account (Liang and Zeger, 1986).

    Args:
        values: One for each row.
        groups: Number of the group of each row.
    """
    mean = float(values.mean())
    sums = np.bincount(groups, weights=values - mean)
    many = int(np.count_nonzero(np.bincount(groups)))
    if many < 2:
        return mean, (math.nan, math.nan)
    half = _NORMAL * math.sqrt(float(np.square(sums).sum()) * many / (many - 1)) / len(values)
    return mean, (mean - half, mean + half)


def area(members: Floats, others: Floats) -> tuple[float, Interval]:
    """The area under the curve of an attack, ties half, with the interval of DeLong et al. (1988).

    It is the share of pairs of a member and an outsider in which the member scores higher. The variance
    comes from ranks in O(n log n) (Sun and Xu, 2014). Where the scores separate perfectly it is zero, which
    cannot be believed: then the far end is that of a share of as many tries as the smaller group has rows.
    """
    if not len(members) or not len(others):
        return math.nan, (math.nan, math.nan)
    beaten, beating = _wins(members, others), 1 - _wins(others, members)
    found = float(beaten.mean())
    least = min(len(members), len(others))
    if found in (0.0, 1.0):
        return found, exact_share(round(found * least), least)
    if least < 2:
        return found, (0.0, 1.0)
    spread = math.sqrt(float(beaten.var(ddof=1)) / len(members) + float(beating.var(ddof=1)) / len(others))
    return found, (max(0.0, found - _NORMAL * spread), min(1.0, found + _NORMAL * spread))


def _wins(ours: Floats, theirs: Floats) -> Floats:
    """For each of ours the share of theirs that is smaller, ties half."""
    ordered = np.sort(theirs)
    below = np.searchsorted(ordered, ours, side="left")
    until = np.searchsorted(ordered, ours, side="right")
    shares: Floats = (below + until) / (2.0 * len(theirs))
    return shares


def _check(hits: int, tries: int) -> None:
    _validate.count("tries", tries)
    if not 0 <= hits <= tries:
        raise ConfigurationError(f"Expected 0 <= hits <= {tries}, got {hits}.")
