"""How far a count may be off: intervals from the known noise alone, whatever the data are.

A model smooths, shrinks and assumes independence, and no formula says how far that leads it from the
data. The noisy tables of the transcript are unbiased, with noise of a known law. What follows from them
holds for the data themselves.

*Which table answers is public.* The tables of the first release are the same for all data, so a question
that one of them answers is answered by them. Later releases may ask what earlier answers suggested, and
merge codes by them. Given what was asked, their noise is fresh, so their bounds hold given the past; and
because whether they answer at all may depend on the first release, both have their own part of the
failure probability, and the parts add up to 1 - level.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.generators.given import asked_weights
from dpsynth.generators.marginals import exact
from dpsynth.generators.measured import MeasuredTable, measured_tables
from dpsynth.graphical.consistency import FloatArray

if TYPE_CHECKING:
    from dpsynth.generators.base import Model
    from dpsynth.session.transcript import Transcript

__all__ = ["ErrorBars", "error_bars"]

_FIRST_PART = 0.2
"""Part of the failure probability for bounds of the first release, where there are later ones."""

_ROUNDING = 0.5  # noise is rounded to whole numbers: half a step more than the continuous law says

Asked = Mapping[str, FloatArray]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorBars:
    """A count of rows with an interval that covers the true one.

    Attributes:
        estimate: The model's count. It need not lie in the interval, which does not know the model.
        low: Lower end of the interval.
        high: Upper end of the interval.
        level: Least probability, over the noise, that the interval covers the true count.
        share: The model's share of rows.
        standard_error: Standard deviation of the measured count; None if there is none.
        basis: `measured` if noisy tables split exactly where the question does, so that the interval is
            their mean and its noise; `bounded` if it only combines bounds from other tables.
        tables: Which tables were used, numbered as in `FittedModel.measurements`.
    """

    estimate: float
    low: float
    high: float
    level: float
    share: float
    standard_error: float | None
    basis: Literal["measured", "bounded"]
    tables: tuple[int, ...]

    def __str__(self) -> str:
        return (
            f"{self.estimate:.0f} rows by the model; the data have {self.low:.0f} to {self.high:.0f} "
            f"(level {self.level:g}, {self.basis})"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Noisy:
    """An unbiased estimate of a count.

    Attributes:
        value: The estimate.
        variance: Variance of its noise.
        scale: Largest scale of a Laplace noise in it, with its weight; 0 if all noise is Gaussian.
        tables: Where it comes from.
    """

    value: float
    variance: float
    scale: float
    tables: tuple[int, ...]

    def reach(self, failure: float) -> float:
        """The noise is larger than this with a probability of at most `failure`, and so is its negative.

        For sums of Laplace noise: -log(1 - b²x²) <= b²x² / (1 - bx), so they are sub-gamma with their
        variance and the scale b (Boucheron, Lugosi and Massart, 2013, section 2.4).
        """
        if not self.tables:
            return 0.0
        if self.scale == 0:
            return NormalDist().inv_cdf(1 - failure) * math.sqrt(self.variance) + _ROUNDING
        log = math.log(1 / failure)
        return math.sqrt(2 * self.variance * log) + self.scale * log + _ROUNDING


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bound:
    """Two unbiased estimates, of a count that is no larger and one that is no smaller than what is asked."""

    columns: frozenset[str]
    inner: _Noisy
    outer: _Noisy
    first: bool


def error_bars(
    model: Model, transcript: Transcript, where: Mapping[str, object], *, level: float
) -> ErrorBars:
    """The model's count of the rows `where`, and an interval for the true one.

    Raises:
        ConfigurationError: An impossible level or question, or a run that measured no counts.
    """
    failure = 1 - _validate.fraction("level", level)
    weights = asked_weights(model.schema, where)
    share = exact(model).probability(weights)
    asked = {name: each for name, each in weights.items() if (each < 1).any()}
    tables = measured_tables(transcript)
    if not tables:
        raise ConfigurationError("The run measured no counts, so nothing is known about their noise.")
    first = [table for table in tables if table.release == tables[0].release]
    later = tables[len(first) :]
    reserved = failure * _FIRST_PART if later else failure
    known, risk = _unbiased(first, asked), failure
    if known is None:
        known, risk = _unbiased(later, asked), failure - reserved
    if known is None:
        low, high, used = _bounded(first, later, asked, reserved, failure - reserved)
    else:
        reach, used = known.reach(risk / 2), known.tables
        low, high = known.value - reach, known.value + reach
    return ErrorBars(
        estimate=share * model.total,
        low=max(low, 0.0),
        high=max(high, 0.0),
        level=level,
        share=share,
        standard_error=None if known is None else math.sqrt(known.variance),
        basis="bounded" if known is None else "measured",
        tables=used,
    )


def _unbiased(tables: Iterable[MeasuredTable], asked: Asked) -> _Noisy | None:
    """The mean over the tables that have the columns and split exactly as `asked` does; None if none does."""
    found = []
    for table in tables:
        if set(asked) <= set(table.columns):
            inner, outer = _parts(table, asked)
            if all((one == other).all() for one, other in zip(inner, outer, strict=True)):
                found.append(_sum(table, inner))
    return _mean(found) if found else None


def _mean(found: Sequence[_Noisy]) -> _Noisy:
    """The inverse-variance mean of estimates of one count."""
    precision = sum(1 / each.variance for each in found)
    weights = [1 / (each.variance * precision) for each in found]
    return _Noisy(
        value=sum(weight * each.value for weight, each in zip(weights, found, strict=True)),
        variance=1 / precision,
        scale=max(weight * each.scale for weight, each in zip(weights, found, strict=True)),
        tables=tuple(number for each in found for number in each.tables),
    )


def _bounded(
    first: Sequence[MeasuredTable],
    later: Sequence[MeasuredTable],
    asked: Asked,
    first_risk: float,
    later_risk: float,
) -> tuple[float, float, tuple[int, ...]]:
    """Bounds that hold together: each takes an equal part of the risk of its releases (Bonferroni).

    A count is at most that over fewer columns. It is at least N less those outside, column set by column
    set (Frechet, 1935): count(A and B) >= N - (N - count(A)) - (N - count(B)).
    """
    sets = {frozenset(asked) & frozenset(table.columns) for table in (*first, *later)} - {frozenset()}
    bounds = [_bound(first, later, asked, columns) for columns in sorted(sets, key=sorted)]
    ahead = sum(bound.first for bound in bounds)
    parts = {True: first_risk / (2 * ahead + 1), False: later_risk / max(2 * (len(bounds) - ahead), 1)}
    everybody = _mean([_sum(table, _parts(table, {})[0]) for table in first])
    rows = everybody.value + everybody.reach(parts[True])
    highs = [bound.outer.value + bound.outer.reach(parts[bound.first]) for bound in bounds]
    lows = [bound.inner.value - bound.inner.reach(parts[bound.first]) for bound in bounds]
    outside = {bound.columns: max(rows - max(low, 0.0), 0.0) for bound, low in zip(bounds, lows, strict=True)}
    low = rows - _cheapest_cover(frozenset(asked), outside)
    used = {number for bound in bounds for number in (*bound.inner.tables, *bound.outer.tables)}
    return low, min([rows, *highs]), tuple(sorted(used | set(everybody.tables)))


def _bound(
    first: Sequence[MeasuredTable], later: Sequence[MeasuredTable], asked: Asked, columns: frozenset[str]
) -> _Bound:
    """What is known about `columns` alone; columns, buckets and sigma of the tables say which tell it."""
    part = {name: asked[name] for name in sorted(columns)}
    ahead = [table for table in first if columns <= set(table.columns)]
    tables = ahead or [table for table in later if columns <= set(table.columns)]
    known = _unbiased(tables, part)
    if known is not None:
        return _Bound(columns=columns, inner=known, outer=known, first=bool(ahead))
    brackets = [tuple(_sum(table, masks) for masks in _parts(table, part)) for table in tables]
    inner, outer = min(brackets, key=lambda pair: pair[1].variance)
    return _Bound(columns=columns, inner=inner, outer=outer, first=bool(ahead))


def _cheapest_cover(wanted: frozenset[str], costs: Mapping[frozenset[str], float]) -> float:
    """A small cost of sets that cover `wanted`: one set, or greedily the least cost for each new column.

    It is infinite if some column is in no set.

    Each cover gives a bound, and all hold together, so that looking for the best one costs nothing.
    """
    left, total = set(wanted), 0.0
    while left:
        best = min((c for c in costs if c & left), key=lambda c: costs[c] / len(c & left), default=None)
        if best is None:
            return math.inf
        total += costs[best]
        left -= best
    return min(total, costs.get(wanted, total))


def _parts(table: MeasuredTable, asked: Asked) -> tuple[list[Mask], list[Mask]]:
    """For each axis which buckets lie inside what is asked, and which have something of it."""
    inner, outer = [], []
    for name, group in zip(table.columns, table.groups, strict=True):
        weights = asked.get(name, np.ones(len(group)))
        inner.append(np.bincount(group, weights=weights < 1) == 0)
        outer.append(np.bincount(group, weights=weights > 0) > 0)
    return inner, outer


def _sum(table: MeasuredTable, masks: Sequence[Mask]) -> _Noisy:
    """The count of the cells in all `masks`."""
    cells = table.values[np.ix_(*masks)] if masks else table.values
    return _Noisy(
        value=float(cells.sum()),
        variance=table.sigma**2 * cells.size,
        scale=table.sigma / math.sqrt(2) if table.law == "laplace" else 0.0,
        tables=(table.number,) if cells.size else (),
    )
