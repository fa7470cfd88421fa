from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth import synthesize
from dpsynth.errors import ConfigurationError
from dpsynth.generators import FittedModel
from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema
from dpsynth.testing import insecure_noise
from dpsynth.tuning import bootstrap
from dpsynth.tuning.bootstrap import contradiction

_BRIEF: dict[str, Any] = {"epsilons": [1.0], "replicates": 1}


def paid(frame: pd.DataFrame, schema: Schema, ledger: Ledger, method: str = "mst") -> FittedModel:
    return synthesize(frame, schema=schema, epsilon=8.0, delta=1e-6, method=method, ledger=ledger).model


def test_rows_of_a_paid_model_cost_nothing_more(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    model = paid(frame, schema, ledger)
    before = ledger.head()
    found = bootstrap(model, **_BRIEF)
    assert ledger.head() == before
    assert found.cost.epsilon == 0
    assert found.disclosure.kind == "dp"
    assert found.disclosure.epsilon == model.guarantee.epsilon
    assert found.disclosure.release == model.guarantee.ledger.after.digest
    assert found.methods == ("mst",)
    assert [point.epsilon for point in found.points] == [1.0, model.guarantee.epsilon]
    assert "beyond their noise" in " ".join(found.notes)


def test_a_score_that_was_paid_for_shows_the_optimism(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    model = paid(frame, schema, ledger)
    assert "too high" in bootstrap(model, known=0.1, **_BRIEF).notes[-1]
    assert "too low" in bootstrap(model, known=1.0, **_BRIEF).notes[-1]
    with pytest.raises(ConfigurationError, match="'mst'"):
        bootstrap(model, methods="independent", known=0.5, **_BRIEF)


def test_a_tainted_model_gives_a_confidential_picture(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    with insecure_noise(5):
        model = paid(frame, schema, ledger, "independent")
    assert bootstrap(model, **_BRIEF).disclosure.kind == "confidential"


def test_tables_contradict_a_model_that_misses_what_they_hold(schema: Schema, ledger: Ledger) -> None:
    rng = np.random.default_rng(3)
    age = rng.integers(0, 100, 4_000)
    frame = pd.DataFrame(
        {
            "colour": np.where(age < 50, "red", "blue"),
            "member": age < 30,
            "age": age,
            "height": 1.0 + np.round(age / 100, 2),
            "joined": pd.to_datetime("2020-01-01") + pd.to_timedelta(age * 10, unit="D"),
        }
    )
    with insecure_noise(6):
        model = paid(frame, schema, ledger)
        independent = paid(frame, schema, ledger, "independent")
    near = contradiction(model)
    far = contradiction(dataclasses.replace(model, model=independent.model))
    assert near is not None
    assert far is not None
    assert near < 0.1
    assert far > 0.3
    assert contradiction(dataclasses.replace(model, transcript=None)) is None
    assert contradiction(independent) is None
