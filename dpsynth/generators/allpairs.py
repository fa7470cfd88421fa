"""All pairs of columns at once, at the resolution that the noise allows.

One Gaussian release of all columns; from it, buckets of codes; one Gaussian release of all pairs of
columns over these buckets. No step chooses by looking at the data, so the price is that of one Gaussian
mechanism. Which pairs a junction tree keeps is decided afterwards, on noisy answers; the others still
count as targets when rows are polished.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dpsynth import _validate
from dpsynth.generators.base import Plan, Rng, Step
from dpsynth.generators.buckets import Groups, choose_buckets, memory_bound, within_buckets
from dpsynth.generators.classes import PairRelease
from dpsynth.generators.one_ways import Noisy, OneWays, clean_margins, one_ways, table_total, varied_columns
from dpsynth.generators.refinement import choose_refinement
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.estimation import ordered_cells
from dpsynth.graphical.junction_model import JunctionModel
from dpsynth.graphical.structure import fit_junction_tree, stacked, target_tables
from dpsynth.mechanisms import Marginal, gaussian_sigma
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import calibrate
from dpsynth.privacy.events import Event, GaussianEvent
from dpsynth.schema.layout import Domain
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["AllPairs"]

_RESOLVED = 8  # columns of so few codes are hardly ever merged
_TYPICAL_MU, _TYPICAL_BUCKETS = 0.18, 12.0


@dataclass(frozen=True, kw_only=True, slots=True)
class AllPairs:
    """Every pair of columns, measured in one release over buckets of codes.

    Attributes:
        target: A column that others are to be predicted from or for: pairs are counted within each of its
            classes, so that every three-way table with it is measured. None treats all columns alike.
        one_way_share: Part of the budget (of mu squared) for the one-way counts; None derives it from
            the public sizes.
        refine_share: Part of what is left for counting some pairs again, over finer buckets: those whose
            structure the buckets hide. Not asked where all columns are small.
        most_cells: Bound on the cells of the fitted model, for speed; the memory limit may make it less.
        least_deviations: A bucket merged from several codes holds at least so many standard deviations
            of the noise of a one-way count.
        memory_limit: Bytes for all tables of a fit and its sampling.

    Privacy: two `GaussianMechanism`s, over one-way marginals and over merged marginals of all pairs of
        columns. The price of the second is stated beforehand and does not depend on the buckets, which
        follow from the noisy answers of the first. All else is post-processing.
    """

    name: ClassVar[str] = "allpairs"

    target: str | None = None
    one_way_share: float | None = None
    refine_share: float = 0.05
    most_cells: int = 120_000
    least_deviations: float = 5.0
    memory_limit: int = 256 * 2**20

    def __post_init__(self) -> None:
        if self.one_way_share is not None:
            _validate.fraction("one_way_share", self.one_way_share)
        _validate.fraction("refine_share", self.refine_share)
        _validate.count("most_cells", self.most_cells)
        _validate.non_negative("least_deviations", self.least_deviations)
        _validate.count("memory_limit", self.memory_limit)

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """One-way counts, then all pairs over buckets."""
        design = self._design(schema, budget)
        first = design.one_ways.mechanism
        steps = [Step(label="one-way counts", event=first.event(), detail=f"{len(first.queries)} tables")]
        if design.pairs:
            within = "" if design.target is None else f" in each class of {design.target}"
            detail = f"{len(design.pairs)} tables over buckets{within}"
            steps.append(Step(label="pair counts", event=GaussianEvent(mu=design.pairs_mu), detail=detail))
        if design.refine_mu:
            detail = "pairs whose structure the buckets hide"
            steps.append(Step(label="finer pairs", event=GaussianEvent(mu=design.refine_mu), detail=detail))
        return Plan(
            method=self.name,
            steps=tuple(steps),
            expected_error={"noise of a one-way count (rows)": max(first.sigmas(schema.unit))},
            memory_bytes=memory_bound(schema.domain, most_cells=self.most_cells),
        )

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> JunctionModel:  # noqa: ARG002 - nothing is random
        """Measure the columns, merge their codes, measure all pairs, fit, look again at some pairs."""
        schema = measurer.schema
        design = self._design(schema, measurer.budget)
        columns = design.one_ways.read(measurer.measure(design.one_ways.mechanism))
        margins = clean_margins(schema, columns, table_total(columns))
        release = PairRelease(
            pairs=design.pairs, groups=self._buckets(schema, design, columns, margins), target=design.target
        )
        tables: dict[tuple[str, str], Noisy] = {}
        if design.pairs:
            tables = release.read(measurer.measure(release.mechanism(design.pairs_mu)))
        known: dict[Any, Noisy] = {**columns, **tables}
        model = self._model(schema, table_total(known), columns, release, tables)
        if design.refine_mu == 0:
            return model
        return self._refined(model, measurer, design, columns)

    def _design(self, schema: Schema, budget: Budget) -> _Design:
        domain = schema.domain
        varied = varied_columns(domain)
        target = self._target(domain, varied)
        pairs = tuple(itertools.combinations([name for name in varied if name != target], 2))
        hidden = any(domain.size_of(name) > _RESOLVED for name in varied if name != target)

        def at(scale: float) -> _Design:
            share = (self.one_way_share or _one_way_share(domain, varied, scale)) if pairs else 1.0
            again = self.refine_share * (1 - share) if hidden else 0.0
            return _Design(
                one_ways=one_ways(domain, scale * math.sqrt(share)),
                pairs=pairs,
                pairs_mu=scale * math.sqrt(1 - share - again),
                refine_mu=scale * math.sqrt(again),
                target=target,
            )

        return at(calibrate(lambda scale: at(scale).events(), budget))

    def _target(self, domain: Domain, varied: Sequence[str]) -> str | None:
        """The target, if it has classes and there are pairs to count in them."""
        if self.target is None:
            return None
        domain.size_of(self.target)  # refuses what is no modelled column
        return self.target if self.target in varied and len(varied) > 2 else None

    def _buckets(
        self,
        schema: Schema,
        design: _Design,
        columns: Mapping[str, Noisy],
        margins: Mapping[str, FloatArray],
    ) -> dict[str, Groups]:
        """The bucket of each code, for each column."""
        sigma = 0.0
        if design.pairs:
            sigma = gaussian_sigma(Marginal(columns=design.pairs[0]), design.pairs_mu, schema.unit)
        return choose_buckets(
            schema, columns, margins, sigma=sigma, deviations=self.least_deviations, target=design.target
        )

    def _model(
        self,
        schema: Schema,
        total: float,
        columns: Mapping[str, Noisy],
        release: PairRelease,
        tables: Mapping[tuple[str, str], Noisy],
    ) -> JunctionModel:
        margins = clean_margins(schema, columns, total)
        names = schema.domain.columns
        layers = release.layers(names, columns, margins, tables)
        tree, beliefs = fit_junction_tree(layers, limit=self.most_cells)
        targets = target_tables(tree, beliefs, layers)
        node = None if release.target is None else names.index(release.target)
        if node is None:
            whole, cliques = tree, beliefs[0]
        else:
            whole, cliques = stacked(tree, beliefs, node)
        buckets = tuple(np.array(release.groups[name], np.int64) for name in names)
        return JunctionModel(
            schema=schema,
            total=total,
            tree=whole,
            beliefs=tuple(belief / belief.sum() for belief in cliques),
            buckets=buckets,
            details=tuple(within_buckets(margins[name], release.groups[name]) for name in names),
            classes=node,
            targets={
                pair: np.stack([target[pair] for target in targets]) / total
                for pair in targets[0]
                if node not in pair
            },
        )

    def _refined(
        self, model: JunctionModel, measurer: Measurer, design: _Design, columns: Mapping[str, Noisy]
    ) -> JunctionModel:
        """The model with finer tables of the pairs whose structure its buckets hide."""
        schema, names = measurer.schema, measurer.schema.domain.columns
        margins = clean_margins(schema, columns, model.total)
        measured = {(names.index(left), names.index(right)) for left, right in design.pairs}
        targets = {pair: model.targets[pair].sum(axis=0) * model.total for pair in measured}
        refinement = choose_refinement(
            names,
            {column.name: ordered_cells(column) for column in schema.modelled},
            margins,
            {name: tuple(own.tolist()) for name, own in zip(names, model.buckets, strict=True)},
            columns,
            targets,
            deviations=self.least_deviations,
        )
        answers = measurer.measure(refinement.mechanism(design.refine_mu))
        refined = refinement.read(answers, margins, targets)
        return dataclasses.replace(
            model,
            fine=tuple(np.array(refinement.fine[name], np.int64) for name in names),
            refined={pair: table / table.sum() for pair, table in refined.items()},
            targets={**model.targets, **refinement.matched(model.targets, refined)},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Design:
    """All parameters of a run that are public before it."""

    one_ways: OneWays
    pairs: tuple[tuple[str, str], ...]
    pairs_mu: float
    refine_mu: float
    target: str | None

    def events(self) -> Sequence[Event]:
        """What the run costs."""
        then = [GaussianEvent(mu=mu) for mu in (self.pairs_mu, self.refine_mu) if mu > 0]
        return (self.one_ways.mechanism.event(), *then)


def _one_way_share(domain: Domain, varied: Sequence[str], mu: float) -> float:
    """The share that minimises the expected L1 noise of all pair tables, one-way noise included.

    With precision in proportion to size^(2/3) the noise of a set of tables is (sum of size^(2/3))^(3/2)
    / mu. One-way noise reaches every pair of its column. The number of buckets is not known yet: it is
    taken to grow with the root of mu.
    """
    number = _TYPICAL_BUCKETS * math.sqrt(mu / _TYPICAL_MU)
    sizes = [domain.size_of(name) for name in varied]
    alone = sum(size ** (2 / 3) for size in sizes)
    coarse = [min(size, max(number, 2.0)) ** (2 / 3) for size in sizes]
    together = (sum(coarse) ** 2 - sum(power**2 for power in coarse)) / 2
    reached = alone * math.pow(len(varied) - 1, 2 / 3)
    return float(reached / (reached + together))
