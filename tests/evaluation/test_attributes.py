from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from evaluation.people import SCHEMA, independent, people, shuffled, uniform

from dpsynth import Categorical, Schema
from dpsynth.errors import DataError
from dpsynth.evaluation.attributes import attribute_inference
from dpsynth.evaluation.ceilings import Limits
from dpsynth.evaluation.results import Result
from dpsynth.evaluation.tables import Tables

REAL, HOLDOUT = people(500), people(500, seed=1)


def found(
    synthetic: pd.DataFrame,
    column: str = "class",
    *,
    real: pd.DataFrame = REAL,
    holdout: pd.DataFrame = HOLDOUT,
) -> Result:
    tables = Tables.read(real, synthetic, SCHEMA, holdout=holdout)
    return attribute_inference(tables, sensitive=(column,), limits=Limits(advantage=0.3))[0]


def part(result: Result, label: str) -> float:
    return {part.label[-1]: part.value for part in result.parts}[label]


def test_anchors_are_in_order() -> None:
    copy = found(REAL)
    assert copy.interval is not None
    assert copy.interval[0] > 0
    assert part(copy, "about training rows") > 0.97
    for synthetic in (people(500, seed=2), independent(people(500, seed=3)), uniform(500)):
        innocent = found(synthetic)
        assert innocent.interval is not None
        assert innocent.interval[0] <= 0 <= innocent.interval[1]
        assert innocent.value < copy.value
    assert found(shuffled(REAL), real=shuffled(REAL, seed=1)).value == pytest.approx(copy.value)


def test_what_the_population_tells_is_no_leak() -> None:
    """A second sample predicts far better than the commonest value, about anybody: nothing is held against it."""
    sample = found(people(500, seed=2))
    assert part(sample, "about the holdout") > part(sample, "by the commonest value") + 0.1
    assert abs(sample.value) < 0.06
    assert sample.ceiling == 0.0
    assert part(sample, "certified limit") == 0.3


SCHEMA_OF_TWO = Schema(
    name="s",
    columns=(
        Categorical(name="a", categories=("x", "y"), required=True),
        Categorical(name="b", categories=("u", "v"), required=True),
    ),
)


@pytest.mark.parametrize("guess", ["u", "v"])
def test_neither_a_constant_nor_an_error_of_zero_identifies_anybody(guess: str) -> None:
    """Others count an error of 0 as identified, be it an accuracy of 0 or a column of one value."""
    rng = np.random.default_rng(0)
    real, holdout, synthetic = (
        pd.DataFrame({"a": rng.choice(["x", "y"], 100), "b": value}) for value in ("u", "u", guess)
    )
    tables = Tables.read(real, synthetic, SCHEMA_OF_TWO, holdout=holdout)
    result = attribute_inference(tables, sensitive=("b",))[0]
    assert result.value == 0.0
    assert result.interval is not None
    assert result.interval[0] < 0 < result.interval[1]
    assert (
        part(result, "about training rows") == part(result, "by the commonest value") == float(guess == "u")
    )


def test_numbers_are_guessed_by_their_cells() -> None:
    copy, sample = found(REAL, "income"), found(people(500, seed=2), "income")
    assert part(copy, "about training rows") > 0.45
    assert copy.value > 0.3
    assert sample.value < 0.1


def test_what_is_missing_is_not_guessed() -> None:
    gone = REAL.assign(town=None)
    result = found(REAL, "town", real=gone)
    assert math.isnan(result.value)
    assert "no value is known" in result.note
    assert math.isnan(found(gone, "town").value)


def test_without_a_holdout_it_is_not_defined() -> None:
    result = attribute_inference(Tables.read(REAL, REAL, SCHEMA), sensitive=("class",))[0]
    assert math.isnan(result.value)
    assert "holdout" in result.note
    with pytest.raises(DataError, match="height"):
        attribute_inference(Tables.read(REAL, REAL, SCHEMA), sensitive=("height",))


def test_a_single_column_leaves_nothing_to_guess_from() -> None:
    schema = Schema(name="s", columns=(SCHEMA_OF_TWO.columns[0],))
    frame = pd.DataFrame({"a": ["x", "y"] * 10})
    tables = Tables.read(frame, frame, schema, holdout=frame)
    assert math.isnan(attribute_inference(tables, sensitive=("a",))[0].value)
