"""P37: teachers that share records; accountants written by hand; stopping that depends on data (PATE)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

from dpsynth import mechanisms
from dpsynth.errors import PrivacyError
from dpsynth.generators import registry
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import MECHANISMS, DpSgd
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import LaplaceEvent, _known
from dpsynth.schema.schema import Schema
from dpsynth.session import Plan, PrivateTable, Session, Step

REVIEWED = {
    "DpSgd",
    "ScoreHistogram",
    "ExponentialMechanism",
    "GaussianMechanism",
    "LaplaceMechanism",
    "NoisyScores",
    "PartitionSelection",
}


class Teachers(DpSgd):
    """The broken twin: models on parts of the table vote, and it prices itself."""

    def event(self) -> Any:
        return LaplaceEvent(epsilon=0.1)

    def run(self, table: Any, unit: Any) -> Any:
        raise AssertionError("it saw the table")


class Votes:
    """A generator that asks for them."""

    def __init__(self) -> None:
        from mechanisms.deep import asked

        plain = asked()
        kept = {name: getattr(plain, name) for name in ("network", "start", "steps", "public", "batch")}
        self.teachers = Teachers(sampling_rate=0.5, noise_multiplier=1.0, **kept)

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        return Plan(method="pate", steps=(Step(label="votes", event=self.teachers.event()),))

    def fit(self, measurer: Any, *, rng: Any = None) -> Any:
        return measurer.measure(self.teachers)


def closed(known: Sequence[type]) -> bool:
    """Whether the mechanisms that may see rows are the reviewed ones, each from its own room."""
    return {kind.__name__ for kind in known} == REVIEWED and all(
        kind.__module__.startswith(f"{mechanisms.__name__}.") for kind in known
    )


def test_the_set_of_mechanisms_is_closed_and_has_no_teachers() -> None:
    assert closed(MECHANISMS)
    assert isinstance(MECHANISMS, tuple)
    assert not closed((*MECHANISMS, Teachers))
    assert not closed(MECHANISMS[1:])
    assert not closed((*MECHANISMS[1:], type("GaussianMechanism", (), {})))


def test_no_method_and_no_event_is_one_of_teachers() -> None:
    assert not [
        name for name in (*_known(), *dir(registry)) if "pate" in name.lower() or "teach" in name.lower()
    ]


def test_teachers_of_ones_own_do_not_see_the_table(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    session = Session.open(
        PrivateTable.load(frame, schema),
        budget=Budget(epsilon=1.0, delta=1e-6),
        ledger=ledger,
        dataset="people",
    )
    with pytest.raises(PrivacyError, match="Teachers is no mechanism"):
        session.run(Votes())
    assert "draw" not in [entry.content["kind"] for entry in ledger.entries()]
