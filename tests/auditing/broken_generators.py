"""Broken generators, and the smallest one that trains: twins of what we ship, each with one known error."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dpsynth.generators.base import Plan, Rng
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST
from dpsynth.graphical.tree import TreeModel
from dpsynth.mechanisms import Critic, DpSgd, MarginalGap, TrainingState, parameter_count
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session import Measurer, Step

__all__ = ["DataSizedBatch", "ExactRows", "Preprocessing", "Pruning", "Speaking", "Training"]

_COUNTS = Budget(epsilon=1.0, delta=1e-7)
_NETWORK = Critic(hidden=(16,))


@dataclass(frozen=True, kw_only=True)
class Training:
    """Counts columns, then trains a little: the smallest method that audits all of private training."""

    name: ClassVar[str] = "training"
    counts: Independent = dataclasses.field(default_factory=Independent)

    def asked(self, schema: Schema, measurer: Measurer | None) -> DpSgd:
        size = parameter_count(_NETWORK, schema.domain)
        return DpSgd(
            network=_NETWORK,
            start=TrainingState.fresh(np.linspace(-1, 1, size, dtype=np.float32)),
            steps=3,
            sampling_rate=0.2,
            noise_multiplier=2.0,
            batch=16.0,
            public=np.zeros((0, len(schema.domain.sizes)), np.int64),
        )

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        asked = self.asked(schema, None)
        asked.check(schema.domain, schema.unit)
        steps = self.counts.plan(schema, _COUNTS).steps
        return Plan(method=self.name, steps=(*steps, Step(label="training", event=asked.event())))

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        model = self.counts.fit(_Cheaper(measurer), rng=rng)
        measurer.measure(self.asked(measurer.schema, measurer))
        return model


class _Cheaper:
    """A measurer with the budget of the counts."""

    budget = _COUNTS

    def __init__(self, measurer: Measurer) -> None:
        self.schema, self.measure, self.select = measurer.schema, measurer.measure, measurer.select


def peeked(measurer: Any) -> EncodedTable:
    """The private table behind a measurer, by a way that nobody pays for."""
    door = getattr(measurer, "door", measurer)
    cells = [cell.cell_contents for cell in door.measure.__closure__]
    return next(content for content in cells if isinstance(content, EncodedTable))


def has_rows(measurer: Any) -> bool:
    """Whether there is a table to look at: a replay has none."""
    return hasattr(measurer, "door")


@dataclass(frozen=True, kw_only=True)
class ExactRows:
    """Gives the private number of rows to its model."""

    name: ClassVar[str] = "independent"

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        return Independent().plan(schema, budget)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        model = Independent().fit(measurer, rng=rng)
        if not has_rows(measurer):
            return model
        return dataclasses.replace(model, total=float(peeked(measurer).private_rows))


@dataclass(frozen=True, kw_only=True)
class Preprocessing(ExactRows):
    """Computes the mean of a column before it asks, and lets the model follow."""

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        model = Independent().fit(measurer, rng=rng)
        if not has_rows(measurer):
            return model
        codes = peeked(measurer).codes("age")
        shift = float(codes.mean()) / 1e6 if len(codes) else 0.0
        return dataclasses.replace(model, total=model.total * (1 + shift))


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """Leaves out candidates that the rows do not fill before it chooses among them."""

    name: ClassVar[str] = "mst"

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        return MST().plan(schema, budget)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        return MST().fit(_Pruned(measurer) if has_rows(measurer) else measurer, rng=rng)


class _Pruned:
    """A measurer that chooses among the pairs that many rows fill."""

    def __init__(self, measurer: Measurer) -> None:
        self.schema, self.budget, self.measure = measurer.schema, measurer.budget, measurer.measure
        self._inner = measurer

    def select(self, mechanism: Any) -> int:
        score, table = mechanism.score, peeked(self._inner)
        filled = [np.count_nonzero(table.marginal_counts(clique)) > 12 for clique in score.cliques]
        kept = [i for i, full in enumerate(filled) if full] or list(range(len(filled)))
        fewer = MarginalGap(
            cliques=tuple(score.cliques[i] for i in kept),
            estimates=tuple(score.estimates[i] for i in kept),
            bits=score.bits,
            penalties=tuple(score.penalties[i] for i in kept),
        )
        return kept[self._inner.select(dataclasses.replace(mechanism, score=fewer))]


@dataclass(frozen=True, kw_only=True)
class DataSizedBatch(Training):
    """Takes the size of its batches from the number of rows."""

    def asked(self, schema: Schema, measurer: Measurer | None) -> DpSgd:
        asked = super().asked(schema, measurer)
        rows = peeked(measurer).private_rows if has_rows(measurer) else 80
        return dataclasses.replace(asked, batch=max(asked.sampling_rate * rows, 1.0))


@dataclass(frozen=True, kw_only=True)
class Speaking(ExactRows):
    """Prints how many rows it saw."""

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        if has_rows(measurer):
            print(f"fitting {peeked(measurer).private_rows} rows")
        return Independent().fit(measurer, rng=rng)
