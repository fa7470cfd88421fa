"""P18: choosing the vocabulary from the data costs delta; it is never pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pytest

from dpsynth.errors import DpsynthError, PrivacyError
from dpsynth.ledger import Ledger
from dpsynth.mechanisms.partition import LabelledColumn, PartitionSelection
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import Event, LaplaceEvent
from dpsynth.privacy.unit import Unit
from dpsynth.schema.schema import Schema
from dpsynth.session import Plan, PrivateTable, Session, Step
from dpsynth.testing.insecure import insecure_noise


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimsPure(PartitionSelection):
    """The broken twin: the same mechanism, priced as if it were pure."""

    def event(self) -> Event:  # type: ignore[override]
        return LaplaceEvent(epsilon=1.0)


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """A generator that buys a list of labels."""

    mechanism: PartitionSelection

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        return Plan(method="vocabulary", steps=(Step(label="labels", event=self.mechanism.event()),))

    def fit(self, measurer: Any, *, rng: Any = None) -> list[str]:
        labels: list[str] = measurer.measure(self.mechanism).values[1].tolist()
        return labels


def test_delta_is_in_the_price() -> None:
    event = PartitionSelection(column="c", mu=0.5, delta=1e-6).event()
    enough = price((event,), delta=1e-5)
    assert 0 < enough.epsilon < price((event,), delta=1.1e-6).epsilon < float("inf")
    for short in (1e-6, 1e-7, 0.0):
        with pytest.raises(DpsynthError):
            price((event,), delta=short)


def test_what_one_row_adds_shows_with_a_probability_that_no_pure_epsilon_allows() -> None:
    mechanism = ClaimsPure(column="c", mu=1.0, delta=0.05)
    with insecure_noise(2):
        without = [mechanism.run(LabelledColumn(["a"] * 9), Unit()).values[1].tolist() for _ in range(500)]
        with_it = [
            mechanism.run(LabelledColumn(["a"] * 9 + ["b"]), Unit()).values[1].tolist() for _ in range(500)
        ]
    assert not any("b" in names for names in without)  # impossible: no epsilon bounds the ratio
    assert 0 < sum("b" in names for names in with_it) <= 500 * 0.05 + 5 * (500 * 0.05 * 0.95) ** 0.5


def test_a_session_refuses_the_twin(frame: pd.DataFrame, schema: Schema) -> None:
    with Ledger.in_memory() as ledger:
        budget = Budget(epsilon=2.0, delta=1e-6)
        session = Session.open(PrivateTable.load(frame, schema), budget=budget, ledger=ledger, dataset="d")
        with pytest.raises(PrivacyError, match="no mechanism"):
            session.run(Vocabulary(mechanism=ClaimsPure(column="colour", mu=1.0, delta=0.05)))
        assert "draw" not in [entry.content["kind"] for entry in ledger.entries()]


def test_the_bill_of_a_session_holds_the_delta_of_its_vocabulary(frame: pd.DataFrame, schema: Schema) -> None:
    unknown = schema.replace_columns({"colour": replace(schema.column("colour"), categories=None)})
    with Ledger.in_memory() as ledger:
        pure = Session.open(
            PrivateTable.load(frame, unknown), budget=Budget(epsilon=2.0), ledger=ledger, dataset="pure"
        )
        with pytest.raises(DpsynthError, match="delta"):
            pure.discover()
        budget = Budget(epsilon=2.0, delta=1e-5)
        session = Session.open(PrivateTable.load(frame, unknown), budget=budget, ledger=ledger, dataset="d")
        session.discover()
        (account,) = ledger.statement("d")
        assert account.spent.delta == pytest.approx(1e-5)
        assert ledger.statement("pure")[0].spent.epsilon == 0
