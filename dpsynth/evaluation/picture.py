"""A picture in two dimensions: where real rows are, and where synthetic ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dpsynth.evaluation.anchors import Anchors, Score
from dpsynth.evaluation.results import CONFIDENTIAL, Disclosure, Result
from dpsynth.evaluation.tables import CodeArray, Tables

__all__ = ["Picture", "picture", "picture_distance", "picture_result"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_SIDE = 24
_MOST_FEATURES = 400
_LEAST_SHARE = 0.005  # cells of categories that fewer rows have would make axes of their own
_CHUNK = 20_000


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Picture:
    """Real and synthetic rows, counted on one grid. No row has a point.

    The axes are the two directions in which the real rows differ most: principal components of the
    standardised codes of numbers and of the standardised indicators of categories. They are fitted once, on
    the real rows. Axes that are fitted for each table by itself cannot be compared.

    Attributes:
        horizontal: 25 edges of the grid; rows beyond are counted in its outermost cells.
        vertical: Likewise.
        real: Rows in each of 24 x 24 cells, first index horizontal.
        synthetic: Likewise.
        explained: The share of the variance that each axis shows.
        axes: For each axis the share that each column has in it.
        disclosure: It is made of real rows, so it is confidential.
    """

    horizontal: tuple[float, ...]
    vertical: tuple[float, ...]
    real: tuple[tuple[int, ...], ...]
    synthetic: tuple[tuple[int, ...], ...]
    explained: tuple[float, float]
    axes: tuple[Mapping[str, float], Mapping[str, float]]
    disclosure: Disclosure = CONFIDENTIAL


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Features:
    """How codes become standardised features: one look-up table for each column."""

    tables: tuple[Floats, ...]

    @classmethod
    def of(cls, tables: Tables) -> _Features:
        found, rows = [], len(tables.real)
        indicators = _common(tables)
        for place, name in enumerate(tables.columns):
            size, codes = tables.sizes[place], tables.real.codes[:, place]
            if tables.numeric(name):
                steps = np.arange(size, dtype=np.float64)
                known = (codes > 0) & (codes < size - 1)
                mean = codes[known].mean() if known.any() else 0.0
                steps[[0, size - 1]] = mean
                spread = steps[codes].std()
                scaled = (steps - mean) / spread if spread > 0 else np.zeros(size)
                found.append(scaled[:, None])
            else:
                shares = np.bincount(codes, minlength=size) / rows
                kept = np.flatnonzero(indicators[place])
                # As in multiple correspondence analysis: rare cells weigh as much as common ones.
                table = (np.eye(size)[:, kept] - shares[kept]) / np.sqrt(shares[kept])
                found.append(table)
        return cls(tables=tuple(found))

    def __call__(self, codes: CodeArray) -> Floats:
        return np.concatenate([table[codes[:, i]] for i, table in enumerate(self.tables)], axis=1)


def picture(tables: Tables) -> Picture | None:
    """Count both tables on the grid; None if the real rows do not differ in two directions."""
    features = _Features.of(tables)
    axes, explained = _principal(features, tables.real.codes)
    if axes is None:
        return None
    real, synthetic = (_project(features, axes, rows.codes) for rows in (tables.real, tables.synthetic))
    edges = [_edges(real[:, axis]) for axis in (0, 1)]
    counts = [_counted(points, edges) for points in (real, synthetic)]
    ends = np.cumsum([table.shape[1] for table in features.tables])[:-1]
    weights = [[float((part**2).sum()) for part in np.split(axes[:, axis], ends)] for axis in (0, 1)]
    return Picture(
        horizontal=tuple(edges[0].tolist()),
        vertical=tuple(edges[1].tolist()),
        real=tuple(map(tuple, counts[0].tolist())),
        synthetic=tuple(map(tuple, counts[1].tolist())),
        explained=explained,
        axes=(
            dict(zip(tables.columns, weights[0], strict=True)),
            dict(zip(tables.columns, weights[1], strict=True)),
        ),
    )


def picture_distance(tables: Tables) -> Score:
    """Total variation distance of the two grids: half the sum of differences in the shares of cells."""
    found = picture(tables)
    if found is None:
        return Score(value=math.nan)
    real, synthetic = (np.array(grid, np.float64) for grid in (found.real, found.synthetic))
    return Score(value=float(np.abs(real / real.sum() - synthetic / synthetic.sum()).sum() / 2))


def picture_result(anchors: Anchors) -> Result:
    """The distance as a result."""
    found = anchors.result(
        picture_distance,
        name="picture_distance",
        family="fidelity",
        title="Distance in the picture",
        note="Total variation distance on a grid of 24 x 24 along the two main directions of the real rows. "
        "0 is equal.",
    )
    if math.isfinite(found.value):
        return found
    return replace(found, note="Not defined: the real rows do not differ in two directions.")


def _common(tables: Tables) -> list[np.ndarray[Any, np.dtype[np.bool_]]]:
    """Which cells of categories get a feature: those that are not rare, at most 400."""
    counts = [
        np.zeros(size, np.int64)
        if tables.numeric(name)
        else np.bincount(tables.real.codes[:, place], minlength=size)
        for place, (name, size) in enumerate(zip(tables.columns, tables.sizes, strict=True))
    ]
    pooled = np.sort(np.concatenate(counts))[::-1]
    least = max(1, math.ceil(_LEAST_SHARE * len(tables.real)))
    if len(pooled) > _MOST_FEATURES:
        least = max(least, int(pooled[_MOST_FEATURES]))
    return [count >= least for count in counts]


def _principal(features: _Features, codes: CodeArray) -> tuple[Floats | None, tuple[float, float]]:
    """The two main directions, each with its largest weight positive."""
    moments = sum(
        part.T @ part for part in (features(codes[at : at + _CHUNK]) for at in range(0, len(codes), _CHUNK))
    )
    values, vectors = np.linalg.eigh(np.asarray(moments) / len(codes))
    if len(values) < 2 or values[-2] <= 1e-9 * max(1.0, values[-1]):
        return None, (0.0, 0.0)
    axes = vectors[:, [-1, -2]]
    # A sign that hangs on one of two equal weights would depend on rounding, so near ties go to the first.
    largest = [int(np.argmax(np.abs(axis) > np.abs(axis).max() - 1e-6)) for axis in axes.T]
    axes = axes * np.sign(axes[largest, [0, 1]])
    return axes, (float(values[-1] / values.sum()), float(values[-2] / values.sum()))


def _project(features: _Features, axes: Floats, codes: CodeArray) -> Floats:
    return np.concatenate([features(codes[at : at + _CHUNK]) @ axes for at in range(0, len(codes), _CHUNK)])


def _edges(points: Floats) -> Floats:
    """Equal steps between the real quantiles of 0.5 % and 99.5 %, a little wider."""
    low, high = np.quantile(points, (0.005, 0.995))
    if high - low <= 1e-9:
        low, high = points.min(), points.max()
    margin = 0.02 * (high - low) + 1e-9
    return np.linspace(low - margin, high + margin, _SIDE + 1)


def _counted(points: Floats, edges: list[Floats]) -> CodeArray:
    # Rounded, so that points that differ in their last digit alone are in one cell.
    across, up = (
        np.searchsorted(edge[1:-1], np.round(points[:, axis], 9), side="right")
        for axis, edge in enumerate(edges)
    )
    return np.bincount(across * _SIDE + up, minlength=_SIDE**2).reshape(_SIDE, _SIDE)
