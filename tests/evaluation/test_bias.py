from __future__ import annotations

import math

import pandas as pd
import pytest
from evaluation.five import five
from evaluation.people import SCHEMA, people, shuffled

from dpsynth.errors import ConfigurationError, DataError
from dpsynth.evaluation.bias import bias, smallest_group
from dpsynth.evaluation.results import CONFIDENTIAL, PUBLIC
from dpsynth.evaluation.tables import Tables


def test_results_come_in_order_and_say_who_may_see_them() -> None:
    results = bias(five()["sample"], target="class", protected=("town", "age"), noise=5.0, quick=True)
    assert [result.name for result in results] == [
        "group_shares",
        "group_pair_shares",
        "majority_shift",
        "fidelity_by_group",
        "outcome_association",
        "selection_rate_gap",
        "true_positive_rate_gap",
        "false_positive_rate_gap",
        "calibration_gap",
        "smallest_reliable_group",
    ]
    assert {result.family for result in results} == {"bias"}
    assert all(result.disclosure == CONFIDENTIAL for result in results[:-1])
    assert results[-1].disclosure == PUBLIC
    without = bias(five()["sample"], target=None, protected=["town"], quick=True)
    assert len(without) == 5
    nobody = bias(five()["sample"], target="class", protected=[], noise=1.0)
    assert [result.name for result in nobody] == ["smallest_reliable_group"]
    assert [one.name for one in bias(five()["sample"], target=None, protected="town")] == [
        one.name for one in without
    ]


def test_nothing_depends_on_the_order_of_rows_and_frames_stay() -> None:
    real, synthetic, test = people(300), people(300, seed=1), people(200, seed=2)
    before = real.copy(deep=True)
    plain = bias(
        Tables.read(real, synthetic, SCHEMA, holdout=test), target="class", protected=["town", "owner"]
    )
    other = bias(
        Tables.read(shuffled(real), shuffled(synthetic), SCHEMA, holdout=shuffled(test)),
        target="class",
        protected=["town", "owner"],
    )
    assert [result.to_json() for result in plain] == [result.to_json() for result in other]
    pd.testing.assert_frame_equal(real, before)


def test_the_smallest_reliable_group_is_public_and_grows_with_noise_and_cells() -> None:
    assert smallest_group(10.0) == pytest.approx(196)
    assert smallest_group(10.0, cells=4) == pytest.approx(392)
    one, other = (
        bias(
            Tables.read(people(50, seed=s), people(60, seed=s), SCHEMA),
            target=None,
            protected=["town", "age"],
            noise=10,
        )
        for s in (0, 1)
    )
    assert one[-1].to_json() == other[-1].to_json()
    parts = {part.label: part.value for part in one[-1].parts}
    assert parts["town",] == one[-1].value == pytest.approx(196)
    assert parts["age",] > parts["town",]
    assert parts["town", "summed over age"] > parts["age",]
    unknown = bias(five()["sample"], target=None, protected=[])[0]
    assert math.isnan(unknown.value)
    assert "not known" in unknown.note


def test_wrong_arguments_are_refused_by_name() -> None:
    tables = five()["sample"]
    with pytest.raises(DataError, match="no column 'height'"):
        bias(tables, target="class", protected=["height"])
    with pytest.raises(DataError, match="no column 'weight'"):
        bias(tables, target="weight", protected=["town"])
    with pytest.raises(ConfigurationError, match="'town' is both"):
        bias(tables, target="town", protected=["town"])
    with pytest.raises(ConfigurationError, match="noise"):
        bias(tables, target=None, protected=["town"], noise=-1.0)
