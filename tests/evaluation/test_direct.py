from __future__ import annotations

import math

import numpy as np
import pytest
from evaluation.five import five
from evaluation.people import SCHEMA, people

from dpsynth import Integer, Schema
from dpsynth.evaluation.direct import direct, public_codes
from dpsynth.evaluation.results import CONFIDENTIAL
from dpsynth.evaluation.splits import Target, split
from dpsynth.evaluation.tables import Tables


@pytest.mark.parametrize("name", ["class", "town"])
def test_more_budget_gives_better_models(name: str) -> None:
    tables = five()["sample"]
    target = Target.of(tables, name)
    found = {eps: direct(tables, target, split(tables), epsilon=eps) for eps in (0.001, 100.0)}
    assert [result.name for result in found[100.0]] == ["direct_dp_logistic", "direct_dp_naive_bayes"]
    for poor, rich in zip(*found.values(), strict=True):
        assert rich.value > poor.value + 0.1
        assert rich.value > 0.7
        assert rich.disclosure == CONFIDENTIAL
        assert "no seed" in rich.note
        assert rich.seed is None
        assert len(rich.parts) == (5 if name == "class" else 3)


def test_codes_follow_from_the_schema_and_never_from_the_rows() -> None:
    young = people(200).assign(age=20)
    one, other = (Tables.read(real, people(50), SCHEMA) for real in (people(200), young))
    for place in range(5):
        codes = [public_codes(tables, place, tables.synthetic) for tables in (one, other)]
        np.testing.assert_array_equal(codes[0][0], codes[1][0])
        assert codes[0][1] == codes[1][1]
        assert codes[0][0].min() >= 0
        assert codes[0][0].max() < codes[0][1]
    assert public_codes(one, 0, one.real)[1] == 8 + 2


def test_no_model_without_public_bounds_or_classes() -> None:
    tables = five()["sample"]
    for result in direct(tables, Target.of(tables, "income"), split(tables), epsilon=1):
        assert math.isnan(result.value)
        assert "classes only" in result.note
    unknown = Schema(columns=(Integer(name="age"), *SCHEMA.columns[1:]))
    tables = Tables.read(people(100), people(100, seed=1), unknown)
    for result in direct(tables, Target.of(tables, "class"), split(tables), epsilon=1):
        assert math.isnan(result.value)
        assert "'age'" in result.note
