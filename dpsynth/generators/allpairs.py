"""All pairs of columns at once, at the resolution that the noise allows.

One Gaussian release of all columns; from it, buckets of codes; one Gaussian release of all pairs of
columns over these buckets. No step chooses by looking at the data, so the price is that of one Gaussian
mechanism. Which pairs a junction tree keeps is decided afterwards, on noisy answers; the others still
count as targets when rows are polished.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dpsynth import _validate
from dpsynth.generators.base import Plan, Rng, Step
from dpsynth.generators.buckets import Groups, bucket_margins, choose_buckets, memory_bound, within_buckets
from dpsynth.generators.one_ways import Noisy, OneWays, clean_margins, one_ways, table_total, varied_columns
from dpsynth.generators.shares import divided
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_model import JunctionModel
from dpsynth.graphical.structure import Layer, fit_junction_tree, target_tables
from dpsynth.mechanisms import Marginal, MergedMarginal, gaussian_sigma
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import calibrate
from dpsynth.privacy.events import Event, GaussianEvent
from dpsynth.schema.layout import Domain
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["AllPairs"]

_TYPICAL_MU, _TYPICAL_BUCKETS = 0.18, 12.0


@dataclass(frozen=True, kw_only=True, slots=True)
class AllPairs:
    """Every pair of columns, measured in one release over buckets of codes.

    Attributes:
        one_way_share: Part of the budget (of mu squared) for the one-way counts; None derives it from
            the public sizes.
        most_cells: Bound on the cells of the fitted model.
        least_deviations: A bucket merged from several codes holds at least so many standard deviations
            of the noise of a one-way count.

    Privacy: two `GaussianMechanism`s, over one-way marginals and over merged marginals of all pairs of
        columns. The price of the second is stated beforehand and does not depend on the buckets, which
        follow from the noisy answers of the first. All else is post-processing.
    """

    name: ClassVar[str] = "allpairs"

    one_way_share: float | None = None
    most_cells: int = 120_000
    least_deviations: float = 5.0

    def __post_init__(self) -> None:
        if self.one_way_share is not None:
            _validate.fraction("one_way_share", self.one_way_share)
        _validate.count("most_cells", self.most_cells)
        _validate.non_negative("least_deviations", self.least_deviations)

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """One-way counts, then all pairs over buckets."""
        design = self._design(schema, budget)
        first = design.one_ways.mechanism
        steps = [Step(label="one-way counts", event=first.event(), detail=f"{len(first.queries)} tables")]
        if design.pairs:
            detail = f"{len(design.pairs)} tables over buckets"
            steps.append(Step(label="pair counts", event=GaussianEvent(mu=design.pairs_mu), detail=detail))
        return Plan(
            method=self.name,
            steps=tuple(steps),
            expected_error={"noise of a one-way count (rows)": max(first.sigmas(schema.unit))},
            memory_bytes=memory_bound(schema.domain, most_cells=self.most_cells),
        )

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> JunctionModel:  # noqa: ARG002 - nothing is random
        """Measure the columns, merge their codes, measure all pairs, fit."""
        schema = measurer.schema
        design = self._design(schema, measurer.budget)
        columns = design.one_ways.read(measurer.measure(design.one_ways.mechanism))
        margins = clean_margins(schema, columns, table_total(columns))
        groups = self._buckets(schema, design, columns, margins)
        pairs = _measure(measurer, design, groups) if design.pairs else {}
        return self._model(schema, columns, groups, pairs)

    def _design(self, schema: Schema, budget: Budget) -> _Design:
        domain = schema.domain
        varied = varied_columns(domain)
        pairs = tuple(itertools.combinations(varied, 2))

        def at(scale: float) -> _Design:
            share = (self.one_way_share or _one_way_share(domain, varied, scale)) if pairs else 1.0
            first = one_ways(domain, scale * math.sqrt(share))
            return _Design(one_ways=first, pairs=pairs, pairs_mu=scale * math.sqrt(1 - share))

        return at(calibrate(lambda scale: at(scale).events(), budget))

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
        return choose_buckets(schema, columns, margins, sigma=sigma, deviations=self.least_deviations)

    def _model(
        self,
        schema: Schema,
        columns: Mapping[str, Noisy],
        groups: Mapping[str, Groups],
        pairs: Mapping[tuple[str, str], Noisy],
    ) -> JunctionModel:
        total = table_total({**columns, **pairs})
        margins = clean_margins(schema, columns, total)
        names = schema.domain.columns
        coarse = bucket_margins(columns, margins, groups, pairs, total)
        layer = Layer(
            margins=tuple(coarse[name] for name in names),
            pairs={(names.index(a), names.index(b)): noisy for (a, b), noisy in pairs.items()},
        )
        tree, beliefs = fit_junction_tree([layer], limit=self.most_cells)
        targets = target_tables(tree, beliefs, [layer])
        return JunctionModel(
            schema=schema,
            total=total,
            tree=tree,
            beliefs=tuple(belief / belief.sum() for belief in beliefs[0]),
            buckets=tuple(np.array(groups[name], np.int64) for name in names),
            details=tuple(within_buckets(margins[name], groups[name]) for name in names),
            targets={pair: target / target.sum() for pair, target in targets[0].items()},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Design:
    """All parameters of a run that are public before it."""

    one_ways: OneWays
    pairs: tuple[tuple[str, str], ...]
    pairs_mu: float

    def events(self) -> Sequence[Event]:
        """What the run costs."""
        first = self.one_ways.mechanism.event()
        return (first, GaussianEvent(mu=self.pairs_mu)) if self.pairs else (first,)


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


def _measure(
    measurer: Measurer, design: _Design, groups: Mapping[str, Groups]
) -> dict[tuple[str, str], Noisy]:
    """One Gaussian release of all pairs, precision in proportion to cells^(2/3)."""
    queries = [MergedMarginal(columns=(a, b), groups=(groups[a], groups[b])) for a, b in design.pairs]
    weights = [math.prod(query.shape) ** (2 / 3) for query in queries]
    measurement = measurer.measure(divided(queries, weights, total=design.pairs_mu))
    return {
        pair: (np.asarray(values, np.float64).reshape(query.shape), sigma)
        for pair, query, (values, sigma) in zip(design.pairs, queries, measurement, strict=True)
    }
