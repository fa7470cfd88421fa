"""A network while it grows: which families can come next, and what is known about those that came."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from dpsynth.generators.one_ways import Noisy, clean_margins, table_total, varied_columns
from dpsynth.graphical.consistency import FloatArray, combine
from dpsynth.graphical.estimation import clean_margin, ordered_cells
from dpsynth.graphical.families import fit_family
from dpsynth.graphical.network import BayesianNetwork
from dpsynth.mechanisms import Marginal, MarginalGap, gaussian_sigma, on_grid
from dpsynth.mechanisms.base import IntArray
from dpsynth.schema.schema import Schema

__all__ = ["BYTES_PER_CELL", "Family", "Growing", "Limits", "Offer"]

BYTES_PER_CELL = 24  # of a candidate: its estimate, the score's copy, and counts while they are compared

_GRID_BITS = 10


@dataclass(frozen=True, slots=True)
class Family:
    """A column with its parents, in the order in which the parents were placed."""

    child: str
    parents: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Which families may be candidates, and what their noise counts; see `PrivBayes`."""

    degree: int
    usefulness: float
    noise_weight: float
    largest_table: int
    memory_limit: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Offer:
    """The candidates of one choice and their score."""

    families: tuple[Family, ...]
    score: MarginalGap


class Growing:
    """Places one column after the other.

    Args:
        schema: The schema.
        columns: The noisy one-ways.
        limits: Of the candidates.
        mu: Precision with which each family will be measured.

    Privacy: sees noisy answers, earlier choices and public sizes only, so that its offers and
        estimates are public constants for the next mechanism (pitfall P15).
    """

    def __init__(self, schema: Schema, columns: Mapping[str, Noisy], limits: Limits, mu: float) -> None:
        self._schema, self._columns, self._limits, self._mu = schema, columns, limits, mu
        self._total = table_total(columns)
        self._margins = clean_margins(schema, columns, self._total)
        self._ordered = {column.name: ordered_cells(column) for column in schema.modelled}
        self._left = list(varied_columns(schema.domain))
        self._parents: dict[str, tuple[str, ...]] = {}
        self._counts: dict[str, FloatArray] = {}  # of each placed column with its parents
        self._tables: list[Noisy] = []
        self._bytes = 0
        self._candidates: dict[Family, IntArray] = {}
        self._open(Family(child, (parent,)) for parent, child in itertools.combinations(self._left, 2))

    def offer(self) -> Offer:
        """All candidates. A column that no candidate reaches is offered without parents."""
        reached = {family.child for family in self._candidates}
        lonely = [Family(child, ()) for child in self._left if self._parents and child not in reached]
        estimates = self._candidates | {family: self._estimate(family) for family in lonely}
        families = tuple(estimates)
        score = MarginalGap(
            cliques=tuple(self.columns_of(family) for family in families),
            estimates=tuple(estimates.values()),
            bits=_GRID_BITS,
            penalties=tuple(self._penalty(family) for family in families),
        )
        return Offer(families=families, score=score)

    def columns_of(self, family: Family) -> tuple[str, ...]:
        """The columns of `family` in the order of the schema: one order, one count of the table."""
        return tuple(name for name in self._schema.domain.columns if name in (*family.parents, family.child))

    def add(self, family: Family, values: IntArray, sigma: float) -> None:
        """Place `family.child`, given the noisy counts of `columns_of(family)`."""
        if not self._parents:
            root = family.parents[0]
            self._place(Family(root, ()), self._margins[root])
        axes = (*family.parents, family.child)
        columns = self.columns_of(family)
        noisy = np.asarray(values, np.float64).reshape(self._schema.domain.shape(columns))
        noisy = noisy.transpose([columns.index(name) for name in axes])
        ordered = [self._ordered[name] for name in axes]
        child = self._child_counts(family, noisy, sigma, ordered[-1])
        self._tables.append((noisy, sigma))
        self._place(family, fit_family(noisy, sigma, self._joint(family.parents), child, ordered=ordered))

    def network(self) -> BayesianNetwork:
        """The model; columns that were never placed are independent of all others."""
        order = dict(self._parents)
        order |= {name: () for name in self._schema.domain.columns if name not in order}
        counts = {name: self._margins[name] for name in order} | self._counts
        total = table_total({**self._columns, **dict(enumerate(self._tables))})
        tables = {name: _shares(counts[name], self._margins[name]) for name in order}
        return BayesianNetwork(schema=self._schema, total=total, order=tuple(order.items()), tables=tables)

    def _place(self, family: Family, counts: FloatArray) -> None:
        child = family.child
        self._left.remove(child)
        self._parents[child], self._counts[child] = family.parents, counts
        for done in [other for other in self._candidates if other.child == child]:
            self._bytes -= BYTES_PER_CELL * self._candidates.pop(done).size
        if len(self._parents) == 1:  # the root: of the first candidates stay those that have it as parent
            self._candidates, self._bytes = {}, 0
        sets = [
            (*others, child)
            for count in range(min(self._limits.degree, len(family.parents) + 1))
            for others in itertools.combinations(family.parents, count)
        ]
        self._open(Family(other, parents) for parents in sets for other in self._left)

    def _open(self, families: Iterator[Family]) -> None:
        """Admit what the limits admit, small tables first."""
        cells = {family: self._schema.domain.cells(self.columns_of(family)) for family in families}
        for family in sorted(cells, key=lambda family: cells[family]):
            needed = BYTES_PER_CELL * cells[family]
            if self._bytes + needed > self._limits.memory_limit or not self._admitted(family, cells[family]):
                continue
            self._candidates[family] = self._estimate(family)
            self._bytes += needed

    def _admitted(self, family: Family, cells: int) -> bool:
        if cells > self._limits.largest_table:
            return False
        useful = self._limits.usefulness * cells * self._sigma(family) <= self._total
        return useful or len(family.parents) < 2

    def _estimate(self, family: Family) -> IntArray:
        """Independence of child and parents, on the grid, axes in the order of the schema."""
        if not self._parents and family.parents:
            joint = self._margins[family.parents[0]]
        else:
            joint = self._joint(family.parents)
        product = joint[..., None] * self._margins[family.child] / self._total
        axes = (*family.parents, family.child)
        product = product.transpose([axes.index(name) for name in self.columns_of(family)])
        return on_grid(product.ravel(), _GRID_BITS)

    def _joint(self, parents: tuple[str, ...]) -> FloatArray:
        """The counts of columns that share a family: a margin of the family of the last."""
        if not parents:
            return np.array(self._total)
        last = parents[-1]
        axes = (i for i, name in enumerate(self._parents[last]) if name not in parents)
        return np.asarray(self._counts[last].sum(axis=tuple(axes)))

    def _sigma(self, family: Family) -> float:
        return gaussian_sigma(Marginal(columns=self.columns_of(family)), self._mu, self._schema.unit)

    def _penalty(self, family: Family) -> int:
        """The expected L1 norm of the noise of `family`, weighted, on the grid."""
        cells = self._schema.domain.cells(self.columns_of(family))
        noise = math.sqrt(2 / math.pi) * self._sigma(family) * cells
        return round(2.0**_GRID_BITS * self._limits.noise_weight * noise)

    def _child_counts(self, family: Family, noisy: FloatArray, sigma: float, ordered: int) -> FloatArray:
        """All that was measured about the child: its own counts and the sums of the new table."""
        own, noise = self._columns[family.child]
        summed = noisy.sum(axis=tuple(range(noisy.ndim - 1)))
        size = noisy.size // summed.size
        mean, variance = combine([(own, noise**2), (summed, size * sigma**2)])
        return clean_margin(mean, math.sqrt(variance), self._total, ordered=ordered)


def _shares(counts: FloatArray, otherwise: FloatArray) -> FloatArray:
    """The distributions of the last axis; where nothing was counted, that of `otherwise`."""
    sums = counts.sum(axis=-1, keepdims=True)
    shares: FloatArray = np.where(
        sums > 0, counts / np.where(sums > 0, sums, 1.0), otherwise / otherwise.sum()
    )
    return shares
