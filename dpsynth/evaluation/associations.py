"""How strongly columns go together, and how much of it the synthetic rows keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from itertools import combinations
from typing import Any, Literal

import numpy as np

from dpsynth.evaluation.anchors import Anchors, Label, Score
from dpsynth.evaluation.marginals import groups
from dpsynth.evaluation.results import Result
from dpsynth.evaluation.tables import CodeArray, Rows, Tables

__all__ = [
    "Kind",
    "associations",
    "chi_squared",
    "correlation_ratio",
    "counted",
    "cramers_v",
    "difference",
    "differences",
    "matrix",
]

Kind = Literal["pearson", "spearman", "cramers_v", "correlation_ratio"]
Floats = np.ndarray[Any, np.dtype[np.float64]]


def cramers_v(counts: Floats) -> float:
    """Cramér's V of a table of counts, corrected for its bias (Bergsma 2013); NaN for a single row or column.

    Without the correction, independent columns of many categories look associated, the more the fewer rows.
    """
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    rows, (height, width) = counts.sum(), counts.shape
    if min(height, width) < 2 or rows < 2:
        return math.nan
    strength = max(0.0, chi_squared(counts) / rows - (height - 1) * (width - 1) / (rows - 1))
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


def matrix(rows: Rows, tables: Tables, kind: Kind, *, most: int | None = None) -> dict[Label, float]:
    """One kind of association for each (or each chosen) pair of columns that has it; NaN for constants.

    Rank correlations rank each column once, among its own known values. Missing is a category of its own;
    pairs of numbers use the rows where both are known.
    """
    chosen = groups(len(tables.columns), 2, most=most)
    if kind in {"pearson", "spearman"}:
        numbers = {name: rows.readings[name] for name in tables.columns if tables.numeric(name)}
        every = _correlations(numbers, ranks=kind == "spearman")
        labels = [(tables.columns[i], tables.columns[j]) for i, j in chosen]
        return {label: every[label] for label in labels if label in every}
    codes = np.asfortranarray(rows.codes)
    found: dict[Label, float] = {}
    for i, j in chosen:
        first, second = tables.columns[i], tables.columns[j]
        mixed = tables.numeric(first) + tables.numeric(second)
        if mixed == 0 and kind == "cramers_v":
            found[first, second] = cramers_v(counted(codes, tables.sizes, i, j))
        if mixed == 1 and kind == "correlation_ratio":
            number, category = (first, j) if tables.numeric(first) else (second, i)
            found[first, second] = correlation_ratio(codes[:, category], rows.readings[number])
    return found


def differences(tables: Tables, kind: Kind, *, most: int | None = None) -> dict[Label, float]:
    """Absolute differences of one kind of association, of the pairs for which the real rows define it."""
    ours = matrix(tables.synthetic, tables, kind, most=most)
    return {
        label: abs(value - (ours[label] if math.isfinite(ours[label]) else 0.0))
        for label, value in matrix(tables.real, tables, kind, most=most).items()
        if math.isfinite(value)
    }


def difference(
    tables: Tables,
    *,
    kinds: tuple[Kind, ...],
    of_kind: Callable[[Tables, Kind], dict[Label, float]] = differences,
) -> Score:
    """Mean absolute difference of associations over all pairs that the real rows define.

    Strengths are compared as they are, never rescaled within a table: an association of half the strength
    is a difference. A pair that is constant in the synthetic rows alone counts as no association there.
    """
    parts: dict[Label, float] = {}
    for kind in kinds:
        parts.update(of_kind(tables, kind))
    return Score(value=float(np.mean(list(parts.values()))) if parts else math.nan, parts=parts)


def associations(anchors: Anchors, *, quick: bool = False) -> tuple[Result, ...]:
    """Differences of all pairs and by kind."""
    most = 300 if quick else None
    of_kind = cache(partial(differences, most=most))  # two results need the same
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
            partial(difference, kinds=kinds, of_kind=of_kind),
            name=name,
            family="fidelity",
            title=title,
            note=f"Mean absolute difference over pairs. {note}".strip(),
        )
        for name, title, kinds, note in several
    ]
    told = [_told(result, "there is no pair of such columns with spread.") for result in found]
    return tuple(told)


def _told(result: Result, why: str) -> Result:
    return (
        result if math.isfinite(result.value) else replace(result, note=f"{result.note} Not defined: {why}")
    )


def counted(codes: CodeArray, sizes: tuple[int, ...], i: int, j: int) -> Floats:
    """Rows in each cell of two columns; of very many cells only those of values that occur."""
    first, second, shape = codes[:, i], codes[:, j], (sizes[i], sizes[j])
    if shape[0] * shape[1] > 1 << 21:
        first, second = (np.unique(values, return_inverse=True)[1] for values in (first, second))
        shape = (int(first.max()) + 1, int(second.max()) + 1)
    found = np.bincount(first * shape[1] + second, minlength=shape[0] * shape[1])
    return found.reshape(shape).astype(np.float64)


def chi_squared(counts: Floats) -> float:
    """Of counts without empty rows or columns."""
    over = counts.sum(axis=1)[:, None] * counts.sum(axis=0)[None, :]
    rows = counts.sum()
    return float(rows * ((counts**2 / over).sum() - 1))


def _correlations(readings: Mapping[str, Floats], *, ranks: bool) -> dict[Label, float]:
    """Pearson correlations of all pairs over the rows where both are known."""
    from scipy.stats import rankdata  # slow to load

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
