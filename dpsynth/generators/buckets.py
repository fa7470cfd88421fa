"""Merge codes into buckets of comparable mass, from noisy one-way counts alone.

A pair of columns with a hundred codes each has ten thousand cells, nearly all of them smaller than the
noise. Buckets keep what noise would not drown: heavy values alone, neighbours on a scale together, rare
categories in one. What is lost inside a bucket is association only; the one-way detail is kept.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.generators.one_ways import Noisy, table_total
from dpsynth.graphical.consistency import FloatArray, combine, project_to_simplex
from dpsynth.graphical.estimation import ordered_cells
from dpsynth.graphical.zeros import refine
from dpsynth.schema.schema import Schema

__all__ = [
    "MOST_CLASSES",
    "Buckets",
    "Groups",
    "bucket_count",
    "bucket_margins",
    "bucketed",
    "choose_buckets",
    "merged",
    "squared_error",
    "within_buckets",
]

Groups = tuple[int, ...]
"""The bucket of each code, numbered from 0 without gaps."""

_NUMBERS = (*range(2, 16), *range(16, 32, 2), *range(32, 64, 4), *range(64, 129, 8))
MOST_CLASSES = 4
"""Buckets of a target, unless its codes have to be told apart."""

_RARE = 4.0
_RANK = 2
_ROUGHNESS = 0.18


@dataclass(frozen=True, kw_only=True, slots=True)
class Buckets:
    """Buckets for all columns, and how well pairs could be measured over them.

    Attributes:
        groups: The bucket of each code, for each column.
        noise: The mean total variation distance that noise is expected to add to a pair.
        least_noise: The same over as few buckets as can be.
    """

    groups: dict[str, Groups]
    noise: float
    least_noise: float


def choose_buckets(  # noqa: PLR0913 - all that bounds the buckets
    schema: Schema,
    columns: Mapping[str, Noisy],
    margins: Mapping[str, FloatArray],
    pairs: Sequence[tuple[str, str]],
    *,
    sigma: float,
    deviations: float,
    target: str | None = None,
    most_cells: float = math.inf,
    alike: Mapping[str, Groups] | None = None,
    fits: Callable[[Mapping[str, Groups]], bool] | None = None,
) -> Buckets:
    """The bucket of each code, for each column: a function of noisy answers.

    Args:
        schema: Says which codes stand on a scale.
        columns: Noisy counts of the columns that were measured.
        margins: The same, cleaned, for all columns.
        pairs: The pairs that will be asked.
        sigma: Standard deviation of a cell if a single pair were asked.
        deviations: A bucket merged from several codes holds at least so many standard deviations of
            the noise of a one-way count.
        target: A column whose buckets are classes, so that there are few of them.
        most_cells: Bound on the cells of all pairs together, in all classes; without effect on the
            smallest number of buckets.
        alike: For some columns a class of each code; their buckets do not mix classes.
        fits: Says whether there is room for such buckets. Where there is none, fewer are taken, at last
            the classes themselves.
    """
    ordered = {column.name: ordered_cells(column) for column in schema.modelled}
    apart = alike or {}
    least = {name: deviations * columns[name][1] if name in columns else 0.0 for name in margins}

    def groups(number: int) -> dict[str, Groups]:
        found = {
            name: bucketed(
                counts,
                ordered[name],
                number=min(number, MOST_CLASSES) if name == target else number,
                least=least[name],
            )
            for name, counts in margins.items()
        }
        if target is not None:
            found[target] = _fewer(margins[target], found[target], ordered[target])
        for name, classes in apart.items():
            found[name] = refine(found[name], np.array(classes))
        if target is not None and target in apart:
            found[target] = _fewer(margins[target], found[target], ordered[target], apart[target])
        return found

    def fitting(number: int) -> dict[str, Groups]:
        tried = (groups(fewer) for fewer in reversed(_NUMBERS) if fewer <= number)
        classes = {name: own for name, own in apart.items() if name != target}
        last = {**groups(_NUMBERS[0]), **classes}
        return next((found for found in tried if fits is None or fits(found)), last)

    def shapes(number: int) -> list[tuple[int, int]]:
        found = groups(number)
        return [(max(found[left]) + 1, max(found[right]) + 1) for left, right in pairs]

    if not pairs:
        return Buckets(groups=fitting(2), noise=math.inf, least_noise=math.inf)
    layers = 1 if target is None else max(MOST_CLASSES, max(apart.get(target, (0,))) + 1)
    total = table_total(columns)
    number = bucket_count(shapes, total=total, sigma=sigma, most_cells=most_cells / layers)
    noise, least_noise = (_pair_noise(shapes(n)) * sigma / total for n in (number, _NUMBERS[0]))
    return Buckets(groups=fitting(number), noise=noise, least_noise=least_noise)


def bucket_margins(
    columns: Mapping[str, Noisy],
    margins: Mapping[str, FloatArray],
    groups: Mapping[str, Groups],
    pairs: Mapping[tuple[str, str], Noisy],
    total: float,
) -> dict[str, FloatArray]:
    """The counts of the buckets: all that was measured about a column, by inverse variance."""
    known = {}
    for name, counts in margins.items():
        own = merged(counts, groups[name])
        variance = columns[name][1] ** 2 * len(counts) / len(own) if name in columns else 1.0
        known[name] = [(own, variance)]
    for (left, right), (noisy, sigma) in pairs.items():
        known[left].append((noisy.sum(axis=1), sigma**2 * noisy.shape[1]))
        known[right].append((noisy.sum(axis=0), sigma**2 * noisy.shape[0]))
    return {name: project_to_simplex(combine(estimates)[0], total) for name, estimates in known.items()}


def within_buckets(counts: FloatArray, groups: Groups) -> FloatArray:
    """The probability of each code within its bucket; even where nothing was counted."""
    index = np.array(groups)
    sums, sizes = merged(counts, groups)[index], np.bincount(index)[index]
    return np.where(sums > 0, counts / np.where(sums > 0, sums, 1.0), 1.0 / sizes)


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


def bucket_count(
    shapes: Callable[[int], Sequence[tuple[int, int]]],
    *,
    total: float,
    sigma: float,
    most_cells: float = math.inf,
) -> int:
    """The number of buckets that balances noise against roughness.

    Noise: the mean over pairs of the expected total variation distance that noise adds to a pair table,
    with precision divided in proportion to cells^(2/3). Of the noise of a table of r rows and c columns,
    estimates of low rank keep what lies in their directions: taken to be two, so 2 (r + c) cells' worth,
    and at most the (r - 1) (c - 1) that the margins leave free.
    Roughness: what buckets blur falls with the root of their number; its weight was chosen once, on
    Adult and the NIST excerpts. The two are independent, so their squares add up.

    Args:
        shapes: The resulting numbers of buckets of each pair, for a wanted number.
        total: Noisy number of rows.
        sigma: Standard deviation of a cell if a single table were asked.
        most_cells: Bound on the cells of all pairs, if more than the fewest buckets are to be had.
    """

    def error(number: int) -> float:
        pairs = shapes(number)
        if number > _NUMBERS[0] and sum(left * right for left, right in pairs) > most_cells:
            return math.inf
        return squared_error(pairs, number, relative=sigma / total)

    return int(min(_NUMBERS, key=error))


def squared_error(pairs: Sequence[tuple[int, int]], number: int, *, relative: float) -> float:
    """The square of the mean total variation distance of pairs: noise and roughness, see `bucket_count`.

    Args:
        pairs: Buckets of both columns of each pair.
        number: Wanted number of buckets.
        relative: Standard deviation of a cell if a single table were asked, divided by the number of rows.
    """
    return (_pair_noise(pairs) * relative) ** 2 + _ROUGHNESS**2 / number


def _pair_noise(pairs: Sequence[tuple[int, int]]) -> float:
    """The mean total variation distance that noise adds to the pairs, times rows / sigma."""
    sizes = np.array(pairs, np.float64)
    cells, edges = sizes.prod(axis=1), sizes.sum(axis=1)
    free = (sizes - 1).prod(axis=1)  # the margins are known better from elsewhere
    kept = np.minimum(free, _RANK * edges) / cells
    powers = cells ** (2 / 3)
    noise = np.sqrt(kept * powers.sum() / powers / (2 * math.pi)) * cells
    return float(noise.mean())


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


def _fewer(counts: FloatArray, groups: Groups, ordered: int, apart: Groups | None = None) -> Groups:
    """Merge the two lightest buckets, neighbours if on a scale, until there are few enough for classes.

    With `apart`, any two whose codes are in one class of it, and no others.
    """
    buckets = [np.flatnonzero(np.array(groups) == number).tolist() for number in range(max(groups) + 1)]
    while len(buckets) > MOST_CLASSES:
        on_scale = sum(bucket[0] < ordered for bucket in buckets)  # they come first, in their order
        pairs = [
            (i, j)
            for i, j in itertools.combinations(range(len(buckets)), 2)
            if (
                i >= on_scale or j == i + 1 < on_scale
                if apart is None
                else apart[buckets[i][0]] == apart[buckets[j][0]]
            )
        ]
        if not pairs:
            break
        i, j = min(pairs, key=lambda pair: float(counts[buckets[pair[0]] + buckets[pair[1]]].sum()))
        buckets[i] += buckets.pop(j)
    return _numbered(len(counts), buckets)


def _numbered(size: int, buckets: Sequence[Sequence[int]]) -> Groups:
    groups = np.zeros(size, np.int64)
    for number, bucket in enumerate(buckets):
        groups[list(bucket)] = number
    return tuple(int(group) for group in groups)
