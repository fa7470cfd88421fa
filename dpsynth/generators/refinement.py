"""A second, finer look at the pairs whose structure buckets hide: columns that nearly determine each other.

Where two columns hardly depend on each other, buckets lose nothing. Where one nearly determines the other
(an industry and its group, two weights of one record), most of what a pair table says is inside the
buckets. Which pairs these are follows from the noisy tables of the buckets, so the choice is free; the
finer tables are one more Gaussian release, whose price was stated beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dpsynth.generators.buckets import Groups, bucketed, merged
from dpsynth.generators.memory import fitting
from dpsynth.generators.one_ways import Noisy
from dpsynth.generators.shares import divided
from dpsynth.graphical.consistency import FloatArray, project_to_simplex, rake, shrink
from dpsynth.graphical.junction_tree import Edge
from dpsynth.graphical.low_rank import denoised
from dpsynth.graphical.zeros import BoolArray
from dpsynth.mechanisms import GaussianMechanism, Measurement, MergedMarginal

__all__ = ["Refinement", "hiding_pairs", "plan_refinement"]

_STRONG = 0.45
"""Total variation distance from independence at which a pair is looked at again."""
_MERGED = 0.02
"""Probability of two codes in one bucket from which on a bucket hides something."""
_LARGE = 256
"""So many cells are worth another look even if no code was merged."""
_FINEST = (128, 64, 32, 16)
_PULL = 20.0
"""How much weaker than a table of counts an earlier estimate binds a new one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refinement:
    """Which pairs are counted again, and over which finer buckets.

    Attributes:
        names: All columns, in the order of their numbers.
        pairs: Numbers of the pairs.
        coarse: For each column the bucket of each code.
        fine: For each column a finer bucket of each code; none spans two buckets of `coarse`.
        possible: For pairs with structural zeros which cells of the coarse tables rows may have.

    Privacy: pairs and buckets are functions of noisy answers.
    """

    names: tuple[str, ...]
    pairs: tuple[Edge, ...]
    coarse: Mapping[str, Groups]
    fine: Mapping[str, Groups]
    possible: Mapping[Edge, BoolArray] = field(default_factory=dict)

    def mechanism(self, mu: float) -> GaussianMechanism:
        """All finer tables at the stated price, precision in proportion to cells^(2/3)."""
        queries = []
        for pair in self.pairs:
            columns = tuple(self.names[node] for node in pair)
            queries.append(MergedMarginal(columns=columns, groups=tuple(self.fine[c] for c in columns)))
        return divided(queries, [math.prod(query.shape) ** (2 / 3) for query in queries], total=mu)

    def read(
        self,
        measurement: Measurement,
        margins: Mapping[str, FloatArray],
        targets: Mapping[Edge, FloatArray],
    ) -> dict[Edge, FloatArray]:
        """Estimates of the finer tables.

        Args:
            measurement: The answers.
            margins: Cleaned counts of the codes of each column.
            targets: Estimates over the coarse buckets, for pairs of columns.
        """
        refined = {}
        for pair, (values, sigma) in zip(self.pairs, measurement, strict=True):
            left, right = (self.names[node] for node in pair)
            rows, columns = merged(margins[left], self.fine[left]), merged(margins[right], self.fine[right])
            known = _spread(targets[pair], margins[left], self.coarse[left], self.fine[left])
            known = _spread(known.T, margins[right], self.coarse[right], self.fine[right]).T
            noisy = np.asarray(values, np.float64).reshape(known.shape)
            allowed = self.possible[pair][self._places(pair)] if pair in self.possible else None
            refined[pair] = rake(_least_risk(noisy, sigma, known), rows, columns, allowed=allowed)
        return refined

    def matched(
        self, targets: Mapping[Edge, FloatArray], refined: Mapping[Edge, FloatArray]
    ) -> dict[Edge, FloatArray]:
        """The targets of the refined pairs, over classes and buckets, with the sums of the finer tables.

        Args:
            targets: For each pair probabilities over (class, bucket, bucket).
            refined: What `read` gave.
        """
        found = {}
        for pair, table in refined.items():
            places = self._places(pair)
            before = targets[pair]
            sums = np.zeros(before.shape[1:])
            np.add.at(sums, places, table / table.sum())
            whole = before.sum(axis=0)
            scale = np.divide(sums, whole, out=np.zeros(sums.shape), where=whole > 0)
            scaled = [  # each class keeps its margins
                rake(
                    own * scale,
                    own.sum(axis=1),
                    own.sum(axis=0),
                    allowed=own > 0 if pair in self.possible else None,
                )
                for own in before
            ]
            found[pair] = np.stack(scaled)
        return found

    def _places(self, pair: Edge) -> tuple[Any, ...]:
        """The coarse cell of each fine one, as an index."""
        return np.ix_(*(_parents(self.coarse[self.names[n]], self.fine[self.names[n]]) for n in pair))


def hiding_pairs(
    names: Sequence[str],
    margins: Mapping[str, FloatArray],
    coarse: Mapping[str, Groups],
    tables: Mapping[Edge, Noisy],
) -> tuple[Edge, ...]:
    """The pairs that nearly determine each other, and have many cells or codes that were merged.

    Args:
        names: All columns.
        margins: Cleaned counts of the codes of each column.
        coarse: The buckets.
        tables: Noisy counts of the pairs over the buckets.
    """
    sums = [merged(margins[name], coarse[name]) for name in names]
    total = float(sums[0].sum())
    independent = {(i, j): np.outer(sums[i], sums[j]) / total for i, j in tables}
    estimates = denoised([tables], [independent])[0]
    moved = {pair: float(np.abs(estimates[pair] - independent[pair]).sum()) / (2 * total) for pair in tables}

    def hides(pair: Edge) -> bool:
        merges = any(_hidden(margins[names[node]], coarse[names[node]]) > _MERGED for node in pair)
        return moved[pair] > _STRONG and (merges or tables[pair][0].size >= _LARGE)

    best = sorted((pair for pair in tables if hides(pair)), key=lambda pair: -moved[pair])
    return tuple(best[: max(len(names) // 2, 1)])


def plan_refinement(
    pairs: Sequence[Edge],
    names: Sequence[str],
    ordered: Mapping[str, int],
    margins: Mapping[str, FloatArray],
    coarse: Mapping[str, Groups],
    least: Mapping[str, float],
    *,
    most_cells: int,
) -> Refinement:
    """Count `pairs` again, over the finest buckets that noise and memory allow.

    Args:
        pairs: What `hiding_pairs` gave, the best first.
        names: All columns.
        ordered: How many of the first codes of each column stand on a scale.
        margins: Cleaned counts of the codes of each column.
        coarse: The buckets.
        least: Least mass of a merged bucket of each column.
        most_cells: Bound on the cells of all finer tables together.
    """

    def fine(number: int) -> dict[str, Groups]:
        found = dict(coarse)
        for name in {names[node] for pair in pairs for node in pair}:
            finest = bucketed(margins[name], ordered[name], number=number, least=least[name])
            found[name] = _common(coarse[name], finest)
        return found

    def sizes(groups: Mapping[str, Groups]) -> list[int]:
        return [math.prod(max(groups[names[node]]) + 1 for node in pair) for pair in pairs]

    groups = next(
        (found for number in _FINEST if sum(sizes(found := fine(number))) <= most_cells), dict(coarse)
    )
    chosen = sorted(pairs[: max(fitting(sizes(groups), most_cells), 1)])
    return Refinement(names=tuple(names), pairs=tuple(chosen), coarse=coarse, fine=groups)


def _hidden(counts: FloatArray, groups: Groups) -> float:
    """The probability that two rows of one bucket have different codes."""
    sums = merged(counts, groups)[np.array(groups)]
    same = np.divide(counts**2, sums, out=np.zeros(len(counts)), where=sums > 0)
    return 1.0 - float(same.sum()) / float(counts.sum())


def _common(coarse: Groups, finer: Groups) -> Groups:
    """Codes that are in one bucket of both, numbered without gaps."""
    _, numbers = np.unique(np.array(coarse) * (max(finer) + 1) + np.array(finer), return_inverse=True)
    return tuple(int(number) for number in numbers)


def _spread(table: FloatArray, counts: FloatArray, coarse: Groups, fine: Groups) -> FloatArray:
    """Divide the rows of a table over finer buckets, by their share in the coarse one."""
    parents = _parents(coarse, fine)
    mass, whole = merged(counts, fine), merged(counts, coarse)[parents]
    sizes = np.bincount(parents)[parents]
    share = np.where(whole > 0, mass / np.where(whole > 0, whole, 1.0), 1.0 / sizes)
    spread: FloatArray = table[parents] * share[:, None]
    return spread


def _parents(coarse: Groups, fine: Groups) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The coarse bucket of each finer one."""
    _, first = np.unique(np.array(fine), return_index=True)
    return np.array(coarse, np.int64)[first]


def _least_risk(noisy: FloatArray, sigma: float, known: FloatArray) -> FloatArray:
    """Of several estimates of a noisy table, the one with the least unbiased estimate of its squared error.

    For an estimate m of cells with noise s that follows the noisy table with d degrees of freedom the
    squared error is |m - noisy|² + 2 s² d - s² cells, on average (Stein, 1981). What is known from
    elsewhere has no degree; the nearest table without negative cells has one for each positive cell, less
    one; halfway between two estimates has half of them. Their differences are noisy: two estimates that
    are d apart have one of standard deviation 2 s d. What is known stays unless another is better by two
    of these, or heavy noise would invent structure (pitfall U10).
    """
    total = float(known.sum())
    nearest = project_to_simplex(noisy, total)
    pulled = shrink(noisy, np.maximum(known, 1e-9), sigma**2 / _PULL)
    pulled *= total / pulled.sum()
    followed = np.sum(pulled / (pulled + sigma**2 / _PULL))  # the derivative of the solution
    candidates = [
        (known, 0.0),
        (nearest, float((nearest > 0).sum()) - 1),
        ((known + nearest) / 2, (float((nearest > 0).sum()) - 1) / 2),
        (pulled, float(followed)),
    ]

    def risk(candidate: tuple[FloatArray, float]) -> float:
        estimate, degrees = candidate
        doubt = 4 * sigma * float(np.linalg.norm(estimate - known))
        return float(np.square(estimate - noisy).sum()) + 2 * sigma**2 * degrees + doubt

    best: FloatArray = min(candidates, key=risk)[0]
    return best
