"""A frontier by private selection."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import dpsynth
from dpsynth.errors import BudgetExceededError
from dpsynth.ledger import Cap, Ledger
from dpsynth.privacy.repeats import Repetitions
from dpsynth.schema.schema import Schema


def test_each_epsilon_is_charged_and_its_winner_is_kept(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, tmp_path: Path
) -> None:
    found = dpsynth.frontier(
        frame,
        schema=schema,
        mode="select",
        methods="independent,mst",
        epsilons=[1.0, 3.0],
        delta=1e-6,
        repetitions=Repetitions(mean=2),
        ledger=ledger,
        dataset="people",
        models=tmp_path / "models",
    )
    assert [point.epsilon for point in found.points] == pytest.approx([1.0, 3.0], rel=0.02)
    (account,) = ledger.statement("people")
    assert account.spent.epsilon == pytest.approx(found.cost.epsilon)
    assert found.disclosure.kind == "dp"
    assert all(point.note.endswith("won") for point in found.points)
    for path in sorted((tmp_path / "models").iterdir()):
        assert dpsynth.load(path).guarantee.epsilon <= 3.0


def test_all_of_it_has_room_or_nothing_is_drawn(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    ledger.account("people", str(schema.unit), cap=Cap(epsilon=3.5, delta=1e-4))
    with pytest.raises(BudgetExceededError):
        dpsynth.frontier(
            frame,
            schema=schema,
            mode="select",
            methods="mst",
            epsilons=[1.0, 3.0],
            delta=1e-6,
            ledger=ledger,
            dataset="people",
        )
    (account,) = ledger.statement("people")
    assert account.spent.epsilon == 0
