from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from evaluation.five import five
from evaluation.people import SCHEMA, people, shuffled

from dpsynth import Schema
from dpsynth.errors import ConfigurationError, DataError
from dpsynth.evaluation.results import CONFIDENTIAL, Result
from dpsynth.evaluation.splits import Target, split
from dpsynth.evaluation.tables import Tables
from dpsynth.evaluation.utility import train_and_test, utility


def by_name(results: tuple[Result, ...]) -> dict[str, Result]:
    return {result.name: result for result in results}


@pytest.mark.parametrize(("target", "measure"), [("class", "AUC"), ("town", "AUC"), ("income", "R^2")])
def test_anchors_are_in_order(target: str, measure: str) -> None:
    found = {name: by_name(utility(one, target=target, quick=True)) for name, one in five().items()}
    names = [name for name in found["copy"] if name.startswith("tstr_")]
    assert len(names) == 3
    for name in names:
        value = {table: results[name].value for table, results in found.items()}
        result = found["sample"][name]
        assert result.ceiling is not None
        assert result.floor is not None
        assert value["copy"] == value["shuffled"] == result.ceiling
        assert value["sample"] == pytest.approx(value["copy"], abs=0.08)
        assert value["sample"] > max(value["independent"], value["uniform"]) + 0.2
        assert value["independent"] == pytest.approx(result.floor, abs=0.2)
        assert result.interval is not None
        assert result.interval[0] < result.value < result.interval[1]
        assert measure in result.title
        assert result.disclosure == CONFIDENTIAL
    for name in ("prediction_agreement", "prediction_kappa", "importance_agreement"):
        value = {table: results[name].value for table, results in found.items()}
        assert value["copy"] == value["shuffled"] == pytest.approx(1)
        assert value["copy"] >= value["sample"] > value["independent"]
        assert value["sample"] > value["uniform"]
        assert found["sample"][name].ceiling is not None


def test_nothing_depends_on_the_order_of_rows() -> None:
    real, synthetic, test = people(300), people(300, seed=1), people(200, seed=2)
    plain = utility(Tables.read(real, synthetic, SCHEMA, holdout=test), target="class", quick=True)
    other = utility(
        Tables.read(shuffled(real), shuffled(synthetic), SCHEMA, holdout=shuffled(test)),
        target="class",
        quick=True,
    )
    assert [result.to_json() for result in plain] == [result.to_json() for result in other]


def test_all_four_corners_are_there_and_models_do_not_see_their_test_rows() -> None:
    tables = five()["sample"]
    target = Target.of(tables, "class")
    result, _ = train_and_test(tables, target, split(tables), "forest")
    corners = {part.label: part.value for part in result.parts}
    assert len(corners) == 4
    assert corners["train synthetic", "test real"] == result.value
    assert corners["train real", "test real"] == result.ceiling
    # A forest knows rows that it was trained on: were they tested, the area would be nearly 1.
    assert corners["train synthetic", "test synthetic"] == pytest.approx(result.value, abs=0.05)


def test_frames_stay_as_they_are() -> None:
    """Others add a column of labels to the caller's frames."""
    frames = people(200), people(200, seed=1), people(100, seed=2)
    before = [frame.copy(deep=True) for frame in frames]
    tables = Tables.read(frames[0], frames[1], SCHEMA, holdout=frames[2])
    codes = [rows.codes.copy() for rows in (tables.real, tables.synthetic)]
    utility(tables, target="class", epsilon=1.0, quick=True)
    for frame, kept in zip(frames, before, strict=True):
        pd.testing.assert_frame_equal(frame, kept)
    for rows, kept_codes in zip((tables.real, tables.synthetic), codes, strict=True):
        np.testing.assert_array_equal(rows.codes, kept_codes)


def test_a_holdout_without_some_category_changes_nothing_about_other_rows() -> None:
    """Encoders that are fitted separately to training and test rows mistake one category for another."""
    real, test = people(600), people(600, seed=2)
    east = test[test["town"] != "north"]
    found = by_name(utility(Tables.read(real, real, SCHEMA, holdout=east), target="class", quick=True))
    assert found["tstr_logistic"].value > 0.75
    assert found["tstr_logistic"].value == found["tstr_logistic"].ceiling


def test_without_a_holdout_the_note_says_so() -> None:
    results = by_name(utility(five(holdout=False)["sample"], target="class", quick=True))
    for name in ("tstr_logistic", "prediction_agreement", "importance_agreement"):
        assert "may have seen" in results[name].note
        assert results[name].value > 0.5


def test_odd_data_gives_nan_and_a_note() -> None:
    real = people(150)
    low = real.assign(**{"class": "low"})
    one = by_name(
        utility(Tables.read(real, real, SCHEMA, holdout=low), target="class", epsilon=1, quick=True)
    )
    assert math.isnan(one["tstr_forest"].value)
    assert "one class" in one["tstr_forest"].note
    assert math.isnan(one["direct_dp_logistic"].value)
    nothing = by_name(utility(Tables.read(real, low, SCHEMA, holdout=real), target="class", quick=True))
    assert nothing["tstr_forest"].value == 0.5
    assert "nothing is to be learnt" in nothing["tstr_forest"].note
    assert nothing["importance_agreement"].value == 0
    for everywhere in ("class", "income", "town"):
        empty = real.astype(object).assign(**{everywhere: None})
        results = by_name(
            utility(Tables.read(empty, empty, SCHEMA), target=everywhere, epsilon=1, quick=True)
        )
        for name, result in results.items():
            if name.startswith(("tstr", "prediction", "importance", "direct")):
                assert math.isnan(result.value), name
                assert result.note


def test_counts_alone_without_a_target() -> None:
    names = [result.name for result in utility(five()["sample"], target=None, quick=True)]
    assert names == ["query_error_mean", "query_error_p95"]


def test_one_column_and_tiny_tables() -> None:
    schema = Schema(columns=(SCHEMA.columns[4],))
    real = people(5)
    for result in utility(Tables.read(real, real, schema), target="class", epsilon=1, quick=True):
        assert isinstance(result.value, float)


def test_wrong_arguments_are_refused_by_name() -> None:
    with pytest.raises(DataError, match="no column 'height'"):
        utility(five()["sample"], target="height")
    with pytest.raises(ConfigurationError, match="epsilon"):
        utility(five()["sample"], target="class", epsilon=0.0, quick=True)
