from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from evaluation.people import SCHEMA, people

import dpsynth
from dpsynth.errors import ConfigurationError, DataError
from dpsynth.evaluation.mitigation import balanced, raked, reweighted


def shares(frame: pd.DataFrame, column: str) -> dict[object, float]:
    return frame[column].value_counts(normalize=True, dropna=False).to_dict()


def test_rows_are_resampled_to_target_shares() -> None:
    frame = people(2000)
    before = frame.copy(deep=True)
    targets = {"town": {"north": 0.5, "south": 0.1}, "owner": {True: 0.5, False: 0.5}}
    found = reweighted(frame, targets, rng=1)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(found, reweighted(frame, targets, rng=1))
    assert list(found.columns) == list(frame.columns)
    assert (found.dtypes == frame.dtypes).all()
    assert len(found) == len(frame)
    town, owner = shares(found, "town"), shares(found, "owner")
    assert town["north"] == pytest.approx(0.5, abs=0.02)
    assert town["south"] == pytest.approx(0.1, abs=0.02)
    assert owner[True] == pytest.approx(0.5, abs=0.02)
    # What is not listed keeps its own proportions, missing values too.
    own = shares(frame, "town")
    assert found["town"].isna().mean() / town["east"] == pytest.approx(
        frame["town"].isna().mean() / own["east"], rel=0.25
    )
    assert reweighted(frame, {"town": {"north": 0.0}})["town"].ne("north").all()


def test_a_single_column_is_exact_but_for_rounding() -> None:
    frame = people(1000)
    found = reweighted(frame, {"class": {"low": 0.25, "high": 0.75}}, rng=np.random.default_rng(0))
    assert shares(found, "class")["low"] == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    ("targets", "error", "words"),
    [
        ({}, ConfigurationError, "at least one column"),
        ({"town": {}}, ConfigurationError, "at least one column"),
        ({"town": {"north": 0.8, "east": 0.4}}, ConfigurationError, "'town': expected shares that sum"),
        ({"town": {"north": -0.1}}, ConfigurationError, "every share of 'town'"),
        ({"town": {"west": 0.5}}, ConfigurationError, "no row has the value 'west'"),
        ({"class": {"low": 0.2, "high": 0.2}}, ConfigurationError, "no other values for the rest"),
        ({"height": {1: 1.0}}, DataError, "no column 'height'"),
    ],
)
def test_wrong_targets_are_refused(targets: dict, error: type[Exception], words: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(error, match=words):
        reweighted(people(300), targets)


def test_targets_that_contradict_the_rows_are_refused() -> None:
    frame = pd.DataFrame({"a": ["x", "x", "y", "y"], "b": ["p", "p", "q", "q"]})
    with pytest.raises(ConfigurationError, match="No weights give all"):
        reweighted(frame, {"a": {"x": 0.9, "y": 0.1}, "b": {"p": 0.1, "q": 0.9}})
    with pytest.raises(DataError, match="no rows"):
        reweighted(frame[:0], {"a": {"x": 1.0}})


def test_raked_weights_keep_what_targets_leave_open() -> None:
    weights = np.array([0.4, 0.1, 0.2, 0.3])  # rows (0, 0), (0, 1), (1, 0), (1, 1)
    first, second = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    found = raked(weights, [first, second], [np.array([0.7, 0.3]), np.array([0.5, 0.5])], ["a", "b"])
    np.testing.assert_allclose(np.bincount(first, weights=found), [0.7, 0.3])
    np.testing.assert_allclose(np.bincount(second, weights=found), [0.5, 0.5])
    odds = [one[0] * one[3] / one[1] / one[2] for one in (weights, found)]
    assert odds[0] == pytest.approx(odds[1])


def test_models_draw_new_rows_with_target_shares(tmp_path: object) -> None:
    source = f"{tmp_path}/people.csv"
    people(2000).to_csv(source, index=False)
    model = dpsynth.synthesize(source, schema=SCHEMA, epsilon=50.0, delta=1e-6, method="mst", rng=0).model
    targets = {"class": {"low": 0.5, "high": 0.5}, "town": {"north": 0.2}}
    found = balanced(model, 1000, targets, rng=1)
    assert found.guarantee == model.guarantee
    assert list(found.frame.columns) == list(SCHEMA.names)
    assert len(found.frame) == 1000
    assert shares(found.frame, "class")["low"] == pytest.approx(0.5, abs=0.01)
    assert shares(found.frame, "town")["north"] == pytest.approx(0.2, abs=0.01)
    pd.testing.assert_frame_equal(found.frame, balanced(model, 1000, targets, rng=1).frame)
    # All else follows: who is rich is still old.
    ages = found.frame.groupby("class", observed=True)["age"].mean()
    assert ages["high"] > ages["low"] + 10
    with pytest.raises(ConfigurationError, match="columns of categories, got 'age'"):
        balanced(model, 10, {"age": {30: 1.0}})
    with pytest.raises(ConfigurationError, match="rows"):
        balanced(model, 0, targets)
