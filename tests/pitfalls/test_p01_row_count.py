"""P01: the exact number of rows leaves nowhere: not as total, sample size, delta, bin count or setting."""

from __future__ import annotations

import pandas as pd
import pytest
from brief import brief

from dpsynth.generators import names
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.release import fit_table
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Session

BUDGET = Budget(epsilon=0.5, delta=1e-6)


@pytest.mark.parametrize("method", names())
def test_the_default_sample_size_is_a_noisy_estimate(
    method: str, frame: pd.DataFrame, schema: Schema
) -> None:
    sizes = []
    for _ in range(6):
        with Ledger.in_memory() as ledger:
            model = fit_table(
                frame, schema=schema, generator=brief(method), budget=BUDGET, ledger=ledger, dataset="d"
            )
        sizes.append(len(model.sample(rng=0).frame))
    assert len(set(sizes)) > 1  # a constant here would be the count itself
    assert all(abs(size - len(frame)) < 300 for size in sizes)


@pytest.mark.parametrize("method", names())
def test_plan_and_parameters_do_not_know_it(method: str, frame: pd.DataFrame, schema: Schema) -> None:
    digests = set()
    for rows in (10, 399, 400):
        with Ledger.in_memory() as ledger:
            session = Session.open(
                PrivateTable.load(frame[:rows], schema), budget=BUDGET, ledger=ledger, dataset="d"
            )
            session.run(brief(method), rng=0)
            digests.add(session.guarantee().plan_digest)
            sigmas = [m.sigmas for m in session.transcript.measurements]
    assert len(digests) == 1
    assert sigmas
