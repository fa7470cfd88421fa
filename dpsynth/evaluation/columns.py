"""Each column by itself: histograms, numbers, missing values, values that nobody has."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dpsynth.evaluation.anchors import Anchors, Label, Score
from dpsynth.evaluation.marginals import total_variation
from dpsynth.evaluation.results import Result
from dpsynth.evaluation.tables import Tables
from dpsynth.evaluation.yardsticks import without_floor

__all__ = [
    "columns",
    "histogram_similarity",
    "lost_values",
    "mean_gap",
    "missing_gap",
    "new_values",
    "quantile_gap",
    "wasserstein",
]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_QUANTILES = (0.05, 0.5, 0.95)
_UNDEFINED = "Columns without two different values, or without any in one table, do not count."


def histogram_similarity(tables: Tables) -> Score:
    """One less the total variation distance of a column's cells, mean over the columns. 1 is equal.

    Shares of cells are compared, never values row by row: the order of rows means nothing.
    """
    found = total_variation(tables, ways=1)
    parts = {label: 1 - value for label, value in found.parts.items()}
    return Score(value=1 - found.value, parts=parts)


def wasserstein(tables: Tables) -> Score:
    """How far the mass of a numeric column must be moved, relative to the range of 90 % of its real values.

    The first Wasserstein (earth mover's) distance divided by the distance between the real quantiles of 5 %
    and 95 %, or by the whole range where these are equal. 0.01 is one hundredth of that range on average.
    """
    from scipy.stats import wasserstein_distance  # slow to load

    return _mean(
        {
            (name,): float(wasserstein_distance(real, synthetic)) / _range(real)
            for name, real, synthetic in _numbers(tables)
        }
    )


def mean_gap(tables: Tables) -> Score:
    """Difference of the means of a numeric column in real standard deviations, without its sign."""
    return _mean(
        {
            (name,): abs(float(real.mean() - synthetic.mean())) / float(real.std())
            for name, real, synthetic in _numbers(tables)
        }
    )


def quantile_gap(tables: Tables) -> Score:
    """Differences of the quantiles of 5, 50 and 95 %, each in real standard deviations, without sign.

    Differences are taken in the values and not in the shares, so tails that are too long show.
    """
    found: dict[Label, float] = {}
    for name, real, synthetic in _numbers(tables):
        gaps = np.quantile(real, _QUANTILES) - np.quantile(synthetic, _QUANTILES)
        for share, gap in zip(_QUANTILES, gaps, strict=True):
            found[name, f"{share:.0%} quantile"] = abs(float(gap)) / float(real.std())
    return _mean(found)


def missing_gap(tables: Tables) -> Score:
    """Difference in the share of missing values: the largest of all columns, without its sign."""
    real, synthetic = ((rows.codes == 0).mean(axis=0) for rows in (tables.real, tables.synthetic))
    return _largest(
        {
            (name,): float(gap)
            for name, gap in zip(tables.columns, np.abs(real - synthetic).tolist(), strict=True)
        }
    )


def new_values(tables: Tables) -> Score:
    """The share of synthetic values that no real row has, of columns of categories; the largest."""
    return _largest(_unmatched(tables.synthetic.codes, tables.real.codes, tables))


def lost_values(tables: Tables) -> Score:
    """The share of real values that no synthetic row has, of columns of categories; the largest.

    Rare categories are the first that noise hides.
    """
    return _largest(_unmatched(tables.real.codes, tables.synthetic.codes, tables))


def columns(anchors: Anchors) -> tuple[Result, ...]:
    """All results of single columns. They have no floor: independent columns are right one by one."""
    no_numbers = f"Not defined without numeric columns. {_UNDEFINED}"
    metrics: tuple[tuple[str, Callable[[Tables], Score], str, str], ...] = (
        (
            "histogram_similarity",
            histogram_similarity,
            "Similarity of histograms",
            "Mean over columns. 1 is equal.",
        ),
        (
            "wasserstein",
            wasserstein,
            "Wasserstein distance",
            f"Relative to the real range of 90 %. {no_numbers}",
        ),
        ("mean_gap", mean_gap, "Gap between means", f"In real standard deviations. {no_numbers}"),
        ("quantile_gap", quantile_gap, "Gap between quantiles", f"In real standard deviations. {no_numbers}"),
        ("missing_gap", missing_gap, "Gap in missing values", "The column with the largest gap in shares."),
        (
            "new_values",
            new_values,
            "New values",
            "The category column with the largest share that no real row has.",
        ),
        (
            "lost_values",
            lost_values,
            "Lost values",
            "The category column with the largest share that got lost.",
        ),
    )
    return tuple(
        _told(
            anchors.result(
                metric,
                name=name,
                family="fidelity",
                title=title,
                better="higher" if name == "histogram_similarity" else "lower",
                note=note,
            )
        )
        for name, metric, title, note in metrics
    )


def _told(result: Result) -> Result:
    """Without a floor, and with a note that says why where it is not defined."""
    why = "" if math.isfinite(result.value) else " Not defined here: there is no such column."
    return replace(without_floor(result), note=result.note + why)


def _numbers(tables: Tables) -> Iterator[tuple[str, Floats, Floats]]:
    """Numeric columns with spread, and their known values."""
    for name in tables.columns:
        if not tables.numeric(name):
            continue
        real, synthetic = (
            rows.readings[name][np.isfinite(rows.readings[name])] for rows in (tables.real, tables.synthetic)
        )
        if len(synthetic) and len(real) and real.min() < real.max():
            yield name, real, synthetic


def _range(real: Floats) -> float:
    low, high = np.quantile(real, (0.05, 0.95))
    return float(high - low) if high > low else float(real.max() - real.min())


def _unmatched(of: Any, among: Any, tables: Tables) -> dict[Label, float]:
    """By column of categories, the share of known values that the other table has nowhere."""
    found: dict[Label, float] = {}
    for place, name in enumerate(tables.columns):
        known = of[:, place][of[:, place] > 0]
        if not tables.numeric(name):
            found[name,] = float((~np.isin(known, np.unique(among[:, place]))).mean()) if len(known) else 0.0
    return found


def _mean(parts: Mapping[Label, float]) -> Score:
    return Score(value=float(np.mean(list(parts.values()))) if parts else math.nan, parts=parts)


def _largest(parts: Mapping[Label, float]) -> Score:
    return Score(value=max(parts.values(), default=math.nan), parts=parts)
