"""Which tables of three columns a model of pairs misses: scores of all in one release; the best are counted.

A parity of two columns is invisible in pairs, and hard to learn from noised gradients where there are a
hundred columns. The distance of every table of three columns from the model's is one number each, and one
Gaussian release shows the largest.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.generators.base import Step
from dpsynth.generators.deep import CodeTable
from dpsynth.generators.shares import divided
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_model import JunctionModel
from dpsynth.graphical.triples import Triple, Triples, with_pairs
from dpsynth.mechanisms import MarginalGap, MergedMarginal, NoisyScores, on_grid
from dpsynth.privacy.events import GaussianEvent
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["TripleSearch"]

Indices = np.ndarray[Any, np.dtype[np.int64]]

_GROUPS = 4
_MOST = 200_000
_DEAR = 50_000  # so many scores take the whole share; fewer take less
_SIGNIFICANT = 2.0
_OF_A_PAIR = 2
_SURPRISE = 4.0
_CELL_BYTES, _SCORE_BYTES = 16, 8_000


@dataclass(frozen=True, kw_only=True, slots=True)
class TripleSearch:
    """A search and its prices, public before it.

    Attributes:
        candidates: All sets of three columns, by number.
        number: So many tables are counted at most.
        scores_mu: Price of the scores of all candidates.
        counts_mu: Price of the counts of the chosen ones.

    Privacy: `NoisyScores` of all candidates, then a `GaussianMechanism` over the chosen ones. Estimates,
        groups and the choice are functions of noisy answers before.
    """

    candidates: tuple[Triple, ...]
    number: int
    scores_mu: float
    counts_mu: float

    @classmethod
    def of(
        cls, schema: Schema, mu: float, *, target: str | None, number: int, share: float
    ) -> TripleSearch | None:
        """The search for `share` of mu squared, less where there are few candidates; None if there is none.

        With a target all tables with it have been counted. More than 200,000 candidates take too long.
        """
        domain = schema.domain
        nodes = [i for i, name in enumerate(domain.columns) if domain.size_of(name) > 1 and name != target]
        if not (number and share and len(nodes) > 2 and math.comb(len(nodes), 3) <= _MOST):
            return None
        candidates = tuple(itertools.combinations(nodes, 3))
        part = share * math.sqrt(min(1.0, len(candidates) / _DEAR))
        return cls(
            candidates=candidates,
            number=number,
            scores_mu=mu * math.sqrt(part * 2 / 3),
            counts_mu=mu * math.sqrt(part / 3),
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """What it costs."""
        scores, counts = (GaussianEvent(mu=mu) for mu in (self.scores_mu, self.counts_mu))
        detail = f"how far {len(self.candidates)} tables of three columns are from the model"
        return (
            Step(label="scores of triples", event=scores, detail=detail),
            Step(label="counts of triples", event=counts, detail=f"at most {self.number} tables"),
        )

    @property
    def memory_bytes(self) -> int:
        """Of the estimates of all candidates."""
        return len(self.candidates) * (_SCORE_BYTES + _CELL_BYTES * _GROUPS**3)

    def found(self, measurer: Measurer, counts: JunctionModel, rows: CodeTable) -> Triples:
        """Ask; the tables that differ from the model by more than noise.

        Args:
            measurer: Answers.
            counts: The model of the pairs.
            rows: Rows of it.
        """
        groups = _groups(counts)
        by_code = [group[own] for group, own in zip(groups, counts.buckets, strict=True)]
        grouped = [own[codes] for own, codes in zip(by_code, rows.T, strict=True)]
        sizes = [int(group.max()) + 1 for group in groups]
        columns = [
            (name, tuple(own.tolist()))
            for name, own in zip(counts.schema.domain.columns, by_code, strict=True)
        ]
        scores, deviation = self._scores(measurer, columns, grouped, sizes, counts.total)
        chosen = self._chosen(scores, deviation)
        expected = {triple: _shares(grouped, sizes, triple) for triple in chosen}
        queries = []
        for triple in chosen:
            names, codes = zip(*(columns[node] for node in triple), strict=True)
            queries.append(MergedMarginal(columns=names, groups=codes))
        weights = [table.size ** (2 / 3) for table in expected.values()]
        asked = divided(queries, weights, total=self.counts_mu)
        wanted = {}
        for triple, (noisy, sigma) in zip(chosen, measurer.measure(asked), strict=True):
            table = np.asarray(noisy, np.float64).reshape(expected[triple].shape)
            fitted = with_pairs(table, expected[triple])
            if _differs(fitted, expected[triple], max(float(table.sum()), 1.0), sigma, len(rows)):
                wanted[triple] = fitted
        kept = {triple: expected[triple] for triple in wanted}
        return Triples(groups=tuple(groups), wanted=wanted, expected=kept)

    def _scores(
        self,
        measurer: Measurer,
        columns: Sequence[tuple[str, tuple[int, ...]]],
        grouped: Sequence[Indices],
        sizes: Sequence[int],
        total: float,
    ) -> tuple[FloatArray, float]:
        """Noisy distances of all tables from the model's, less what chance alone would make of them."""
        chance = math.sqrt(2 / math.pi * total * (1 + total / max(len(grouped[0]), 1)))
        estimates, penalties = [], []
        for triple in self.candidates:
            table = _shares(grouped, sizes, triple)
            estimates.append(on_grid(total * table.ravel(), 0))
            penalties.append(round(chance * float(np.sqrt(table).sum())))
        score = MarginalGap(
            cliques=tuple((columns[a][0], columns[b][0], columns[c][0]) for a, b, c in self.candidates),
            estimates=tuple(estimates),
            penalties=tuple(penalties),
            groups=tuple((columns[a][1], columns[b][1], columns[c][1]) for a, b, c in self.candidates),
        )
        ((noisy, sigma),) = measurer.measure(NoisyScores(score=score, mu=self.scores_mu))
        return np.asarray(noisy, np.float64), sigma

    def _chosen(self, scores: FloatArray, sigma: float) -> list[Triple]:
        """The best that stand out of the noise; at least one, because its price is in the plan.

        A pair that the model has wrong is in many tables that differ; only two of them are taken.
        """
        order = np.argsort(-scores, kind="stable")
        kept: list[Triple] = []
        seen: Counter[tuple[int, int]] = Counter()
        for i in order[: int((scores > _SIGNIFICANT * sigma).sum())]:
            triple = self.candidates[i]
            pairs = tuple(itertools.combinations(triple, 2))
            if all(seen[pair] < _OF_A_PAIR for pair in pairs):
                seen.update(pairs)
                kept.append(triple)
            if len(kept) == self.number:
                break
        return sorted(kept) or [self.candidates[order[0]]]


def _groups(counts: JunctionModel) -> list[Indices]:
    """For each column at most four groups of neighbouring buckets, of about equal mass."""
    found = []
    for name, own, size in zip(counts.schema.domain.columns, counts.buckets, counts.tree.sizes, strict=True):
        if size <= _GROUPS:
            found.append(np.arange(size))
            continue
        mass = np.bincount(own, weights=counts.marginal([name]), minlength=size)
        middles = (np.cumsum(mass) - mass / 2) / max(float(mass.sum()), 1e-300)
        found.append(np.unique((middles * _GROUPS).astype(np.int64), return_inverse=True)[1])
    return found


def _shares(grouped: Sequence[Indices], sizes: Sequence[int], triple: Triple) -> FloatArray:
    first, second, third = triple
    shape = (sizes[first], sizes[second], sizes[third])
    cells = (grouped[first] * shape[1] + grouped[second]) * shape[2] + grouped[third]
    found = np.bincount(cells, minlength=math.prod(shape)) / max(len(cells), 1)
    shares: FloatArray = found.reshape(shape)
    return shares


def _differs(fitted: FloatArray, expected: FloatArray, total: float, sigma: float, rows: int) -> bool:
    """Whether shares are farther from the model's than noise, and that both are samples, make likely.

    Both have the same pairs, which takes noise away: the test errs towards leaving the model as it is.
    """
    variance = sigma**2 + total * expected * (1 + total / max(rows, 1))
    surplus = float(((total * (fitted - expected)) ** 2 / variance).sum()) - fitted.size
    return surplus > _SURPRISE * math.sqrt(2 * fitted.size)
