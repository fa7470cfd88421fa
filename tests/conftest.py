"""Small schemas and tables that many tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from dpsynth.ledger import Ledger
from dpsynth.schema.columns import Boolean, Categorical, Datetime, Integer, Real
from dpsynth.schema.schema import Schema

# Test processes share the cores already: torch, which is imported later, would put two threads on each.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# `make test` tries the same examples each time, so that it fails for a change and not by chance;
# `make audit` explores: HYPOTHESIS_PROFILE=explore.
settings.register_profile("steady", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture
def schema() -> Schema:
    """Every modelled kind, missing values allowed."""
    return Schema(
        name="people",
        columns=(
            Categorical(name="colour", categories=("red", "green", "blue")),
            Boolean(name="member", required=True),
            Integer(name="age", minimum=0, maximum=99, cells=10),
            Real(name="height", minimum=1.0, maximum=2.2, precision=2, cells=6),
            Datetime(
                name="joined",
                minimum="2020-01-01",
                maximum="2023-12-31",
                resolution="D",
                temporal="date",
                cells=8,
            ),
        ),
    )


@pytest.fixture
def frame() -> pd.DataFrame:
    """A table of 400 rows that fits `schema`."""
    rng = np.random.default_rng(7)
    rows = 400
    colour = rng.choice(np.array(["red", "green", "blue", None], dtype=object), rows)
    return pd.DataFrame(
        {
            "colour": colour,
            "member": rng.random(rows) < 0.3,
            "age": np.where(colour == "red", rng.integers(0, 40, rows), rng.integers(30, 100, rows)),
            "height": np.round(rng.uniform(1.0, 2.2, rows), 2),
            "joined": pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 1400, rows), unit="D"),
        }
    )


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """A ledger in memory."""
    with Ledger.in_memory() as opened:
        yield opened
