"""U09: values are drawn from the distribution, not set to the most likely one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.base import Generator
from dpsynth.generators.mst import MST
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.release import fit_table
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema


@pytest.mark.parametrize("generator", [MST(), AllPairs()], ids=lambda generator: generator.name)
def test_the_less_likely_value_keeps_its_share(generator: Generator) -> None:
    """A leads to x in 70 % of the rows and to y in 30 %: argmax would never write y beside A."""
    rng = np.random.default_rng(1)
    first = rng.choice(["A", "B"], 20_000)
    second = np.where(rng.random(20_000) < np.where(first == "A", 0.7, 0.2), "x", "y")
    schema = Schema(
        columns=(
            Categorical(name="first", categories=("A", "B"), required=True),
            Categorical(name="second", categories=("x", "y"), required=True),
        )
    )
    with Ledger.in_memory() as ledger:
        model = fit_table(
            pd.DataFrame({"first": first, "second": second}),
            schema=schema,
            generator=generator,
            budget=Budget(epsilon=2.0, delta=1e-6),
            ledger=ledger,
            dataset="d",
        )
    rows = model.sample(10_000, rng=0).frame
    share = (rows.loc[rows["first"] == "A", "second"] == "y").mean()
    assert 0.27 < share < 0.33
