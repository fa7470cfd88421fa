"""U06: a cell merged from rare values and fitted with the wrong scale. Ours are never merged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dpsynth.generators.base import Generator
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Session

SCHEMA = Schema(
    columns=(
        Categorical(name="word", categories=tuple(f"w{i}" for i in range(30)), required=True),
        Categorical(name="side", categories=("l", "r"), required=True),
    )
)


def frame() -> pd.DataFrame:
    """Two words hold nearly all rows; the others have 40 each."""
    words = [w for i in range(30) for w in [f"w{i}"] * (4_000 if i < 2 else 40)]
    return pd.DataFrame({"word": words, "side": ["l", "r"] * (len(words) // 2)})


@pytest.mark.parametrize("generator", [Independent(), MST()])
def test_u06_every_declared_value_has_its_own_cell_and_scale(generator: Generator) -> None:
    shares = []
    for _ in range(10):
        with Ledger.in_memory() as ledger:
            table = PrivateTable.load(frame(), SCHEMA)
            session = Session.open(table, budget=Budget(epsilon=3, delta=1e-6), ledger=ledger, dataset="u06")
            model = session.run(generator)
            first, *_ = session.transcript.measurements
            assert [len(values) for values in first.values] == [30, 2]
            codes = model.sample_codes(100_000, np.random.default_rng(0))["word"]
            shares.append(np.bincount(codes, minlength=30) / 100_000)
    rare = np.mean(shares, axis=0)[2:]
    # 28 rare words of 40 rows in 9,120: merged and scaled wrongly they would be off together.
    assert rare.mean() == pytest.approx(40 / 9_120, rel=0.15)
    assert rare.min() > 0
