"""Small tables with known structure for the tests of evaluation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dpsynth import Boolean, Categorical, Integer, Real, Schema

SCHEMA = Schema(
    name="people",
    columns=(
        Integer(name="age", minimum=0, maximum=99),
        Real(name="income", minimum=0.0, maximum=1e6),
        Categorical(name="town", categories=("north", "east", "south")),
        Boolean(name="owner"),
        Categorical(name="class", categories=("low", "high"), required=True),
    ),
)


def people(rows: int, *, seed: int = 0) -> pd.DataFrame:
    """Income follows age, town and class follow income; some values are missing."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, rows)
    income = np.round(np.exp(9 + age / 40 + rng.normal(0, 0.4, rows)), 2)
    town = np.where(income > 40_000, "north", np.where(rng.random(rows) < 0.5, "east", "south"))
    owner = rng.random(rows) < age / 100
    found = pd.DataFrame(
        {
            "age": age,
            "income": np.minimum(income, 1e6),
            "town": town.astype(object),
            "owner": owner,
            "class": np.where(income * np.exp(rng.normal(0, 0.3, rows)) > 30_000, "high", "low"),
        }
    )
    found.loc[rng.random(rows) < 0.05, "town"] = None
    found["income"] = found["income"].where(rng.random(rows) >= 0.03)
    return found


def shuffled(frame: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """The same rows in another order."""
    return frame.sample(frac=1, random_state=seed).reset_index(drop=True)


def independent(frame: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Each column shuffled by itself."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: frame[name].to_numpy()[rng.permutation(len(frame))] for name in frame})


def uniform(rows: int, *, seed: int = 0) -> pd.DataFrame:
    """Noise over the domain."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(0, 100, rows),
            "income": np.round(rng.uniform(0, 1e6, rows), 2),
            "town": rng.choice(np.array(["north", "east", "south"], object), rows),
            "owner": rng.random(rows) < 0.5,
            "class": rng.choice(["low", "high"], rows),
        }
    )
