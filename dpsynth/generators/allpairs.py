"""All pairs of columns at once, at the resolution that the noise allows.

One Gaussian release of all columns; from it, buckets of codes; one Gaussian release of all pairs of
columns over these buckets. No step chooses by looking at the data, so the price is that of one Gaussian
mechanism. Which pairs a junction tree keeps is decided afterwards, on noisy answers; the others still
count as targets when rows are polished.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import ExactModel, Plan, Rng, Step
from dpsynth.generators.code_zeros import CodeZeros
from dpsynth.generators.earlier import known_before, origin
from dpsynth.generators.memory import DEFAULT_LIMIT, MemoryPlan
from dpsynth.generators.one_ways import one_ways, varied_columns
from dpsynth.generators.pair_fit import Design, PairFit
from dpsynth.generators.shares import one_way_share
from dpsynth.graphical.junction_model import JunctionModel
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import calibrate
from dpsynth.privacy.events import GaussianEvent
from dpsynth.schema.layout import Domain
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer
from dpsynth.session.transcript import Transcript

__all__ = ["AllPairs"]

_RESOLVED = 8  # columns of so few codes are hardly ever merged


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
        screen_share: Part of what is left for choosing pairs, where there are more than `most_pairs`.
        most_pairs: So many pairs are counted at most.
        most_cells: Bound on the cells of the fitted model, for speed; the memory limit may make it less.
        least_deviations: A bucket merged from several codes holds at least so many standard deviations
            of the noise of a one-way count.
        memory_limit: Bytes for all tables of a fit and its sampling.
        earlier: An earlier release about the same rows and columns: its noisy tables join the new ones by
            inverse variance. If it counted the same pairs for at least half of the new price (of mu
            squared), its buckets are kept.
        public: A model of public data with the same columns, never of the private rows. What it says about
            pairs is trusted as far as the noisy tables agree with it; about single columns it is not asked.
        origins: Digests of these two; configurations are compared by them.

    Privacy: `GaussianMechanism`s over one-way marginals, over merged marginals of pairs and over finer ones
        of a few; for wide tables `NoisyScores` of all pairs between the first two. All prices are stated
        beforehand and do not depend on which tables are asked, which follows from the noisy answers before.
        All else is post-processing. The price of `earlier` is no part of the plan: it was paid, and stands
        in the ledger. What both releases cost together is the balance of the account.
    """

    name: ClassVar[str] = "allpairs"
    holds_zeros: ClassVar[bool] = True

    target: str | None = None
    one_way_share: float | None = None
    refine_share: float = 0.05
    screen_share: float = 0.1
    most_pairs: int = 1_000
    most_cells: int = 120_000
    least_deviations: float = 5.0
    memory_limit: int = DEFAULT_LIMIT
    earlier: Transcript | None = field(default=None, repr=False, compare=False)
    public: ExactModel | None = field(default=None, repr=False, compare=False)
    origins: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        if self.one_way_share is not None:
            _validate.fraction("one_way_share", self.one_way_share)
        _validate.fraction("refine_share", self.refine_share)
        _validate.fraction("screen_share", self.screen_share)
        _validate.fraction("refine_share + screen_share", self.refine_share + self.screen_share)
        _validate.count("most_pairs", self.most_pairs)
        _validate.count("most_cells", self.most_cells)
        _validate.non_negative("least_deviations", self.least_deviations)
        _validate.count("memory_limit", self.memory_limit)
        if not isinstance(self.earlier, Transcript | None):
            raise ConfigurationError(
                "Expected earlier to be a Transcript, as `fitted.transcript` or `Transcript.load(path)`."
            )
        if not isinstance(self.public, ExactModel | None):
            raise ConfigurationError("Expected public to be a model with `marginal`, as `fitted.model`.")
        sources = [source for source in (self.earlier, self.public) if source is not None]
        object.__setattr__(self, "origins", tuple(origin(source) for source in sources))

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """One-way counts, then all pairs over buckets."""
        design = self._design(schema, budget)
        first = design.one_ways.mechanism
        steps = [Step(label="one-way counts", event=first.event(), detail=f"{len(first.queries)} tables")]
        if design.screen_mu:
            detail = f"how far {len(design.pairs)} pairs are from independence"
            steps.append(
                Step(label="scores of pairs", event=GaussianEvent(mu=design.screen_mu), detail=detail)
            )
        if design.pairs:
            number = min(len(design.pairs), self.most_pairs)
            upto = "at most " if design.screen_mu else ""
            within = "" if design.target is None else f" in each class of {design.target}"
            detail = f"{upto}{number} tables over buckets{within}"
            steps.append(Step(label="pair counts", event=GaussianEvent(mu=design.pairs_mu), detail=detail))
        if design.refine_mu:
            detail = "pairs whose structure the buckets hide"
            steps.append(Step(label="finer pairs", event=GaussianEvent(mu=design.refine_mu), detail=detail))
        return Plan(
            method=self.name,
            steps=tuple(steps),
            expected_error={"noise of a one-way count (rows)": max(first.sigmas(schema.unit))},
            memory_bytes=design.memory.bytes,
        )

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> JunctionModel:  # noqa: ARG002 - nothing is random
        """Measure the columns, merge their codes, measure all pairs, fit, look again at some pairs."""
        return PairFit(measurer, self._design(measurer.schema, measurer.budget)).model()

    def _design(self, schema: Schema, budget: Budget) -> Design:
        domain = schema.domain
        memory = MemoryPlan.of(domain, limit=self.memory_limit, most_cells=self.most_cells)
        varied = varied_columns(domain)
        target = self._target(domain, varied)
        known = known_before(schema, self.earlier, self.public)
        zeros = CodeZeros.of(schema)
        zeros.require_room(memory, target)
        pairs = tuple(itertools.combinations([name for name in varied if name != target], 2))
        sizes = [domain.size_of(name) for name in varied]
        hidden = any(domain.size_of(name) > _RESOLVED for name in varied if name != target)

        def at(scale: float) -> Design:
            share = (self.one_way_share or one_way_share(sizes, scale)) if pairs else 1.0
            again = self.refine_share * (1 - share) if hidden else 0.0
            screen = self.screen_share * (1 - share) if len(pairs) > self.most_pairs else 0.0
            return Design(
                one_ways=one_ways(domain, scale * math.sqrt(share)),
                pairs=pairs,
                screen_mu=scale * math.sqrt(screen),
                pairs_mu=scale * math.sqrt(1 - share - again - screen),
                refine_mu=scale * math.sqrt(again),
                target=target,
                most_pairs=self.most_pairs,
                deviations=self.least_deviations,
                memory=memory,
                known=known,
                zeros=zeros,
            )

        return at(calibrate(lambda scale: at(scale).events(), budget))

    def _target(self, domain: Domain, varied: Sequence[str]) -> str | None:
        """The target, if it has classes and there are pairs to count in them."""
        if self.target is None:
            return None
        domain.size_of(self.target)  # refuses what is no modelled column
        return self.target if self.target in varied and len(varied) > 2 else None
