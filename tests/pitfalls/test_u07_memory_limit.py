"""U07: the memory limit limits the tables that are really made."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators.mst import MST
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema.columns import Integer
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Session

BUDGET = Budget(epsilon=1.0, delta=1e-6)


def wide(columns: int, cells: int) -> Schema:
    return Schema(
        columns=tuple(Integer(name=f"c{i}", minimum=1, maximum=cells, cells=cells) for i in range(columns))
    )


def test_a_lower_limit_leaves_larger_pairs_out() -> None:
    schema = wide(6, 60)
    roomy, tight = MST().plan(schema, BUDGET), MST(memory_limit=200_000).plan(schema, BUDGET)
    assert tight.memory_bytes < roomy.memory_bytes
    assert len(tight.steps) < len(roomy.steps)  # two pairs fit: fewer edges can be chosen
    with pytest.raises(ConfigurationError, match="memory_limit"):
        MST(memory_limit=1000).plan(schema, BUDGET)


def test_a_fit_stays_near_the_planned_memory() -> None:
    """The peak of the fit itself, rows aside, is within the plan's bound and a fixed overhead."""
    schema = wide(8, 120)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.integers(1, 121, 500) for name in schema.names})
    planned = MST().plan(schema, BUDGET).memory_bytes
    with Ledger.in_memory() as ledger:
        session = Session.open(PrivateTable.load(frame, schema), budget=BUDGET, ledger=ledger, dataset="d")
        tracemalloc.start()
        session.run(MST())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 2 * planned + 64 * 2**20
