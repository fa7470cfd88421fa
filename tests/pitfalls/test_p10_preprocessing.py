"""P10: preprocessing is in the total that is reported, not beside it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from dpsynth.generators.independent import Independent
from dpsynth.ledger import Ledger
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Session


def test_discovery_and_fit_share_one_total(frame: pd.DataFrame, schema: Schema) -> None:
    unknown = schema.replace_columns({"age": replace(schema.column("age"), minimum=None, maximum=None)})
    with Ledger.in_memory() as ledger:
        budget = Budget(epsilon=2.0, delta=1e-6)
        session = Session.open(PrivateTable.load(frame, unknown), budget=budget, ledger=ledger, dataset="d")
        session.discover(share=0.25)
        session.run(Independent())
        guarantee = session.guarantee()
        (account,) = ledger.statement("d")
    discovered = [label for label in guarantee.labels if "age" in label and "bounds" in label]
    assert discovered  # the purchase is on the bill
    assert price(guarantee.events, delta=1e-6, adaptive=True).epsilon <= guarantee.epsilon <= 2.0
    assert account.spent.epsilon <= 2.0 + 1e-8
    fit_alone = price(guarantee.events[len(discovered) :], delta=1e-6).epsilon
    assert fit_alone < guarantee.epsilon  # the broken twin reports this one
