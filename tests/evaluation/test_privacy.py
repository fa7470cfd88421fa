from __future__ import annotations

import math
import subprocess
import sys

import pandas as pd
import pytest
from evaluation.people import SCHEMA, people, shuffled
from evaluation.surveys import released

from dpsynth.errors import ConfigurationError, DataError
from dpsynth.evaluation.privacy import privacy
from dpsynth.evaluation.results import Evaluation
from dpsynth.evaluation.tables import Tables

ORDER = [
    "certified_advantage",
    "certified_tpr_1",
    "certified_tpr_01",
    "certified_auc",
    "membership_cliques_auc",
    "membership_cliques_advantage",
    "membership_cliques_tpr_1",
    "membership_distance_auc",
    "membership_distance_advantage",
    "membership_distance_tpr_1",
    "membership_density_auc",
    "membership_density_advantage",
    "membership_density_tpr_1",
    "attribute_inference_q3",
    "exact_match",
    "exact_match_excess",
    "closer_to_training",
    "nearest_distance",
]


def test_what_is_certified_comes_first_and_alone_is_public() -> None:
    tables, fitted = released("mst", 1.0, seed=0)
    found = privacy(
        tables, guarantee=fitted.guarantee, transcript=fitted.transcript, sensitive=("q3",), quick=True
    )
    assert [one.name for one in found] == ORDER
    assert all(not math.isnan(one.value) for one in found)
    evaluation = Evaluation(title="survey", results=found)
    assert [one.name for one in evaluation.publishable().results] == ORDER[:4]
    assert evaluation.disclosure.kind == "confidential"
    evaluation.to_json()
    for one in found[4:13]:
        assert one.parts[0].label == ("certified limit",)
        assert one.interval is not None
        assert one.interval[0] <= one.parts[0].value


def test_nothing_depends_on_the_order_of_rows_and_frames_stay() -> None:
    frames = [people(200, seed=seed) for seed in range(3)]
    before = [frame.copy(deep=True) for frame in frames]
    mixed = [shuffled(frame, seed=9) for frame in frames]
    plain, again = (
        privacy(Tables.read(real, synthetic, SCHEMA, holdout=holdout), sensitive=("class",), quick=True)
        for real, synthetic, holdout in (frames, mixed)
    )
    assert {one.name: one.value for one in plain} == pytest.approx(
        {one.name: one.value for one in again}, nan_ok=True
    )
    for frame, copy in zip(frames, before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


def test_odd_tables_are_no_errors() -> None:
    frame = people(40)
    odd = frame.assign(income=None, town="south", age=30)
    for synthetic in (odd, frame[:1]):
        for real in (odd, frame):
            found = privacy(Tables.read(real, synthetic, SCHEMA, holdout=odd), sensitive=("town", "income"))
            assert all(one.note for one in found)
    assert all(one.note for one in privacy(Tables.read(frame, frame, SCHEMA)))


def test_wrong_columns_are_refused_by_name() -> None:
    tables = Tables.read(people(20), people(20), SCHEMA)
    with pytest.raises(DataError, match="height"):
        privacy(tables, sensitive=("height",))
    with pytest.raises(ConfigurationError, match="several column names"):
        privacy(tables, sensitive="class")


def test_importing_loads_nothing_heavy() -> None:
    script = (
        "import sys, dpsynth.evaluation.privacy; print([m for m in ('sklearn', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
