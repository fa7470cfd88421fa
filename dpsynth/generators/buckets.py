"""Merge codes into buckets of comparable mass, from noisy one-way counts alone.

A pair of columns with a hundred codes each has ten thousand cells, nearly all of them smaller than the
noise. Buckets keep what noise would not drown: heavy values alone, neighbours on a scale together, rare
categories in one. What is lost inside a bucket is association only; the one-way detail is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from dpsynth.graphical.consistency import FloatArray

__all__ = ["Groups", "bucket_count", "bucketed", "merged"]

Groups = tuple[int, ...]
"""The bucket of each code, numbered from 0 without gaps."""

_MOST = 64
_RARE = 4.0
_ROUGHNESS = 0.3


def bucketed(counts: FloatArray, ordered: int, *, number: int, least: float) -> Groups:
    """Buckets for the codes of one column.

    Args:
        counts: Cleaned counts of the codes: not negative.
        ordered: How many of the first codes stand on a scale; these merge with neighbours only.
        number: Wanted number of buckets; a bucket holds about one part in `number`, or one code.
        least: Smallest mass of a bucket that is merged from others.
    """
    width = max(float(counts.sum()) / number, np.finfo(np.float64).tiny)
    scale = _contiguous(counts[:ordered], width, least) if ordered else []
    others = list(range(ordered, len(counts)))
    return _numbered(len(counts), [*scale, *_nominal(counts, others, width, least, bool(scale))])


def bucket_count(shapes: Callable[[int], Sequence[int]], *, total: float, sigma: float) -> int:
    """The number of buckets that balances noise against roughness.

    Noise: the mean over pairs of the expected total variation distance that noise adds to a pair table,
    with precision divided in proportion to cells^(2/3). Roughness: what buckets blur falls as one over
    their number; its weight was fitted once, on Adult.

    Args:
        shapes: The resulting number of buckets of each column, for a wanted number.
        total: Noisy number of rows.
        sigma: Standard deviation of a cell if a single table were asked.
    """

    def error(number: int) -> float:
        sizes = shapes(number)
        pairs = len(sizes) * (len(sizes) - 1) / 2
        powers = [math.pow(size, 2 / 3) for size in sizes]
        weights = (sum(powers) ** 2 - sum(power**2 for power in powers)) / 2
        noise = math.sqrt(1 / (2 * math.pi)) * sigma * math.pow(weights, 1.5) / (pairs * total)
        return noise + _ROUGHNESS / number

    return min(range(2, _MOST + 1), key=error)


def merged(counts: FloatArray, groups: Groups) -> FloatArray:
    """The counts of the buckets."""
    return np.bincount(np.array(groups), weights=counts).astype(np.float64)


def _contiguous(counts: FloatArray, width: float, least: float) -> list[list[int]]:
    """Heavy codes alone, the runs between them cut into parts of equal mass, then small parts merged."""
    buckets: list[list[int]] = []
    run: list[int] = []
    for code, count in enumerate(counts):
        if count >= width:
            buckets += [*_parts(counts, run, width), [code]]
            run = []
        else:
            run.append(code)
    buckets += _parts(counts, run, width)
    return _without_small(counts, buckets, least)


def _parts(counts: FloatArray, run: list[int], width: float) -> list[list[int]]:
    """Cut `run` into contiguous parts of about `width`."""
    if not run:
        return []
    mass = counts[run]
    whole = float(mass.sum())
    number = max(1, min(len(run), round(whole / width)))
    middle = np.cumsum(mass) - mass / 2
    part = np.minimum((middle * number / max(whole, 1e-300)).astype(int), number - 1)
    return [[run[i] for i in np.flatnonzero(part == k)] for k in np.unique(part)]


def _without_small(counts: FloatArray, buckets: list[list[int]], least: float) -> list[list[int]]:
    """Merge the lightest bucket with its lighter neighbour until none is below `least`."""
    masses = [float(counts[bucket].sum()) for bucket in buckets]
    while len(buckets) > 1 and min(masses) < least:
        i = masses.index(min(masses))
        near = [j for j in (i - 1, i + 1) if 0 <= j < len(buckets)]
        j = min(near, key=masses.__getitem__)
        first, second = min(i, j), max(i, j)
        buckets[first] = buckets[first] + buckets.pop(second)
        masses[first] += masses.pop(second)
    return buckets


def _nominal(
    counts: FloatArray, codes: Sequence[int], width: float, least: float, beside: bool
) -> list[list[int]]:
    """Codes that are not rare alone; the rest together, in several buckets if it is much.

    Without a scale `beside` them, rare codes that are less than `least` together join the lightest.
    """
    alone = [[code] for code in codes if counts[code] >= max(least, width / _RARE)]
    rest = [code for code in codes if counts[code] < max(least, width / _RARE)]
    parts = _parts(counts, rest, width)
    if parts and alone and not beside and float(counts[rest].sum()) < least:
        lightest = min(alone, key=lambda bucket: float(counts[bucket].sum()))
        lightest += rest
        parts = []
    return [*alone, *parts]


def _numbered(size: int, buckets: Sequence[Sequence[int]]) -> Groups:
    groups = np.zeros(size, np.int64)
    for number, bucket in enumerate(buckets):
        groups[list(bucket)] = number
    return tuple(int(group) for group in groups)
