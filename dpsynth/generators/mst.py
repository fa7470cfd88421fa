"""A maximum spanning tree of noisy associations, measured and fitted in closed form.

After McKenna, Miklau and Sheldon (2021), "Winning the NIST contest": measure all columns; choose the
edges of a tree privately, by how badly independence fits each pair; measure those pairs. Here the fit
needs no iterations, because a tree is a product of pair and column counts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import Plan, Rng, Step
from dpsynth.generators.one_ways import Noisy, OneWays, clean_margins, one_ways, table_total, varied_columns
from dpsynth.graphical.consistency import FloatArray, combine
from dpsynth.graphical.estimation import fit_pair, ordered_cells
from dpsynth.graphical.spanning_tree import UnionFind, rooted_order
from dpsynth.graphical.tree import TreeModel
from dpsynth.mechanisms import (
    ExponentialMechanism,
    GaussianMechanism,
    Marginal,
    MarginalGap,
    gaussian_sigma,
    on_grid,
)
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import calibrate
from dpsynth.privacy.events import Event, ExponentialEvent
from dpsynth.schema.layout import Domain
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["MST"]

Pair = tuple[str, str]

_GRID_BITS = 10
_BYTES_PER_CELL = 24  # of a candidate: its estimate, the score's copy, and counts while they are compared


@dataclass(frozen=True, kw_only=True, slots=True)
class MST:
    """Columns as a tree: each depends on one other.

    Attributes:
        one_way_share: Part of the budget (of rho) for the one-way counts.
        select_share: Part for choosing the edges; the rest measures the chosen pairs.
        noise_weight: Weight of the expected noise against the association in the choice of an edge.
        largest_pair: Pairs with more cells are never measured.
        memory_limit: Bytes for the tables of all candidates; the smallest pairs are kept.

    Privacy: one `GaussianMechanism` over one-ways, one `ExponentialMechanism` for each edge, one
        `GaussianMechanism` over the chosen pairs. Which pairs are candidates follows from the public
        schema and from edges chosen before, never from counts (pitfall P15).
    """

    name: ClassVar[str] = "mst"

    one_way_share: float = 0.35
    select_share: float = 0.05
    noise_weight: float = 3.0
    largest_pair: int = 1_000_000
    memory_limit: int = 2**30

    def __post_init__(self) -> None:
        _validate.fraction("one_way_share", self.one_way_share)
        _validate.fraction("select_share", self.select_share)
        _validate.fraction("one_way_share + select_share", self.one_way_share + self.select_share)
        _validate.non_negative("noise_weight", self.noise_weight)
        _validate.count("largest_pair", self.largest_pair)
        _validate.count("memory_limit", self.memory_limit)

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """One-way counts, one choice for each edge, pair counts. The number of edges is public."""
        design = self._design(schema, budget)
        first = design.one_ways.mechanism
        steps = [Step(label="one-way counts", event=first.event(), detail=f"{len(first.queries)} tables")]
        noise = {"noise of a one-way count (rows)": max(first.sigmas(schema.unit))}
        edges = len(design.pair_mus)
        if edges:
            choice = ExponentialEvent(epsilon=design.select_epsilon)
            steps += [Step(label="tree edge", event=choice, detail="which pair of columns")] * edges
            pairs = design.any_pairs()
            steps.append(Step(label="pair counts", event=pairs.event(), detail=f"{edges} tables"))
            noise["noise of a pair count (rows)"] = max(pairs.sigmas(schema.unit))
        return Plan(
            method=self.name,
            steps=tuple(steps),
            expected_error=noise,
            memory_bytes=design.memory_bytes(schema.domain),
        )

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:  # noqa: ARG002 - nothing is random
        """Measure the columns, choose the edges, measure the pairs, fit."""
        schema = measurer.schema
        design = self._design(schema, measurer.budget)
        columns = design.one_ways.read(measurer.measure(design.one_ways.mechanism))
        edges = self._choose_edges(measurer, design, columns)
        pairs = _measure_pairs(measurer, design, edges)
        return _fit_tree(schema, columns, pairs)

    def _design(self, schema: Schema, budget: Budget) -> _Design:
        domain = schema.domain
        if _BYTES_PER_CELL * sum(domain.sizes) > self.memory_limit:
            raise ConfigurationError(
                f"The columns alone have {sum(domain.sizes)} cells, too many for memory_limit = "
                f"{self.memory_limit} bytes. Declare coarser cells, or raise the limit."
            )
        candidates = self._candidates(domain)
        edges = UnionFind(domain.columns).join_all(candidates)
        shares = _pair_shares(domain, candidates, edges)

        def at(scale: float) -> _Design:
            first = math.sqrt(self.one_way_share) if edges else 1.0
            rest = math.sqrt(1 - self.one_way_share - self.select_share)
            return _Design(
                one_ways=one_ways(domain, scale * first),
                candidates=candidates,
                # rho = epsilon² / 8 for a choice, mu² / 2 for a Gaussian.
                select_epsilon=2 * scale * math.sqrt(self.select_share / max(edges, 1)),
                pair_mus=tuple(scale * rest * math.sqrt(share) for share in shares),
            )

        return at(calibrate(lambda scale: at(scale).events(), budget))

    def _candidates(self, domain: Domain) -> tuple[Pair, ...]:
        """The pairs that fit the limits, in the order of the schema: a function of public sizes."""
        pairs = list(itertools.combinations(varied_columns(domain), 2))
        by_size = sorted(pairs, key=domain.cells)
        memory = np.cumsum([_BYTES_PER_CELL * domain.cells(pair) for pair in by_size])
        kept = {
            pair
            for pair, needed in zip(by_size, memory, strict=True)
            if needed <= self.memory_limit and domain.cells(pair) <= self.largest_pair
        }
        return tuple(pair for pair in pairs if pair in kept)

    def _choose_edges(self, measurer: Measurer, design: _Design, columns: Mapping[str, Noisy]) -> list[Pair]:
        """Grow a forest: each choice is among the candidates that join two of its components."""
        schema = measurer.schema
        total = table_total(columns)
        margins = clean_margins(schema, columns, total)
        scale = 2.0**_GRID_BITS
        estimates = {
            (left, right): on_grid(np.outer(margins[left], margins[right]).ravel() / total, _GRID_BITS)
            for left, right in design.candidates
        }
        penalties = {
            pair: round(scale * self.noise_weight * design.expected_noise(schema, pair))
            for pair in design.candidates
        }
        joined, edges = UnionFind(schema.domain.columns), list[Pair]()
        for _ in design.pair_mus:
            open_pairs = tuple(pair for pair in design.candidates if not joined.connected(*pair))
            gap = MarginalGap(
                cliques=open_pairs,
                estimates=tuple(estimates[pair] for pair in open_pairs),
                bits=_GRID_BITS,
                penalties=tuple(penalties[pair] for pair in open_pairs),
            )
            chosen = open_pairs[
                measurer.select(ExponentialMechanism(score=gap, epsilon=design.select_epsilon))
            ]
            joined.join(*chosen)
            edges.append(chosen)
        return edges


@dataclass(frozen=True, kw_only=True, slots=True)
class _Design:
    """All parameters of a run. `pair_mus` ascend: the largest chosen pair gets the last."""

    one_ways: OneWays
    candidates: tuple[Pair, ...]
    select_epsilon: float
    pair_mus: tuple[float, ...]

    def events(self) -> Sequence[Event]:
        """What the run costs; the mus of the pairs add up to one Gaussian whatever the pairs are."""
        first = self.one_ways.mechanism.event()
        if not self.pair_mus:
            return (first,)
        choices = [ExponentialEvent(epsilon=self.select_epsilon)] * len(self.pair_mus)
        return (first, *choices, self.any_pairs().event())

    def any_pairs(self) -> GaussianMechanism:
        """The last step before the pairs are known: its event depends on the mus only."""
        return GaussianMechanism(
            queries=(Marginal(columns=self.candidates[0]),) * len(self.pair_mus), mus=self.pair_mus
        )

    def expected_noise(self, schema: Schema, pair: Pair) -> float:
        """The L1 norm of the noise of `pair` in rows, were precision divided in proportion to size^(2/3)."""
        average = math.sqrt(sum(mu**2 for mu in self.pair_mus) / len(self.pair_mus))
        sigma = gaussian_sigma(Marginal(columns=pair), average, schema.unit)
        cells = float(schema.domain.cells(pair))
        return math.sqrt(2 / math.pi) * sigma * math.pow(cells, 2 / 3)

    def memory_bytes(self, domain: Domain) -> int:
        """All candidate tables, and the model twice."""
        model = 16 * sum(sorted(domain.cells(pair) for pair in self.candidates)[-len(self.pair_mus) :])
        return (
            _BYTES_PER_CELL * sum(domain.cells(pair) for pair in self.candidates)
            + model
            + 16 * sum(domain.sizes)
        )


def _pair_shares(domain: Domain, candidates: Sequence[Pair], edges: int) -> list[float]:
    """How the precision is divided over the chosen pairs, from the smallest to the largest.

    In proportion to the cube root of the size of a typical pair of that rank: quantiles of the
    candidates' sizes. Shares go by rank, so that the event does not depend on what is chosen.
    """
    sizes = sorted(domain.cells(pair) for pair in candidates)
    weights = [sizes[(2 * rank + 1) * len(sizes) // (2 * edges)] ** (1 / 3) for rank in range(edges)]
    return [weight / sum(weights) for weight in weights]


def _measure_pairs(measurer: Measurer, design: _Design, edges: Iterable[Pair]) -> dict[Pair, Noisy]:
    """One Gaussian release of the chosen pairs, each as a table of two axes."""
    domain = measurer.schema.domain
    ranked = sorted(edges, key=domain.cells)
    if not ranked:
        return {}
    queries = tuple(Marginal(columns=pair) for pair in ranked)
    answers = measurer.measure(GaussianMechanism(queries=queries, mus=design.pair_mus))
    return {
        pair: (np.asarray(values, np.float64).reshape(domain.shape(pair)), sigma)
        for pair, (values, sigma) in zip(ranked, answers, strict=True)
    }


def _fit_tree(schema: Schema, columns: Mapping[str, Noisy], pairs: Mapping[Pair, Noisy]) -> TreeModel:
    """Closed form: combine all that was measured about each column, then fit each pair to its columns."""
    total = table_total({**columns, **pairs})
    margins = clean_margins(schema, _combined(columns, pairs), total)
    ordered = {column.name: ordered_cells(column) for column in schema.modelled}
    fitted: dict[Pair, FloatArray] = {}
    for (left, right), (noisy, sigma) in pairs.items():
        table = fit_pair(noisy, sigma, margins[left], margins[right], ordered=(ordered[left], ordered[right]))
        fitted[left, right], fitted[right, left] = table, table.T
    order = rooted_order(schema.domain.columns, pairs)
    return TreeModel.from_counts(schema, total, order, margins=margins, pairs=fitted)


def _combined(columns: Mapping[str, Noisy], pairs: Mapping[Pair, Noisy]) -> dict[str, Noisy]:
    """For each column the inverse-variance mean of its own counts and of the sums of its pairs."""
    known = {name: [(values, sigma**2)] for name, (values, sigma) in columns.items()}
    for (left, right), (noisy, sigma) in pairs.items():
        known[left].append((noisy.sum(axis=1), sigma**2 * noisy.shape[1]))
        known[right].append((noisy.sum(axis=0), sigma**2 * noisy.shape[0]))
    means = {name: combine(estimates) for name, estimates in known.items()}
    return {name: (values, math.sqrt(variance)) for name, (values, variance) in means.items()}
