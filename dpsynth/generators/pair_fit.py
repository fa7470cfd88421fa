"""One fit of `allpairs`: what is asked, in order, and what becomes of the answers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dpsynth.generators.buckets import Buckets, Groups, choose_buckets, within_buckets
from dpsynth.generators.classes import PairRelease
from dpsynth.generators.code_zeros import CodeZeros
from dpsynth.generators.earlier import Known
from dpsynth.generators.memory import MemoryPlan, fitting
from dpsynth.generators.one_ways import (
    Noisy,
    OneWays,
    clean_margins,
    columns_again,
    one_way_noise,
    table_total,
    with_more,
)
from dpsynth.generators.refinement import hiding_pairs, plan_refinement
from dpsynth.generators.screening import clear_pairs, scores_of_pairs
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.estimation import ordered_cells
from dpsynth.graphical.junction_model import JunctionModel
from dpsynth.graphical.junction_tree import Edge
from dpsynth.graphical.structure import fit_junction_tree, stacked, target_tables, with_zeros
from dpsynth.mechanisms import Marginal, gaussian_sigma
from dpsynth.privacy.events import Event, GaussianEvent
from dpsynth.session.measurer import Measurer

__all__ = ["Design", "PairFit"]

_HOPELESS = 0.08
"""Total variation distance that noise may add, on average, for pairs to be counted at all: to a pair, and
to a column if all of the budget went to columns."""
_AGAIN = (0.0, 0.25, 0.5, 0.75)
"""Shares of the price of pairs that columns may get instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """All parameters of a run that are public before it.

    Attributes:
        one_ways: The first question.
        pairs: The pairs that may be asked.
        screen_mu: Price of the scores of all pairs; 0 if all can be counted.
        pairs_mu: Price of the counts of pairs; 0 if there is none.
        refine_mu: Price of the finer counts of some pairs; 0 if they are not asked.
        target: The column of classes.
        most_pairs: So many pairs are counted at most.
        deviations: Least mass of a merged bucket, in standard deviations of a one-way count.
        memory: Bounds on all tables.
        known: What is known before the first answer.
        zeros: What the schema rules out.
    """

    one_ways: OneWays
    pairs: tuple[tuple[str, str], ...]
    screen_mu: float
    pairs_mu: float
    refine_mu: float
    target: str | None
    most_pairs: int
    deviations: float
    memory: MemoryPlan
    zeros: CodeZeros
    known: Known = field(default_factory=Known)

    def events(self) -> Sequence[Event]:
        """What the run costs."""
        then = [GaussianEvent(mu=mu) for mu in (self.screen_mu, self.pairs_mu, self.refine_mu) if mu > 0]
        return (self.one_ways.mechanism.event(), *then)


class PairFit:
    """Asks what a design says. Sees noisy answers only.

    Args:
        measurer: Answers.
        design: What may be asked.
    """

    def __init__(self, measurer: Measurer, design: Design) -> None:
        self._measurer, self._design = measurer, design
        self._schema = measurer.schema
        self._names = self._schema.domain.columns
        self._ordered = {column.name: ordered_cells(column) for column in self._schema.modelled}
        self._columns: dict[str, Noisy] = {}
        self._pairs: tuple[tuple[str, str], ...] = ()
        self._known_mu = 0.0  # at which the columns are known before pairs are counted

    def model(self) -> JunctionModel:
        """Ask, fit, and ask again."""
        design = self._design
        first = design.one_ways.read(self._measurer.measure(design.one_ways.mechanism))
        self._columns = design.known.columns(first)
        self._known_mu = _mu_after(design.one_ways.mechanism.event().mu, first, self._columns)
        self._pairs = self._screened()
        buckets = self._buckets()
        hopeless = buckets.least_noise > _HOPELESS or self._alone() > _HOPELESS
        if hopeless and design.known.public is None:
            return self._without_pairs(buckets.groups)
        sizes = [(max(buckets.groups[a]) + 1) * (max(buckets.groups[b]) + 1) for a, b in self._pairs]
        release = PairRelease(pairs=self._pairs, groups=buckets.groups, target=design.target)
        fits = fitting([release.classes * size for size in sizes], design.memory.pair_cells)
        release = dataclasses.replace(release, pairs=self._pairs[: max(fits, 1)])
        tables = self._counted(release, buckets.noise)
        if not design.refine_mu:
            return self._fitted(release, tables)
        hiding = self._hiding(release, tables)
        if hiding:
            return self._refined(self._fitted(release, tables), release, hiding)
        again = release.mechanism(design.refine_mu, domain=self._schema.domain)
        return self._fitted(release, release.with_more(tables, self._measurer.measure(again)))

    def _hiding(self, release: PairRelease, tables: Mapping[tuple[str, str], Noisy]) -> tuple[Edge, ...]:
        """The pairs whose structure the buckets hide."""
        margins = self._margins()
        pooled = release.pooled(self._names, tables)
        return hiding_pairs(self._names, margins, release.groups, pooled)

    def _counted(self, release: PairRelease, noise: float) -> dict[tuple[str, str], Noisy]:
        """The counts of the pairs; where the columns themselves are too noisy, they are asked once more."""
        design, names = self._design, tuple(self._columns)
        first = self._known_mu**2
        before = first / (first + design.pairs_mu**2)
        alone = 2 * self._alone()  # a pair has two columns

        def error(share: float) -> float:
            return alone / math.sqrt(before + (1 - before) * share) + noise / math.sqrt(1 - share)

        share = min(_AGAIN, key=error)
        domain = self._schema.domain
        asked = release.mechanism(design.pairs_mu, domain=domain, columns=names, share=share)
        answers = self._measurer.measure(asked)
        if share > 0:
            self._columns = with_more(self._columns, list(answers)[len(release.pairs) :])
        return design.known.pairs(release, release.read(answers), self._margins())

    def _alone(self) -> float:
        """The error of a column if all of the budget went to columns."""
        first = self._known_mu**2
        margins = self._margins()
        return one_way_noise(self._columns, margins) * math.sqrt(first / (first + self._design.pairs_mu**2))

    def _screened(self) -> tuple[tuple[str, str], ...]:
        """The pairs that are worth counting, the best first where there are too many."""
        if not self._design.screen_mu:
            return self._design.pairs
        margins = self._margins()
        asked = scores_of_pairs(self._design.pairs, margins, self._ordered, mu=self._design.screen_mu)
        return clear_pairs(self._design.pairs, self._measurer.measure(asked), most=self._design.most_pairs)

    def _margins(self) -> dict[str, FloatArray]:
        return clean_margins(self._schema, self._columns, table_total(self._columns))

    def _buckets(self) -> Buckets:
        """Those of an earlier release if they are to be kept and fit into memory, or new ones."""
        design, unit = self._design, self._schema.unit
        kept = design.known.buckets(self._pairs, target=design.target, mu=design.pairs_mu, unit=unit)
        if kept is not None:
            chosen = self._chosen(math.hypot(design.pairs_mu, kept.mu))
            groups = {**chosen.groups, **kept.groups}
            classes = 1 if design.target is None else max(groups[design.target]) + 1
            sizes = [(max(groups[a]) + 1) * (max(groups[b]) + 1) for a, b in self._pairs]
            if classes * sum(sizes) <= design.memory.pair_cells:
                return Buckets(groups=groups, noise=chosen.noise, least_noise=0.0)  # they were counted before
        return self._chosen(design.pairs_mu)

    def _chosen(self, mu: float) -> Buckets:
        sigma = 0.0
        if self._pairs:
            mu *= self._design.known.sharper
            sigma = gaussian_sigma(Marginal(columns=self._pairs[0]), mu, self._schema.unit)
        return choose_buckets(
            self._schema,
            self._columns,
            self._margins(),
            self._pairs,
            sigma=sigma,
            deviations=self._design.deviations,
            target=self._design.target,
            most_cells=self._design.memory.pair_cells,
            alike=self._design.zeros.alike,
            fits=self._has_room if self._design.zeros.tables else None,
        )

    def _has_room(self, groups: Mapping[str, Groups]) -> bool:
        return self._design.zeros.fits(groups, self._design.memory, self._design.target)

    def _without_pairs(self, groups: Mapping[str, Groups]) -> JunctionModel:
        """Independent columns, for which all of the price is spent: noise would drown every pair."""
        for mu in (self._design.pairs_mu, self._design.refine_mu):
            if mu > 0:
                again = columns_again(self._schema.domain, tuple(self._columns), mu)
                self._columns = with_more(self._columns, list(self._measurer.measure(again)))
        return self._fitted(PairRelease(pairs=(), groups=groups), {})

    def _fitted(self, release: PairRelease, tables: Mapping[tuple[str, str], Noisy]) -> JunctionModel:
        names = self._names
        known: dict[Any, Noisy] = {**self._columns, **tables}
        total = table_total(known)
        margins = clean_margins(self._schema, self._columns, total)
        node = None if release.target is None else names.index(release.target)
        layers, possible = with_zeros(
            release.layers(names, self._columns, margins, tables),
            self._design.zeros.over(release.groups),
            classes=node,
        )
        tree, beliefs = fit_junction_tree(layers, limit=self._design.memory.clique_cells)
        targets = target_tables(tree, beliefs, layers)
        for c in np.flatnonzero(~possible):  # a class that a constraint leaves nothing
            beliefs[c] = [0.0 * belief for belief in beliefs[c]]
            targets[c] = {pair: 0.0 * table for pair, table in targets[c].items()}
        wanted = {pair: np.stack([target[pair] for target in targets]) for pair in targets[0]}
        whole, cliques = (tree, beliefs[0]) if node is None else stacked(tree, beliefs, node)
        return JunctionModel(
            schema=self._schema,
            total=total,
            tree=whole,
            beliefs=tuple(belief / belief.sum() for belief in cliques),
            buckets=tuple(np.array(release.groups[name], np.int64) for name in names),
            details=tuple(within_buckets(margins[name], release.groups[name]) for name in names),
            classes=node,
            targets={
                pair: table / (total if possible.all() else table.sum()) for pair, table in wanted.items()
            },
        )

    def _refined(self, model: JunctionModel, release: PairRelease, pairs: Sequence[Edge]) -> JunctionModel:
        """The model with finer tables of `pairs`."""
        margins = clean_margins(self._schema, self._columns, model.total)
        deviations = self._design.deviations
        refinement = plan_refinement(
            pairs,
            self._names,
            self._ordered,
            margins,
            release.groups,
            {name: deviations * sigma for name, (_, sigma) in self._columns.items()},
            most_cells=self._design.memory.finer_cells,
        )
        whole = {pair: target.sum(axis=0) * model.total for pair, target in model.targets.items()}
        if self._design.zeros.tables:
            possible = {pair: table > 0 for pair, table in whole.items()}
            refinement = dataclasses.replace(refinement, possible=possible)
        answers = self._measurer.measure(refinement.mechanism(self._design.refine_mu))
        refined = refinement.read(answers, margins, whole)
        return dataclasses.replace(
            model,
            fine=tuple(np.array(refinement.fine[name], np.int64) for name in self._names),
            refined={pair: table / table.sum() for pair, table in refined.items()},
            targets={**model.targets, **refinement.matched(model.targets, refined)},
        )


def _mu_after(mu: float, answers: Mapping[str, Noisy], columns: Mapping[str, Noisy]) -> float:
    """The price at which the columns would have been measured as well as they are with what was known."""
    gains = [(sigma / columns[name][1]) ** 2 for name, (_, sigma) in answers.items()]
    return mu * math.sqrt(sum(gains) / len(gains))
