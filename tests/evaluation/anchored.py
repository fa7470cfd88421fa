"""The five tables that every metric must put in their order."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
from evaluation.people import SCHEMA, independent, people, shuffled, uniform

from dpsynth import Categorical, Real, Schema
from dpsynth.evaluation.tables import Tables

ROWS = 1500


@cache
def anchored(rows: int = ROWS) -> dict[str, Tables]:
    real = people(rows)
    synthetic = {
        "copy": real,
        "shuffled": shuffled(real),
        "sample": people(rows, seed=3),
        "independent": independent(real),
        "uniform": uniform(rows),
    }
    return {name: Tables.read(real, frame, SCHEMA) for name, frame in synthetic.items()}


def five(metric: Callable[[Tables], float]) -> dict[str, float]:
    return {name: metric(tables) for name, tables in anchored().items()}


def unordered(metric: Callable[[Tables], float]) -> tuple[float, float]:
    """The metric of two tables, and of the same in another order of rows."""
    real, synthetic = people(400), people(300, seed=5)
    found = [
        metric(Tables.read(*frames, SCHEMA))
        for frames in ((real, synthetic), (shuffled(real, seed=8), shuffled(synthetic, seed=9)))
    ]
    return found[0], found[1]


def two_numbers(correlation: float, rows: int = 800, *, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    first = rng.normal(size=rows)
    second = correlation * first + np.sqrt(1 - correlation**2) * rng.normal(size=rows)
    return pd.DataFrame({"first": first.round(4), "second": second.round(4)})


NUMBERS = Schema(
    name="numbers",
    columns=(Real(name="first", minimum=-9, maximum=9), Real(name="second", minimum=-9, maximum=9)),
)


def letters(**columns: int) -> Schema:
    """Columns of categories 0, 1, 2 and so on."""
    return Schema(
        name="letters",
        columns=tuple(
            Categorical(name=name, categories=tuple(range(size))) for name, size in columns.items()
        ),
    )


def odd() -> dict[str, Tables]:
    """Tables of one row, of constants, of missing values only, and of a single column."""
    schema = letters(a=3, b=3)
    number = Schema(name="numbers", columns=(Real(name="first", minimum=-9, maximum=9),))
    frame = pd.DataFrame({"a": [0, 1, 2, 0] * 30, "b": [1, 1, 2, 0] * 30})
    constant = pd.DataFrame({"a": [1] * 120, "b": [1] * 120})
    missing = pd.DataFrame({"a": [None] * 120, "b": [None] * 120}, dtype=object)
    numbers = two_numbers(0.5, 120)[["first"]]
    nothing = pd.DataFrame({"first": [np.nan] * 50})
    return {
        "one row": Tables.read(frame[:1], frame[:1], schema),
        "one real row": Tables.read(frame[:1], frame, schema),
        "constant": Tables.read(constant, frame, schema),
        "constants": Tables.read(constant, constant, schema),
        "synthetic constant": Tables.read(frame, constant, schema),
        "missing": Tables.read(missing, missing, schema),
        "synthetic missing": Tables.read(frame, missing, schema),
        "one column": Tables.read(frame[["a"]], frame[["a"]], letters(a=3)),
        "one number": Tables.read(numbers, numbers, number),
        "no numbers": Tables.read(nothing, nothing, number),
        "synthetic without numbers": Tables.read(numbers, nothing, number),
        "real without numbers": Tables.read(nothing, numbers, number),
    }
