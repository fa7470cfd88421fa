"""U07: the memory limit limits the tables that are really made."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.memory import MemoryPlan
from dpsynth.generators.mst import MST
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema.columns import Categorical, Integer
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("columns", "size", "megabytes", "target"),
    [(8, 120, 64, None), (12, 60, 64, "c0"), pytest.param(24, 40, 80, None, marks=pytest.mark.slow)],
)
def test_allpairs_stays_within_its_declared_limit(
    columns: int, size: int, megabytes: int, target: str | None
) -> None:
    """Hardly any noise and strong dependence, so that all room that there is would be used."""
    schema = Schema(
        columns=tuple(
            Categorical(name=f"c{i}", categories=tuple(range(size)), required=True, ordered=True)
            for i in range(columns)
        )
    )
    rng, budget = np.random.default_rng(0), Budget(epsilon=50.0, delta=1e-6)
    same = rng.integers(0, size, 3000)
    frame = pd.DataFrame(
        {
            name: np.where(rng.random(3000) < 0.7, (same + i) % size, rng.integers(0, size, 3000))
            for i, name in enumerate(schema.names)
        }
    )
    method = AllPairs(memory_limit=megabytes * 2**20, target=target)
    planned = method.plan(schema, budget).memory_bytes
    assert planned <= megabytes * 2**20
    with Ledger.in_memory() as ledger:
        session = Session.open(PrivateTable.load(frame, schema), budget=budget, ledger=ledger, dataset="d")
        tracemalloc.start()
        model = session.run(method)
        model.sample_codes(3000, rng)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    memory = MemoryPlan.of(schema.domain, limit=method.memory_limit, most_cells=method.most_cells)
    assert sum(belief.size for belief in model.beliefs) <= memory.clique_cells
    assert sum(target.size for target in model.targets.values()) <= memory.pair_cells
    assert sum(table.size for table in model.refined.values()) <= memory.finer_cells
    assert peak <= planned


def test_allpairs_refuses_a_limit_that_holds_nothing() -> None:
    with pytest.raises(ConfigurationError, match="memory limit of at least"):
        AllPairs(memory_limit=2**20).plan(wide(3, 10), BUDGET)
