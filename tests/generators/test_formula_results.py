"""Dates and truth values that follow from others hold in every row of every table, beside rules about them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from brief import brief

from dpsynth.generators.fitted import FittedModel
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema import (
    Boolean,
    Datetime,
    Formula,
    GroupTotal,
    Implication,
    InequalityChain,
    Integer,
    OneHot,
    Schema,
    adherence,
)
from dpsynth.session import PrivateTable, Session
from dpsynth.testing.insecure import insecure_noise

SCHEMA = Schema(
    columns=(
        Datetime(name="start", minimum="2020-01-01", maximum="2020-12-31", temporal="date", cells=6),
        Integer(name="stay", minimum=0, maximum=30, cells=4, required=True),
        Boolean(name="paid"),
        Datetime(name="seen", minimum="2020-01-01", maximum="2021-03-31", temporal="date", cells=6),
        Formula(name="end", expression="start + stay", result="date", maximum="2020-12-31"),
        Formula(name="long", expression="stay >= 15", result="truth"),
    ),
    rules=(
        InequalityChain(columns=("start", "end", "seen")),
        OneHot(columns=("paid", "long")),
        Implication(when="month(end) == 2", then="not long"),
        GroupTotal(column="stay", total=1001),
    ),
)


@pytest.mark.parametrize("method", ["independent", "mst"])
def test_tables_meet_formulas_and_the_rules_about_them(method: str, ledger: Ledger) -> None:
    rng = np.random.default_rng(0)
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, 400), unit="D")
    private = pd.DataFrame(
        {
            "start": start,
            "seen": start + pd.Timedelta(days=60),
            "stay": rng.integers(0, 31, 400),
            "paid": rng.random(400) < 0.5,
        }
    )
    private = private.assign(end="never", long=None)  # what is private there is not looked at
    session = Session.open(
        PrivateTable.load(private, SCHEMA),
        budget=Budget(epsilon=3, delta=1e-6),
        ledger=ledger,
        dataset="stays",
    )
    with insecure_noise(1):
        model = session.run(brief(method), rng=0)
    made = FittedModel(model=model, guarantee=session.guarantee()).sample(100, rng=0).frame
    assert len(made) == 100
    assert set(adherence(SCHEMA, made).values()) == {1.0}
    assert made["stay"].sum() == 1001
    there = made.dropna(subset=["start"])
    assert (there["start"] + pd.to_timedelta(there["stay"], unit="D") == there["end"]).all()
    assert made["end"].max() <= pd.Timestamp("2020-12-31")
    assert (made["long"] == (made["stay"] >= 15)).all()
    assert (made["end"].dtype, made["long"].dtype) == (made["start"].dtype, made["paid"].dtype)
