from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators.given import asked_weights, given_codes, strict_codes
from dpsynth.schema.columns import Boolean, Categorical, Datetime, Identifier, Integer
from dpsynth.schema.schema import Schema

SCHEMA = Schema(
    columns=(
        Identifier(name="id"),
        Categorical(name="town", categories=("A", "B"), out_of_domain="other", other_label="elsewhere"),
        Integer(name="age", minimum=0, maximum=99, cells=10, required=True),
        Datetime(name="day", minimum="2020-01-01", maximum="2020-12-31", cells=12),
        Boolean(name="member"),
    ),
    missing_values=("?",),
)


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ({"town": "B"}, {"town": 1}),
        ({"town": ["B", "elsewhere", "?", "B"]}, {"town": (1, 2, 3)}),
        ({"town": {"A"}}, {"town": (0,)}),
        ({"town": ("A", None)}, {"town": (0, 3)}),
        ({"age": range(8, 12)}, {"age": (0, 1)}),
        ({"age": np.array([5, 95])}, {"age": (0, 9)}),
        ({"age": pd.Series(["7"]), "member": True}, {"age": (0,), "member": 1}),
        ({"day": ["2020-01-05", pd.Timestamp("2020-12-31")]}, {"day": (0, 11)}),
    ],
)
def test_values_become_codes(given: dict[str, Any], codes: dict[str, Any]) -> None:
    assert given_codes(SCHEMA, given) == codes


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"id": 1}, "modelled columns, got 'id'"),
        ({"town": []}, "at least one value"),
        ({"town": ["A", "C"]}, "'town' cannot hold 'C'"),
        ({"age": [5, 100]}, "'age' cannot hold 100"),
        ({"age": None}, "cannot hold None"),
        ({"age": (20, 40)}, "interval"),
    ],
)
def test_what_cannot_be_given_is_refused_by_name(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        given_codes(SCHEMA, given)


def test_a_column_of_values_is_read_as_one() -> None:
    town, age = SCHEMA.modelled[:2]
    values = pd.Series(["A", " elsewhere ", "?", "C", None, pd.NA], dtype=object)
    assert strict_codes(town, values, ("?",))[0].tolist() == [0, 2, 3, -1, 3, 3]
    ages = pd.Series([0, 9, 10, -1, np.nan])
    codes, readings = strict_codes(age, ages, ("?",))
    assert codes.tolist() == [0, 0, 1, -1, -1]
    np.testing.assert_array_equal(readings, ages)


def test_questions_weigh_the_cells_that_an_interval_cuts() -> None:
    weights = asked_weights(SCHEMA, {"age": (5, 29), "town": ["A", "?"], "day": ("2020-07-01", None)})
    np.testing.assert_allclose(weights["age"], [0.5, 1, 1, *[0] * 7])
    assert weights["town"].tolist() == [1, 0, 0, 1]
    day = SCHEMA.modelled[2].lattice
    days = np.append(weights["day"][:-1] * (day.ends - day.starts), weights["day"][-1])
    assert days.sum() == pytest.approx(184)  # July to December
    assert asked_weights(SCHEMA, {"age": 35})["age"].tolist() == [0, 0, 0, 1, *[0] * 6]
    assert asked_weights(SCHEMA, {"age": (None, None)})["age"].tolist() == [1] * 10


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"age": (40, 20)}, "no values from 40 to 20"),
        ({"age": (100, 120)}, "no values from"),
        ({"age": (1, 2, 3)}, "got 3 values"),
        ({"age": ("old", 20)}, "'old' is no bound"),
        ({"zip": 1}, "'zip'"),
    ],
)
def test_impossible_questions_are_refused(where: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        asked_weights(SCHEMA, where)
