"""Surveys of many answers, and releases of them: what attacks on measured tables are tried on."""

from __future__ import annotations

import contextlib

import numpy as np
import pandas as pd

from dpsynth import Budget, Categorical, Ledger, Schema
from dpsynth.evaluation.tables import Tables
from dpsynth.generators import FittedModel
from dpsynth.generators.registry import get
from dpsynth.release import fit_table
from dpsynth.testing import insecure_noise

__all__ = ["SURVEY", "released", "survey"]

_ANSWERS = np.array(list("abcdef"), object)
SURVEY = Schema(
    name="survey",
    columns=tuple(Categorical(name=f"q{i}", categories=tuple(_ANSWERS), required=True) for i in range(14)),
)


def survey(rows: int, *, seed: int) -> pd.DataFrame:
    """Everybody has a kind, and three in ten answers follow it."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 6, rows)
    codes = [np.where(rng.random(rows) < 0.3, kind, rng.integers(0, 6, rows)) for _ in SURVEY.columns]
    return pd.DataFrame(
        {column.name: _ANSWERS[code] for column, code in zip(SURVEY.columns, codes, strict=True)}
    )


def released(
    method: str, epsilon: float, *, seed: int, rows: int = 200, steady: bool = True
) -> tuple[Tables, FittedModel]:
    """A survey, a holdout four times as long, and a release of the survey.

    Args:
        method: Name of the generator.
        epsilon: Budget.
        seed: Of everything that is drawn.
        rows: Of the survey, and of the synthetic table.
        steady: Draw test noise, which repeats; real noise does not.
    """
    real, holdout = survey(rows, seed=1000 + seed), survey(4 * rows, seed=2000 + seed)
    noise = insecure_noise(seed) if steady else contextlib.nullcontext()
    with noise, Ledger.in_memory() as ledger:
        fitted = fit_table(
            real,
            schema=SURVEY,
            generator=get(method),
            budget=Budget(epsilon=epsilon, delta=1e-6),
            ledger=ledger,
            dataset="survey",
            rng=seed,
        )
    synthetic = fitted.sample(rows, rng=seed).frame
    return Tables.read(real, synthetic, SURVEY, holdout=holdout), fitted
