"""How columns go together: strengths of association, and associations that are made up or lost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any, Literal

import numpy as np
from scipy.stats import gamma, rankdata

from dpsynth.evaluation.anchors import Anchors, Label, Score
from dpsynth.evaluation.marginals import groups
from dpsynth.evaluation.results import Result
from dpsynth.evaluation.tables import CodeArray, Rows, Tables, generator
from dpsynth.evaluation.yardsticks import halves, sample

__all__ = [
    "Kind",
    "associations",
    "correlation_ratio",
    "cramers_v",
    "difference",
    "excess",
    "lost",
    "matrix",
    "spurious",
]

Kind = Literal["pearson", "spearman", "cramers_v", "correlation_ratio"]
Floats = np.ndarray[Any, np.dtype[np.float64]]

_LEVEL = 0.99


def cramers_v(counts: Floats) -> float:
    """Cramér's V of a table of counts, corrected for its bias (Bergsma 2013); NaN for a single row or column.

    Without the correction, independent columns of many categories look associated, the more the fewer rows.
    """
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    rows, (height, width) = counts.sum(), counts.shape
    if min(height, width) < 2 or rows < 2:
        return math.nan
    strength = max(0.0, _chi_squared(counts) / rows - (height - 1) * (width - 1) / (rows - 1))
    least = min(size - (size - 1) ** 2 / (rows - 1) for size in (height, width))
    return math.sqrt(min(1.0, strength / (least - 1))) if least > 1 else math.nan


def correlation_ratio(codes: CodeArray, values: Floats) -> float:
    """The share of a number's variance between categories, as a square root; NaN for a constant.

    Corrected like Cramér's V for what independent columns would give (epsilon squared, Kelley 1935).
    """
    known = np.isfinite(values)
    codes, values = codes[known], values[known]
    sizes = np.bincount(codes) if len(codes) else np.zeros(1)
    filled = int((sizes > 0).sum())
    if filled < 2 or len(values) <= filled or values.min() == values.max():
        return math.nan
    centred = values - values.mean()
    sums = np.bincount(codes, weights=centred)[sizes > 0]
    explained = (sums**2 / sizes[sizes > 0]).sum() / (centred**2).sum()
    corrected = 1 - (len(values) - 1) / (len(values) - filled) * (1 - explained)
    return math.sqrt(min(1.0, max(0.0, corrected)))


def matrix(rows: Rows, tables: Tables, kind: Kind) -> dict[Label, float]:
    """One kind of association for each pair of columns that has it; NaN where a column is constant.

    Rank correlations rank each column once, among its own known values. Missing is a category of its own;
    pairs of numbers use the rows where both are known.
    """
    numbers = [name for name in tables.columns if tables.numeric(name)]
    if kind in {"pearson", "spearman"}:
        return _correlations({name: rows.readings[name] for name in numbers}, ranks=kind == "spearman")
    codes = np.asfortranarray(rows.codes)
    found: dict[Label, float] = {}
    for i, j in combinations(range(len(tables.columns)), 2):
        first, second = tables.columns[i], tables.columns[j]
        mixed = tables.numeric(first) + tables.numeric(second)
        if mixed == 0 and kind == "cramers_v":
            found[first, second] = cramers_v(_counts(codes, tables.sizes, i, j))
        if mixed == 1 and kind == "correlation_ratio":
            number, category = (first, j) if tables.numeric(first) else (second, i)
            found[first, second] = correlation_ratio(codes[:, category], rows.readings[number])
    return found


def difference(tables: Tables, *, kinds: tuple[Kind, ...]) -> Score:
    """Mean absolute difference of associations over all pairs that the real rows define.

    Strengths are compared as they are, never rescaled within a table: an association of half the strength
    is a difference. A pair that is constant in the synthetic rows alone counts as no association there.
    """
    parts: dict[Label, float] = {}
    for kind in kinds:
        ours = matrix(tables.synthetic, tables, kind)
        for label, value in matrix(tables.real, tables, kind).items():
            if math.isfinite(value):
                parts[label] = abs(value - (ours[label] if math.isfinite(ours[label]) else 0.0))
    return Score(value=float(np.mean(list(parts.values()))) if parts else math.nan, parts=parts)


def excess(counts: Floats) -> float:
    """By which factor chi-squared exceeds what 99 % of independent columns with these counts stay below.

    Its mean and variance under all permutations of a column are known exactly (Haldane 1940, Dawson 1954); a
    gamma distribution with these two gives the quantile. The textbook's distribution is wrong for cells
    with few rows, of which tables of counts are full.
    """
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2 or counts.sum() < 4:
        return 0.0
    mean, variance = _permutation_moments(counts)
    if variance <= 0:
        return 0.0
    limit = float(gamma.ppf(_LEVEL, mean**2 / variance, scale=variance / mean))
    return _chi_squared(counts) / limit


def spurious(tables: Tables) -> Score:
    """Of the pairs that are independent in the real rows, the share that are associated in synthetic ones.

    Independent is: chi-squared of the cells stays below what 99 % of independent columns of this size and
    these counts give. Tables are cut to the same number of rows, so that both tests see equally much. About
    one in a hundred is chance. Noise invents associations, and distances that skip the pairs which are weak
    in the real rows (as SDMetrics does) never see it.
    """
    real, synthetic = _excesses(tables)
    return _rate({label: ours > 1 for label, ours in synthetic.items() if real[label] <= 1}, synthetic)


def lost(tables: Tables) -> Score:
    """Of the pairs that are associated in the real rows, the share that are independent in synthetic ones."""
    real, synthetic = _excesses(tables)
    return _rate({label: synthetic[label] <= 1 for label, theirs in real.items() if theirs > 1}, real)


def associations(anchors: Anchors) -> tuple[Result, ...]:
    """Differences of all pairs and by kind, then the rates of spurious and lost associations."""
    several: tuple[tuple[str, str, tuple[Kind, ...], str], ...] = (
        (
            "association_difference",
            "Difference of associations",
            ("spearman", "cramers_v", "correlation_ratio"),
            "Spearman for numbers, Cramér's V for categories, correlation ratio for one of each.",
        ),
        ("pearson_difference", "Difference of Pearson correlations", ("pearson",), ""),
        ("spearman_difference", "Difference of rank correlations", ("spearman",), ""),
        ("cramers_v_difference", "Difference of Cramér's V", ("cramers_v",), "Bias-corrected."),
        (
            "correlation_ratio_difference",
            "Difference of correlation ratios",
            ("correlation_ratio",),
            "Corrected.",
        ),
    )
    found = [
        anchors.result(
            partial(difference, kinds=kinds),
            name=name,
            family="fidelity",
            title=title,
            note=f"Mean absolute difference over pairs. {note}".strip(),
        )
        for name, title, kinds, note in several
    ]
    told = [_told(result, "there is no pair of such columns with spread.") for result in found]
    return (*told, *_rates(replace(anchors, ceiling=halves(anchors.tables))))


def _rates(anchors: Anchors) -> tuple[Result, Result]:
    """Repeated rows look like an association, so the ceiling is two halves of the real rows."""
    invented = anchors.result(
        spurious,
        name="spurious_rate",
        family="fidelity",
        title="Spurious associations",
        note="Of the pairs that are independent in the real rows, the share that are associated in "
        "synthetic ones; about 0.01 is chance. Parts are such pairs, by how many times they exceed the "
        "99 % limit.",
    )
    gone = anchors.result(
        lost,
        name="lost_rate",
        family="fidelity",
        title="Lost associations",
        note="Of the pairs that are associated in the real rows, the share that are independent in "
        "synthetic ones. Parts are such pairs, by how many times the real rows exceed the 99 % limit.",
    )
    # Independent columns invent nothing, so they are no bad case of the first.
    invented = replace(invented, floor=None)
    return (
        _told(invented, "no pair is independent in the real rows."),
        _told(gone, "no pair is associated in the real rows."),
    )


def _told(result: Result, why: str) -> Result:
    return (
        result if math.isfinite(result.value) else replace(result, note=f"{result.note} Not defined: {why}")
    )


def _rate(flags: Mapping[Label, bool], strength: Mapping[Label, float]) -> Score:
    value = float(np.mean(list(flags.values()))) if flags else math.nan
    return Score(value=value, parts={label: strength[label] for label, flag in flags.items() if flag})


def _excesses(tables: Tables) -> tuple[dict[Label, float], dict[Label, float]]:
    size = min(len(tables.real), len(tables.synthetic))
    chosen = groups(len(tables.columns), 2)
    found: list[dict[Label, float]] = []
    for purpose, rows in (("real", tables.real), ("synthetic", tables.synthetic)):
        codes = rows.codes
        if len(codes) > size:
            codes = sample(codes, size, generator(tables, f"associations of {purpose} rows"))
        codes = np.asfortranarray(codes)
        found.append(
            {
                (tables.columns[i], tables.columns[j]): excess(_counts(codes, tables.sizes, i, j))
                for i, j in chosen
            }
        )
    return found[0], found[1]


def _counts(codes: CodeArray, sizes: tuple[int, ...], i: int, j: int) -> Floats:
    """Rows in each cell of two columns; of very many cells only those of values that occur."""
    first, second, shape = codes[:, i], codes[:, j], (sizes[i], sizes[j])
    if shape[0] * shape[1] > 1 << 21:
        first, second = (np.unique(values, return_inverse=True)[1] for values in (first, second))
        shape = (int(first.max()) + 1, int(second.max()) + 1)
    found = np.bincount(first * shape[1] + second, minlength=shape[0] * shape[1])
    return found.reshape(shape).astype(np.float64)


def _chi_squared(counts: Floats) -> float:
    """Of counts without empty rows or columns."""
    over = counts.sum(axis=1)[:, None] * counts.sum(axis=0)[None, :]
    rows = counts.sum()
    return float(rows * ((counts**2 / over).sum() - 1))


def _permutation_moments(counts: Floats) -> tuple[float, float]:
    """Mean and variance of chi-squared when one column is permuted (Dawson 1954)."""
    n = counts.sum()
    free, uneven = [], []
    for axis in (0, 1):
        totals = counts.sum(axis=axis)
        size = len(totals)
        free.append((size - 1) * (n - size) / (n - 1))
        uneven.append(n * ((1 / totals).sum() - size**2 / n) / (n - 2))
    mean = n / (n - 1) * (counts.shape[0] - 1) * (counts.shape[1] - 1)
    even = 2 * n / (n - 3) * (free[0] - uneven[0]) * (free[1] - uneven[1])
    return float(mean), float(even + n**2 / (n - 1) * uneven[0] * uneven[1])


def _correlations(readings: Mapping[str, Floats], *, ranks: bool) -> dict[Label, float]:
    """Pearson correlations of all pairs over the rows where both are known."""
    names = list(readings)
    if len(names) < 2:
        return {}
    values = np.stack([readings[name] for name in names], axis=1)
    known = np.isfinite(values)
    for place in range(len(names)):
        here = values[known[:, place], place]
        if ranks and len(here):
            here = rankdata(here)
        # Centred and scaled, so that sums of squares lose no digits.
        spread = here.std() if len(here) else 0.0
        values[known[:, place], place] = (here - here.mean()) / spread if spread > 0 else 0.0
    values[~known] = 0.0
    both = known.astype(np.float64)
    count = both.T @ both
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = values.T @ both / count  # of the row's column, where the other is known as well
        square = (values**2).T @ both / count - mean**2
        found = (values.T @ values / count - mean * mean.T) / np.sqrt(square * square.T)
    found[(square < 1e-12) | (square.T < 1e-12)] = math.nan
    return {
        (names[i], names[j]): float(np.clip(found[i, j], -1, 1))
        for i, j in combinations(range(len(names)), 2)
    }
