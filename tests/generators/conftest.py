"""A measurer without session and ledger, for tests of generators alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from dpsynth.mechanisms import ExponentialMechanism, GaussianMechanism, Measurement
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import Event
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema


class PlainMeasurer:
    """Runs mechanisms on codes and keeps what was asked."""

    def __init__(self, schema: Schema, budget: Budget, codes: Mapping[str, np.ndarray]) -> None:
        self.schema = schema
        self.budget = budget
        self.asked: list[GaussianMechanism | ExponentialMechanism] = []
        rows = len(next(iter(codes.values()))) if codes else 0
        self._table = EncodedTable(schema.domain, dict(codes), rows=rows)

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(mechanism.event() for mechanism in self.asked)

    def measure(self, mechanism: GaussianMechanism | ExponentialMechanism) -> Measurement:
        self.asked.append(mechanism)
        return mechanism.run(self._table, self.schema.unit)

    def select(self, mechanism: ExponentialMechanism) -> int:
        return int(self.measure(mechanism).values[0][0])


@pytest.fixture
def measurer() -> Callable[..., PlainMeasurer]:
    """Builds a measurer from columns of codes; without a schema they are nominal, with as many codes as occur."""

    def build(
        codes: Mapping[str, np.ndarray],
        *,
        epsilon: float = 1.0,
        sizes: Mapping[str, int] | None = None,
        schema: Schema | None = None,
    ) -> PlainMeasurer:
        if schema is not None:
            return PlainMeasurer(schema, Budget(epsilon=epsilon, delta=1e-9), codes)
        sizes = sizes or {name: int(column.max()) + 1 for name, column in codes.items()}
        columns = tuple(
            Categorical(name=name, categories=tuple(range(size)), required=True)
            for name, size in sizes.items()
        )
        return PlainMeasurer(Schema(columns=columns), Budget(epsilon=epsilon, delta=1e-9), codes)

    return build
