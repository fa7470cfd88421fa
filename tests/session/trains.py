"""The smallest deep generator, and a session for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dpsynth.ledger import Ledger
from dpsynth.mechanisms import Critic, DpSgd, TrainingState, parameter_count
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session import Plan, PrivateTable, Session, Step

BUDGET = Budget(epsilon=4.0, delta=1e-6)
NETWORK = Critic(hidden=(16,))


@dataclass(frozen=True, kw_only=True)
class Trains:
    """The smallest deep generator: two rounds of training; the average of the parameters is the model."""

    engine: str = "fused"
    checks: bool = True

    def asked(self, schema: Schema, start: TrainingState, steps: int) -> DpSgd:
        return DpSgd(
            network=NETWORK,
            start=start,
            steps=steps,
            sampling_rate=0.1,
            noise_multiplier=2.0,
            batch=40.0,
            public=np.zeros((2, len(schema.domain.sizes)), np.int64),
            public_weight=0.5,
            engine=self.engine,
        )

    def fresh(self, schema: Schema) -> TrainingState:
        count = parameter_count(NETWORK, schema.domain)
        return TrainingState.fresh(np.linspace(-1, 1, count, dtype=np.float32))

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        asked = [self.asked(schema, self.fresh(schema), steps) for steps in (2, 3)]
        if self.checks:
            for one in asked:
                one.check(schema.domain, schema.unit)
        return Plan(method="trains", steps=tuple(Step(label="training", event=one.event()) for one in asked))

    def fit(self, measurer: Any, *, rng: Any = None) -> bytes:
        state = self.fresh(measurer.schema)
        for steps in (2, 3):
            measurement = measurer.measure(self.asked(measurer.schema, state, steps))
            state = TrainingState.after(measurement, state.steps + steps)
        return b"".join(array.tobytes() for array in state.arrays())


def open_session(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> Session:
    return Session.open(PrivateTable.load(frame, schema), budget=BUDGET, ledger=ledger, dataset="people")
