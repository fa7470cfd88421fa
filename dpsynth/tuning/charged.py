"""Scores of many models against the private rows, charged once.

Why not from the noisy tables that the methods paid for? Each method measured other tables, and is nearest to
its own: `independent` saw no pair at all, so nothing says how wrong its pairs are. And the distance of a
model from noisy counts is mostly noise where cells are small. Here every model is compared with the same
tables, the exact distance is computed behind the door, and noise is added to the distance: so the mean over
tables is unbiased, and its own noise is known. It is cheap: one unit moves a distance by k rows, so the mean
of m tables among K scores has noise sqrt(K / m) k / mu rows, of twice their number.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.marginals import groups as chosen_groups
from dpsynth.generators.buckets import bucketed
from dpsynth.graphical.estimation import ordered_cells
from dpsynth.mechanisms import MarginalGap, NoisyScores

if TYPE_CHECKING:
    from dpsynth.schema.column import ModelledColumn
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Measurer

__all__ = ["Cells", "Codes", "Counts", "Estimate", "require_metric", "scored"]

Counts = tuple[np.ndarray[Any, Any], ...]
Codes = Mapping[str, np.ndarray[Any, Any]]

# Columns of a table, buckets of each, tables at most.
_TABLES = {"pair_accuracy": (2, 32, 300), "k_marginal": (3, 16, 60)}
_MOST_CELLS = 2**24  # of all models together
_FEWEST = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A noisy mean.

    Attributes:
        value: Unbiased; higher is better.
        deviation: Of its noise.
    """

    value: float
    deviation: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cells:
    """The tables in which models are compared with rows.

    Attributes:
        cliques: The columns of each table.
        buckets: The bucket of each code, for each column of each table.
        metrics: The metric that each table counts for.
    """

    cliques: tuple[tuple[str, ...], ...]
    buckets: tuple[tuple[tuple[int, ...], ...], ...]
    metrics: tuple[str, ...]

    @classmethod
    def of(cls, schema: Schema, codes: Codes, *, models: int) -> Cells:
        """All pairs over 32 buckets and some triples over 16, or a fixed choice; from public sizes.

        Args:
            schema: Whose columns.
            codes: Rows of a paid model. By these, columns with more codes are cut into buckets of like mass.
            models: How many are compared: with many, in fewer tables.
        """
        names = schema.domain.columns
        cliques, buckets, metrics = list[Any](), list[Any](), list[str]()
        for metric, (ways, number, most) in _TABLES.items():
            tables = min(most, max(_MOST_CELLS // (models * number**ways), _FEWEST))
            cut = {column.name: _cut(codes[column.name], column, number) for column in schema.modelled}
            for group in chosen_groups(len(names), ways, most=tables):
                clique = tuple(names[place] for place in group)
                cliques.append(clique)
                buckets.append(tuple(cut[name] for name in clique))
                metrics.append(metric)
        return cls(cliques=tuple(cliques), buckets=tuple(buckets), metrics=tuple(metrics))

    def counts(self, codes: Codes) -> Counts:
        """How many records are in each cell of each table."""
        found, known = [], dict[Any, np.ndarray[Any, Any]]()
        for clique, groups in zip(self.cliques, self.buckets, strict=True):
            for place in zip(clique, groups, strict=True):
                if place not in known:
                    known[place] = np.array(place[1])[codes[place[0]]]
            merged = [known[place] for place in zip(clique, groups, strict=True)]
            shape = tuple(max(own) + 1 for own in groups)
            cells = np.ravel_multi_index(tuple(merged), shape)
            found.append(np.bincount(cells, minlength=math.prod(shape)).astype(np.int64))
        return tuple(found)

    def ceiling(self, counts: Counts) -> dict[str, float]:
        """What a second sample of the same size would get, if the best model were the truth.

        A cell of probability p differs by sqrt(2 p (1 - p) / n) times a normal number, hence by
        2 sqrt(p (1 - p) / (pi n)) on average, and by at most 2 p.
        """
        found: dict[str, list[float]] = {}
        for metric, cells in zip(self.metrics, counts, strict=True):
            rows = max(int(cells.sum()), 1)
            shares = cells / rows
            moved = np.minimum(np.sqrt(shares * (1 - shares) / (math.pi * rows)), shares)
            found.setdefault(metric, []).append(1 - float(moved.sum()))
        return {metric: float(np.mean(values)) for metric, values in found.items()}


def require_metric(schema: Schema, metric: str) -> None:
    """Refuse, before anything is spent, a metric that is none or needs more columns.

    Raises:
        ConfigurationError: It cannot be had for this schema.
    """
    _validate.one_of("metric", metric, tuple(_TABLES))
    ways, columns = _TABLES[metric][0], len(schema.domain.columns)
    if columns < ways:
        raise ConfigurationError(
            f"The metric {metric!r} needs {ways} modelled columns, and the schema has {columns}."
        )


def scored(
    measurer: Measurer, cells: Cells, models: Sequence[Counts], *, mu: float, rows: int
) -> list[dict[str, Estimate]]:
    """For each model its metrics, with noise.

    Args:
        measurer: Pays.
        cells: Which tables.
        models: The counts of a synthetic table of each model, with as many rows as the private one has.
        mu: What all of it costs.
        rows: That number, a noisy one.

    Privacy: `NoisyScores` of distances from public numbers; its price does not depend on how many there are.
    """
    score = MarginalGap(
        cliques=cells.cliques * len(models),
        estimates=tuple(itertools.chain.from_iterable(models)),
        groups=cells.buckets * len(models),
    )
    ((noisy, sigma),) = measurer.measure(NoisyScores(score=score, mu=mu))
    accuracies = 1 - np.asarray(noisy, np.float64).reshape(len(models), -1) / (2 * rows)
    deviation = sigma / (2 * rows)
    labels = np.array(cells.metrics)
    return [
        {
            metric: Estimate(
                value=float(own[labels == metric].mean()),
                deviation=deviation / math.sqrt((labels == metric).sum()),
            )
            for metric in dict.fromkeys(cells.metrics)
        }
        for own in accuracies
    ]


def _cut(codes: np.ndarray[Any, Any], column: ModelledColumn, number: int) -> tuple[int, ...]:
    if column.size <= number:
        return tuple(range(column.size))
    counts = np.bincount(codes, minlength=column.size).astype(np.float64)
    # Frequent categories stay alone, so there may be more buckets than were wanted, about four times as many.
    tried = (
        bucketed(counts, ordered_cells(column), number=wanted, least=0.0) for wanted in range(number, 0, -1)
    )
    return next(groups for groups in tried if max(groups) < number)
