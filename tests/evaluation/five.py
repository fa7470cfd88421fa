"""The five tables to which every metric is put, and what it says of them."""

from __future__ import annotations

from functools import cache

from evaluation.people import SCHEMA, independent, people, shuffled, uniform

from dpsynth.evaluation.tables import Tables

ROWS = 1500


@cache
def five(*, holdout: bool = True) -> dict[str, Tables]:
    """By name, from the best to the worst; `shuffled` is the copy in another order."""
    real = people(ROWS)
    return {
        name: Tables.read(real, synthetic, SCHEMA, holdout=people(1000, seed=7) if holdout else None, seed=3)
        for name, synthetic in {
            "copy": real,
            "sample": people(ROWS, seed=1),
            "independent": independent(real),
            "uniform": uniform(ROWS),
            "shuffled": shuffled(real),
        }.items()
    }
