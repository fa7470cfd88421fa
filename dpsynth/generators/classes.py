"""One release of all pairs, within the classes of a target column or over all rows.

With a target column, a pair is counted within each class of the target. A row is in one class, so the
counts of all classes together are one marginal with the sensitivity of a marginal, and every three-way
table with the target is measured for the price of the pairs (parallel composition inside one query).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.generators.buckets import Groups, merged
from dpsynth.generators.one_ways import Noisy, column_weight, whole_column
from dpsynth.generators.shares import divided
from dpsynth.graphical.consistency import FloatArray, combine, project_to_simplex
from dpsynth.graphical.junction_tree import Edge
from dpsynth.graphical.structure import Layer
from dpsynth.mechanisms import GaussianMechanism, Measurement, MergedMarginal
from dpsynth.schema.layout import Domain

__all__ = ["PairRelease"]

_SMALLEST = 1e-6
"""Part of the rows that a class has at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairRelease:
    """Which tables of pairs are asked, and how their answers are read.

    Attributes:
        pairs: Names of the pairs.
        groups: The bucket of each code, for each column.
        target: The column whose buckets are the classes; None for all rows together.

    Privacy: the queries follow from the schema and from buckets, which are functions of noisy answers.
    """

    pairs: tuple[tuple[str, str], ...]
    groups: Mapping[str, Groups]
    target: str | None = None

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return 1 if self.target is None else max(self.groups[self.target]) + 1

    def mechanism(
        self, mu: float, *, domain: Domain, columns: Sequence[str] = (), share: float = 0.0
    ) -> GaussianMechanism:
        """All tables at the stated price, precision in proportion to cells^(2/3); then columns once more.

        Args:
            mu: The price.
            domain: Sizes of the columns.
            columns: Columns that are asked again if `share` > 0.
            share: Part of the price (of mu squared) for that, below one.
        """
        first = () if self.target is None else (self.target,)
        queries = []
        for pair in self.pairs:
            names = (*first, *pair)
            queries.append(MergedMarginal(columns=names, groups=tuple(self.groups[c] for c in names)))
        weights = [math.prod(query.shape) ** (2 / 3) for query in queries]
        if share > 0:
            again = [whole_column(domain, name) for name in columns]
            parts = [column_weight(domain.size_of(name)) for name in columns]
            scale = sum(weights) * share / (1 - share) / sum(parts)
            queries, weights = [*queries, *again], [*weights, *(scale * part for part in parts)]
        return divided(queries, weights, total=mu)

    def read(self, measurement: Measurement) -> dict[tuple[str, str], Noisy]:
        """For each pair its noisy counts, one table for each class along the first axis."""
        found = {}
        for pair, (values, sigma) in zip(self.pairs, measurement, strict=False):  # columns may follow
            shape = (self.classes, *(max(self.groups[name]) + 1 for name in pair))
            found[pair] = (np.asarray(values, np.float64).reshape(shape), sigma)
        return found

    def with_more(
        self, tables: Mapping[tuple[str, str], Noisy], measurement: Measurement
    ) -> dict[tuple[str, str], Noisy]:
        """The tables after another measurement of all of them, by inverse variance."""
        both = {}
        for pair, (counts, sigma) in self.read(measurement).items():
            known, deviation = tables[pair]
            mean, variance = combine([(known, deviation**2), (counts, sigma**2)])
            both[pair] = (mean, math.sqrt(variance))
        return both

    def pooled(self, names: Sequence[str], tables: Mapping[tuple[str, str], Noisy]) -> dict[Edge, Noisy]:
        """The tables of all classes together, by the numbers of their columns."""
        return {
            (names.index(left), names.index(right)): (counts.sum(0), sigma * math.sqrt(self.classes))
            for (left, right), (counts, sigma) in tables.items()
        }

    def layers(
        self,
        names: Sequence[str],
        columns: Mapping[str, Noisy],
        margins: Mapping[str, FloatArray],
        tables: Mapping[tuple[str, str], Noisy],
    ) -> list[Layer]:
        """What is known about each class.

        Args:
            names: All columns, in the order of their numbers. In a layer the target has one code.
            columns: Noisy one-way counts.
            margins: The same, cleaned, for all columns; they share one sum.
            tables: What `read` gave.
        """
        total = float(margins[names[0]].sum())
        coarse = {name: self._known(name, columns, margins) for name in names}
        sizes = np.array([total])
        if self.target is not None:
            sums = [(table.sum((1, 2)), sigma**2 * table[0].size) for table, sigma in tables.values()]
            sizes = project_to_simplex(combine([coarse[self.target], *sums])[0], total)
            # A class that noise left without rows would have no shares.
            sizes = np.maximum(sizes, _SMALLEST * total)
            sizes *= total / sizes.sum()
        by_class = {
            name: self._by_class(name, coarse[name], sizes, tables) for name in names if name != self.target
        }
        numbered = {(names.index(left), names.index(right)): noisy for (left, right), noisy in tables.items()}
        return [
            Layer(
                margins=tuple(by_class[name][c] if name in by_class else sizes[[c]] for name in names),
                pairs={pair: (table[c], sigma) for pair, (table, sigma) in numbered.items()},
            )
            for c in range(self.classes)
        ]

    def _known(
        self, name: str, columns: Mapping[str, Noisy], margins: Mapping[str, FloatArray]
    ) -> tuple[FloatArray, float]:
        """The counts of the buckets from the one-way counts, and the mean variance of one."""
        own = merged(margins[name], self.groups[name])
        return own, columns[name][1] ** 2 * len(margins[name]) / len(own) if name in columns else 1.0

    def _by_class(
        self,
        name: str,
        known: tuple[FloatArray, float],
        sizes: FloatArray,
        tables: Mapping[tuple[str, str], Noisy],
    ) -> list[FloatArray]:
        """The counts of the buckets of one column in each class: all that was measured, by inverse variance.

        The one-way counts say something about the sum over the classes only: what they differ from it by
        is shared out in proportion to the variances (generalised least squares).
        """
        sums = []
        for (left, right), (table, sigma) in tables.items():
            if name in (left, right):
                axis = 2 if name == left else 1
                sums.append((table.sum(axis), sigma**2 * table.shape[axis]))
        whole, variance = known
        if not sums:
            return [whole * size / whole.sum() for size in sizes]
        each, own = combine(sums)
        each = each + (whole - each.sum(0)) * own / (len(sizes) * own + variance)
        return [project_to_simplex(counts, size) for counts, size in zip(each, sizes, strict=True)]
