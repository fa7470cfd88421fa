"""Associations that are made up, and associations that got lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
from scipy.special import gammaincinv

from dpsynth.evaluation.anchors import Anchors, Label, Score
from dpsynth.evaluation.associations import chi_squared, counted
from dpsynth.evaluation.marginals import groups
from dpsynth.evaluation.results import Result
from dpsynth.evaluation.tables import Tables, generator
from dpsynth.evaluation.yardsticks import halves, sample

__all__ = ["dependence", "excess", "lost", "spurious"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_LEVEL = 0.99

Both = tuple[dict[Label, float], dict[Label, float]]
Excesses = Callable[[Tables], Both]


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
    limit = float(gammaincinv(mean**2 / variance, _LEVEL)) * variance / mean
    return chi_squared(counts) / limit


def spurious(tables: Tables, *, most: int | None = None, known: Excesses | None = None) -> Score:
    """Of the pairs that are independent in the real rows, the share that are associated in synthetic ones.

    Independent is: chi-squared of the cells stays below what 99 % of independent columns of this size and
    these counts give. Tables are cut to the same number of rows, so that both tests see equally much. About
    one in a hundred is chance. Noise invents associations, and distances that skip the pairs which are weak
    in the real rows (as SDMetrics does) never see it. `known` has what was found before.
    """
    real, synthetic = known(tables) if known else _excesses(tables, most)
    return _rate({label: ours > 1 for label, ours in synthetic.items() if real[label] <= 1}, synthetic)


def lost(tables: Tables, *, most: int | None = None, known: Excesses | None = None) -> Score:
    """Of the pairs that are associated in the real rows, the share that are independent in synthetic ones."""
    real, synthetic = known(tables) if known else _excesses(tables, most)
    return _rate({label: synthetic[label] <= 1 for label, theirs in real.items() if theirs > 1}, real)


def dependence(anchors: Anchors, *, quick: bool = False) -> tuple[Result, Result]:
    """The rates of spurious and of lost associations."""
    most = 300 if quick else None
    # Repeated rows look like an association, so the ceiling is two halves of the real rows.
    anchors = replace(anchors, ceiling=halves(anchors.tables))
    known = cache(partial(_excesses, most=most))  # both results read them
    invented = anchors.result(
        partial(spurious, known=known),
        name="spurious_rate",
        family="fidelity",
        title="Spurious associations",
        note="Of the pairs that are independent in the real rows, the share that are associated in "
        "synthetic ones; about 0.01 is chance. Parts are such pairs, by how many times they exceed the "
        "99 % limit.",
    )
    gone = anchors.result(
        partial(lost, known=known),
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


def _excesses(tables: Tables, most: int | None) -> Both:
    size = min(len(tables.real), len(tables.synthetic))
    chosen = groups(len(tables.columns), 2, most=most)
    found: list[dict[Label, float]] = []
    for purpose, rows in (("real", tables.real), ("synthetic", tables.synthetic)):
        codes = rows.codes
        if len(codes) > size:
            codes = sample(codes, size, generator(tables, f"associations of {purpose} rows"))
        codes = np.asfortranarray(codes)
        found.append(
            {
                (tables.columns[i], tables.columns[j]): excess(counted(codes, tables.sizes, i, j))
                for i, j in chosen
            }
        )
    return found[0], found[1]


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
