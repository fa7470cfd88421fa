from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from evaluation.anchored import NUMBERS, anchored, five, letters, odd, two_numbers, unordered
from evaluation.people import SCHEMA, people

from dpsynth.evaluation import columns as subject
from dpsynth.evaluation.anchors import Anchors
from dpsynth.evaluation.columns import columns
from dpsynth.evaluation.tables import Tables

LOWER = [subject.wasserstein, subject.mean_gap, subject.quantile_gap]
SHARES = [subject.missing_gap, subject.new_values, subject.lost_values]


@pytest.mark.parametrize("metric", LOWER)
def test_the_anchors_are_in_order(metric: object) -> None:
    found = five(lambda tables: metric(tables).value)  # type: ignore[operator]
    for name in ("copy", "shuffled", "independent"):
        assert found[name] == pytest.approx(0, abs=1e-12)
    assert 0 < found["sample"] < found["uniform"]


def test_histograms_are_in_order() -> None:
    found = five(lambda tables: subject.histogram_similarity(tables).value)
    assert found["copy"] == found["shuffled"] == found["independent"] == 1
    assert 1 > found["sample"] > found["uniform"]


def test_shares_of_values_are_in_order() -> None:
    found = five(lambda tables: subject.missing_gap(tables).value)
    assert (
        found["copy"] == found["shuffled"] == found["independent"] == 0 < found["sample"] < found["uniform"]
    )
    for metric in SHARES[1:]:
        assert set(five(lambda tables, metric=metric: metric(tables).value).values()) == {0}


@pytest.mark.parametrize("metric", [subject.histogram_similarity, *LOWER, *SHARES])
def test_the_order_of_rows_means_nothing(metric: object) -> None:
    """Distances between vectors that are aligned by rows change when rows are shuffled; ours must not."""
    first, second = unordered(lambda tables: metric(tables).value)  # type: ignore[operator]
    assert first == pytest.approx(second, rel=1e-12)


def test_numbers_are_those_of_the_definition() -> None:
    real = two_numbers(0.5)
    synthetic = real.assign(second=real["second"] + 0.3)
    tables = Tables.read(real, synthetic, NUMBERS)
    spread, width = real["second"].std(ddof=0), np.subtract(*real["second"].quantile([0.95, 0.05]))
    assert subject.wasserstein(tables).parts == pytest.approx({("first",): 0, ("second",): 0.3 / width})
    assert subject.mean_gap(tables).parts["second",] == pytest.approx(0.3 / spread)
    gaps = subject.quantile_gap(tables).parts
    assert len(gaps) == 6
    assert gaps["second", "95% quantile"] == pytest.approx(0.3 / spread)
    assert gaps["first", "50% quantile"] == 0


def test_mostly_zero_columns_are_measured_by_their_whole_range() -> None:
    real = pd.DataFrame({"first": [0.0] * 97 + [1.0, 2.0, 4.0], "second": 1.0})
    tables = Tables.read(real, real.assign(first=real["first"] + 1), NUMBERS)
    assert subject.wasserstein(tables).parts == pytest.approx({("first",): 0.25})


def test_missing_new_and_lost_values_are_shares() -> None:
    schema = letters(a=4, b=2)
    real = pd.DataFrame({"a": [0, 0, 1, 2], "b": [0, 1, 0, 1]})
    synthetic = pd.DataFrame({"a": [0, 3, 3, None], "b": [0, 1, None, None]}, dtype=object)
    tables = Tables.read(real, synthetic, schema)
    assert subject.missing_gap(tables).parts == {("a",): 0.25, ("b",): 0.5}
    assert subject.missing_gap(tables).value == 0.5
    assert subject.new_values(tables).parts == pytest.approx({("a",): 2 / 3, ("b",): 0})
    assert subject.lost_values(tables).parts == pytest.approx({("a",): 0.5, ("b",): 0})


def test_the_results_have_a_ceiling_and_no_floor() -> None:
    found = columns(Anchors.of(anchored()["sample"]))
    assert [result.name for result in found] == [
        "histogram_similarity",
        "wasserstein",
        "mean_gap",
        "quantile_gap",
        "missing_gap",
        "new_values",
        "lost_values",
    ]
    assert all(result.floor is None and result.ceiling is not None for result in found)
    assert found[0].better == "higher"
    assert found[0].parts[0].value == min(part.value for part in found[0].parts)
    assert found[1].parts[0].value == max(part.value for part in found[1].parts)


@pytest.mark.parametrize("name", odd())
def test_odd_tables_have_scores_or_say_why(name: str) -> None:
    for result in columns(Anchors.of(odd()[name])):
        assert math.isfinite(result.value) or "Not defined here" in result.note


def test_frames_are_left_as_they_are() -> None:
    real, synthetic = people(100), people(100, seed=1)
    before = real.copy(deep=True), synthetic.copy(deep=True)
    columns(Anchors.of(Tables.read(real, synthetic, SCHEMA)))
    pd.testing.assert_frame_equal(real, before[0])
    pd.testing.assert_frame_equal(synthetic, before[1])
