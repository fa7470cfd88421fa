"""A frontier in closed form: from the noise of the plan, the public sizes and a number of rows. No data.

Everything is an expected total variation distance. A cell of a table is wrong by the mean absolute noise,
sqrt(2/pi) sigma, or by what it holds if that is less, as cleaned counts are not negative; the rule is that of
`generators.one_ways`. What cells hold is not known, so the shares of values are taken to fall as 1 / rank
(Zipf's law), which suits counts of people better than equal shares, where no cell is small.

- *independent*: the distance of a product from a product is at most the sum of the distances of the factors,
  so a pair has the noise of two columns, and a triple that of three. What columns have in common is lost.
- *mst*: a chosen pair has its own noise, and no more than two columns have that are taken for independent.
  Which ones are chosen is not known beforehand, so the mean over all pairs is taken. The others have the
  noise of their columns, and half of what independent columns lose: so much the best tree leaves on Adult.
- *allpairs*: a pair has the noise over buckets and what buckets blur, by the rule that the method itself
  plans with (`generators.buckets`), here for columns whose codes are used evenly, and the noise of its two
  columns. Where that is worse than independent columns, the method counts no pairs, and so does the formula.
- A triple of a tree, or of pairs, is taken for two pairs that share a column: for a chain P(ab) P(c | b) the
  distance is at most the sum of those of both pairs.

`aim`, `privbayes` and the deep methods have no honest closed form: what they ask follows from their answers.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.results import PUBLIC
from dpsynth.generators.buckets import bucket_count, squared_error
from dpsynth.generators.one_ways import one_ways, varied_columns
from dpsynth.mechanisms import Marginal, gaussian_sigma
from dpsynth.privacy.events import GaussianEvent
from dpsynth.tuning.methods import Methods, configured, promised, swept
from dpsynth.tuning.result import Band, Cost, Frontier, FrontierPoint

if TYPE_CHECKING:
    from dpsynth.generators.base import Generator, Plan
    from dpsynth.privacy.unit import Unit
    from dpsynth.schema.layout import Domain
    from dpsynth.schema.schema import Schema

__all__ = ["CLOSED_FORMS", "analytic"]

CLOSED_FORMS = ("independent", "mst", "allpairs")
_ASSOCIATION = 0.1
_LEFT_BY_A_TREE = 0.5
_NOTES = (
    "An expectation, not a run: cleaning the answers makes runs better, values that are rare or uneven and "
    "associations of three columns make them worse. Ask `proxy` for bands.",
    "The error of drawing rows from the model is left out.",
)


def analytic(
    schema: Schema,
    *,
    methods: Methods = CLOSED_FORMS,
    epsilons: Sequence[float],
    delta: float = 1e-9,
    rows: int,
    association: float = _ASSOCIATION,
    target: str | None = None,
    metric: str = "k_marginal",
) -> Frontier:
    """The expected accuracy of all tables of two and three columns.

    Args:
        schema: Complete.
        methods: Of `CLOSED_FORMS`, or `auto`.
        epsilons: Where.
        delta: Of each release.
        rows: A public or an assumed number of rows; not the private count.
        association: The mean distance of pairs from independence, public or assumed.
        target: A column that is predicted later, for `auto` and `allpairs`.
        metric: `k_marginal` or `pair_accuracy`: drawn and chosen by.

    Returns:
        Points without replicates: their bands have no width, and a choice states no rate.

    Raises:
        ConfigurationError: A method without a closed form, or a schema that is not complete.

    Privacy: nothing is opened, so nothing is spent.
    """
    size = float(_validate.count("rows", rows))
    _validate.one_of("metric", metric, ("k_marginal", "pair_accuracy"))
    if not 0 <= _validate.number("association", association) < 1:
        raise ConfigurationError(f"Expected 0 <= association < 1, got {association!r}.")
    if not schema.complete:
        raise ConfigurationError(
            f"The schema does not say what these columns may hold: {list(schema.unknown)}. Declare them."
        )
    generators = configured(methods, schema=schema, target=target)
    world = _World.of(schema, size, association)
    points = [
        _point(label, generator, schema, epsilon, delta, world)
        for label, generator in generators.items()
        for epsilon in swept(epsilons)
    ]
    assumed = f"Assumed: {rows:,} rows, and pairs that are {association:g} from independence in the mean."
    return Frontier(
        mode="analytic",
        metric=metric,
        points=tuple(points),
        cost=Cost(words="costs nothing: no data was opened, this is a formula"),
        ceiling={"k_marginal": 1.0, "pair_accuracy": 1.0},
        floor={"k_marginal": 1 - min(2 * association, 1.0), "pair_accuracy": 1 - association},
        disclosure=PUBLIC,
        notes=(assumed, *_NOTES),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _World:
    """What is public or assumed of a table: its sizes, and how far pairs are from independent."""

    domain: Domain
    unit: Unit
    rows: float
    association: float
    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, schema: Schema, rows: float, association: float) -> _World:
        domain = schema.domain
        sizes = domain.shape(varied_columns(domain))
        pairs = tuple(itertools.combinations(sizes, 2))
        return cls(domain=domain, unit=schema.unit, rows=rows, association=association, pairs=pairs)

    def distance(self, cells: int, sigma: float) -> float:
        """Expected of a table of noisy counts whose shares fall as 1 / rank."""
        shares = 1 / np.arange(1, cells + 1)
        wrong = np.minimum(math.sqrt(2 / math.pi) * sigma / self.rows, shares / shares.sum())
        return float(wrong.sum()) / 2

    def column(self, mu: float) -> float:
        """The mean over columns, where they are asked together at `mu`."""
        asked = one_ways(self.domain, mu)
        sizes = self.domain.shape(asked.columns) or (1,)
        found = zip(sizes, asked.mechanism.sigmas(self.unit), strict=True)
        return float(np.mean([self.distance(cells, sigma) for cells, sigma in found]))

    def alone(self, column: float) -> tuple[float, float]:
        """Of a pair and of a triple of independent columns."""
        return 2 * column + self.association, 3 * column + 2 * self.association

    def sigma(self, mu: float) -> float:
        """Of a cell if a single pair were asked."""
        return gaussian_sigma(Marginal(columns=self.domain.columns[:2]), mu, self.unit)


def _point(
    label: str, generator: Generator, schema: Schema, epsilon: float, delta: float, world: _World
) -> FrontierPoint:
    begun = time.perf_counter()
    promise = promised(generator, schema, epsilon=epsilon, delta=delta)
    pair, triple = _distances(promise.plan, world)
    utility = {"pair_accuracy": 1 - min(pair, 1.0), "k_marginal": 1 - min(triple, 1.0)}
    return FrontierPoint(
        method=label,
        epsilon=epsilon,
        delta=delta,
        mu=promise.mu,
        advantage=promise.advantage,
        odds=promise.odds,
        utility={name: Band.of([value]) for name, value in utility.items()},
        smallest_reliable_group=promise.reliable,
        seconds=time.perf_counter() - begun,
        note="expected, from the plan",
    )


def _distances(plan: Plan, world: _World) -> tuple[float, float]:
    """Expected of a pair and of a triple."""
    if plan.method not in CLOSED_FORMS:
        raise ConfigurationError(
            f"There is no closed form for {plan.method!r}: what it asks follows from its answers. Use the "
            f"mode `proxy`, which is free on public or simulated rows, or the methods {list(CLOSED_FORMS)}."
        )
    mus = _mus(plan)
    column = world.column(mus["one-way counts"])
    if "pair counts" not in mus or not world.pairs:
        return world.alone(column)
    if plan.method == "mst":
        return _of_tree(mus["pair counts"], _edges(plan), world.alone(column), world)
    pair = _of_buckets(mus["pair counts"], world) + 2 * column
    return min(world.alone(world.column(math.hypot(*mus.values()))), (pair, 2 * pair))


def _of_tree(mu: float, edges: int, alone: tuple[float, float], world: _World) -> tuple[float, float]:
    """The mean over pairs, of which only the edges were counted; precision goes by size^(2/3)."""
    cells = [left * right for left, right in world.pairs]
    each = np.array(cells, np.float64) ** (2 / 3)
    sigmas = world.sigma(mu) * np.sqrt(edges * each.mean() / each)
    counted = float(np.mean([world.distance(k, s) for k, s in zip(cells, sigmas, strict=True)]))
    share = min(edges / len(cells), 1.0)
    kept = (1 - _LEFT_BY_A_TREE) * world.association
    others = (alone[0] - kept, alone[1] - 2 * kept)
    return (
        share * min(counted, alone[0]) + (1 - share) * others[0],
        share * min(2 * counted, alone[1]) + (1 - share) * others[1],
    )


def _of_buckets(mu: float, world: _World) -> float:
    relative = world.sigma(mu) / world.rows

    def shapes(number: int) -> list[tuple[int, int]]:
        return [(min(left, number), min(right, number)) for left, right in world.pairs]

    number = bucket_count(shapes, total=world.rows, sigma=world.sigma(mu))
    return math.sqrt(squared_error(shapes(number), number, relative=relative))


def _mus(plan: Plan) -> Mapping[str, float]:
    return {step.label: step.event.mu for step in plan.steps if isinstance(step.event, GaussianEvent)}


def _edges(plan: Plan) -> int:
    return sum(step.label == "tree edge" for step in plan.steps)
