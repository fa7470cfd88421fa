"""What a noisy histogram tells about a column: its range, and cells of near equal mass.

Post-processing: these functions see noisy counts, public cell widths and the public noise scale.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["MOST_BOUGHT_CELLS", "dense_range", "near_equal_cells"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Indices = np.ndarray[Any, np.dtype[np.int64]]

MOST_BOUGHT_CELLS = 64
_LEAST_MASS = 6.0  # of a cell, in sigmas
_CLEAR = 3.0  # standard deviations at which a difference between neighbouring blocks counts


def _padded(values: Floats) -> Floats:
    """`values` and zeros up to a power of two."""
    return np.append(values, np.zeros((1 << (len(values) - 1).bit_length()) - len(values)))


def dense_range(noisy: Floats, sigma: float) -> tuple[int, int]:
    """The first and the last cell of the smallest range that holds everything clearly above noise.

    Blocks of 1, 2, 4, ... cells are looked at. A block is dense if its noisy mass exceeds
    sqrt(2 ln(100 m)) standard deviations of its noise, m being the number of cells: on an empty
    histogram that happens to any of the 2 m blocks with a probability below 1/100. The range covers
    the smallest dense blocks, and the fullest cell in any case. Thin tails are left outside.
    """
    limit = math.sqrt(2 * math.log(100 * len(noisy))) * sigma
    first = last = int(noisy.argmax())
    mass, width = _padded(noisy), 1
    covered = np.zeros(len(mass), dtype=bool)
    while True:
        dense = mass > limit * math.sqrt(width)
        smallest = np.flatnonzero(dense & ~covered) * width
        first = min([first, *smallest[:1]])
        last = max([last, *np.minimum(smallest[-1:] + width, len(noisy)) - 1])
        if len(mass) == 1:
            return int(first), int(last)
        covered = np.logical_or.reduce((dense | covered).reshape(-1, 2), axis=1)
        mass, width = mass.reshape(-1, 2).sum(axis=1), 2 * width


def near_equal_cells(noisy: Floats, widths: Floats, sigma: float) -> Indices:
    """Where cells of near equal mass begin, as places in the histogram; at most 64 cells.

    A place that holds more than an even share stays alone, so that a heavy value (a zero, forty hours)
    is not smeared over its neighbours; the others share what remains. No even share is below six sigma.

    Measured against PrivTree (Zhang, Xiao and Xie, 2016) on the five numeric columns of Adult, at equal
    cost in zCDP and with PrivTree's threshold set for 64 leaves from the true number of rows, which
    nobody may know (`benchmarks/discovery.py`). Mean TVD over 32 quantile bins, ours against PrivTree,
    at epsilon 0.05, 0.2, 1: 39,073 rows 0.0070 : 0.0085, 0.0035 : 0.0061, 0.0026 : 0.0052; 2,000 rows
    0.087 : 0.074, 0.036 : 0.041, 0.015 : 0.018. PrivTree is better only where rows * epsilon is near 100.
    """
    mass = _smoothed(noisy, widths, sigma)
    return next(
        starts
        for shares in range(MOST_BOUGHT_CELLS, 0, -1)
        if len(starts := _split(mass, shares, _LEAST_MASS * sigma)) <= MOST_BOUGHT_CELLS
    )


def _smoothed(noisy: Floats, widths: Floats, sigma: float) -> Floats:
    """Non-negative masses, as even as the noise allows.

    Each block gives to its halves by what was counted where that differs clearly from an even
    density, and by width where it does not (Haar wavelet thresholding, Donoho and Johnstone, 1994).
    """
    levels = [(_padded(noisy), _padded(widths))]
    while len(levels[-1][0]) > 1:
        levels.append(tuple(array.reshape(-1, 2).sum(axis=1) for array in levels[-1]))
    mass = np.maximum(levels.pop()[0], 0.0)
    for counted, room in reversed(levels):
        even = mass * room[0::2] / np.maximum(room[0::2] + room[1::2], 1.0)
        difference = counted[0::2] - counted[1::2]
        clear = _CLEAR * sigma * math.sqrt(len(levels[0][0]) / len(mass))
        own = np.clip((mass + difference) / 2, 0.0, mass)
        left = np.where(np.abs(difference - (2 * even - mass)) > clear, own, even)
        mass = np.stack([left, mass - left], axis=1).ravel()
    return mass[: len(noisy)]


def _split(mass: Floats, shares: int, least: float) -> Indices:
    """Cut `mass` into about `shares` cells of at least `least`, heavy places alone."""
    heavy, more = np.zeros(len(mass), dtype=bool), np.ones(1, dtype=bool)
    while more.any():
        share = max(mass[~heavy].sum() / max(shares - heavy.sum(), 1), least)
        more = (mass >= share) & ~heavy
        heavy |= more
    places = np.flatnonzero(heavy)
    borders = np.unique(np.concatenate([[0], places, places + 1, [len(mass)]]))
    below = np.append(0.0, np.cumsum(mass))
    starts = [borders[:-1]]
    for first, end in pairwise(borders):
        parts = int((below[end] - below[first]) / share)
        levels = below[first] + (below[end] - below[first]) * np.arange(1, parts) / max(parts, 1)
        starts.append(np.clip(np.searchsorted(below, levels), first, end - 1))
    return np.unique(np.concatenate(starts))
