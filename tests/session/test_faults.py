"""Fault injection: whatever fails, and wherever, nothing is free and the ledger stays consistent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dpsynth.generators.mst import MST
from dpsynth.ledger import Ledger
from dpsynth.mechanisms.gaussian import GaussianMechanism
from dpsynth.mechanisms.selection import ExponentialMechanism
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Session


class PowerCutError(Exception):
    """Stands for a process that ends here."""


def attempt(path: Path, frame: pd.DataFrame, schema: Schema) -> None:
    with Ledger.open(path) as ledger:
        table = PrivateTable.load(frame, schema)
        session = Session.open(table, budget=Budget(epsilon=1.0, delta=1e-6), ledger=ledger, dataset="people")
        session.run(MST())


def crash_at(patch: pytest.MonkeyPatch, owner: type, name: str, call: int, *, after: bool) -> list[int]:
    """Make call number `call` of `owner.name` the last thing that happens."""
    original, calls = getattr(owner, name), [0]

    def broken(self: Any, *args: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] == call and not after:
            raise PowerCutError
        result = original(self, *args, **more)
        if calls[0] == call:
            raise PowerCutError
        return result

    patch.setattr(owner, name, broken)
    return calls


STEPS = [
    (Ledger, "reserve", 1),
    (Ledger, "draw", 1),
    (Ledger, "draw", 2),
    (Ledger, "draw", 6),
    (Ledger, "commit", 1),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("owner", "name", "call"), STEPS)
def test_a_crash_at_any_step_of_the_ledger(
    tmp_path: Path, frame: pd.DataFrame, schema: Schema, owner: type, name: str, call: int, after: bool
) -> None:
    drawn: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        for mechanism in (GaussianMechanism, ExponentialMechanism):
            run = mechanism.run
            patch.setattr(mechanism, "run", lambda self, t, u, run=run: (drawn.append(1), run(self, t, u))[1])
        crash_at(patch, owner, name, call, after=after)
        with pytest.raises(PowerCutError):
            attempt(tmp_path / "ledger.db", frame, schema)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert ledger.verify().ok
        entries = [entry.content["kind"] for entry in ledger.entries()]
        (account,) = ledger.statement("people")
        assert entries.count("draw") >= len(drawn)  # no answer without its entry
        if drawn:
            assert account.spent.epsilon > 0.99  # what was reserved is spent


def test_a_crash_inside_a_mechanism(tmp_path: Path, frame: pd.DataFrame, schema: Schema) -> None:
    with pytest.MonkeyPatch.context() as patch:
        crash_at(patch, ExponentialMechanism, "run", 1, after=False)
        with pytest.raises(Exception, match="stays spent"):
            attempt(tmp_path / "ledger.db", frame, schema)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert ledger.verify().ok
        (account,) = ledger.statement("people")
        assert account.spent.epsilon > 0.99
