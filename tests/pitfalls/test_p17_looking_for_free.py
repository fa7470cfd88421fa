"""P17: every fit is charged, so the best of several runs costs all of them."""

from __future__ import annotations

import pandas as pd
import pytest

from dpsynth.errors import BudgetExceededError, PrivacyError
from dpsynth.generators.independent import Independent
from dpsynth.ledger import Cap, Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Session


def test_three_tries_cost_three_times(frame: pd.DataFrame, schema: Schema) -> None:
    table = PrivateTable.load(frame, schema)
    with Ledger.in_memory() as ledger:
        cap = Cap(epsilon=3.0, delta=1e-5)
        for _ in range(3):
            session = Session.open(
                table, budget=Budget(epsilon=1.0, delta=1e-6), ledger=ledger, dataset="d", cap=cap
            )
            session.run(Independent())
        (account,) = ledger.statement("d")
        assert 2.99 < account.spent.epsilon <= 3.0
        session = Session.open(
            table, budget=Budget(epsilon=1.0, delta=1e-6), ledger=ledger, dataset="d", cap=cap
        )
        with pytest.raises(BudgetExceededError):
            session.run(Independent())


def test_a_session_cannot_fit_again(frame: pd.DataFrame, schema: Schema) -> None:
    with Ledger.in_memory() as ledger:
        session = Session.open(
            PrivateTable.load(frame, schema),
            budget=Budget(epsilon=1.0, delta=1e-6),
            ledger=ledger,
            dataset="d",
        )
        session.run(Independent())
        with pytest.raises(PrivacyError):
            session.run(Independent())
