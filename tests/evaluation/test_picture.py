from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from evaluation.anchored import NUMBERS, anchored, five, odd, two_numbers, unordered
from evaluation.people import SCHEMA, people, shuffled

from dpsynth.evaluation.anchors import Anchors
from dpsynth.evaluation.fidelity import fidelity
from dpsynth.evaluation.picture import picture, picture_distance, picture_result
from dpsynth.evaluation.tables import Tables


def test_the_anchors_are_in_order() -> None:
    found = five(lambda tables: picture_distance(tables).value)
    assert found["copy"] == found["shuffled"] == 0
    assert 0 < found["sample"] < found["independent"] < found["uniform"]


def test_a_picture_counts_all_rows_and_shows_none() -> None:
    tables = Tables.read(people(500), people(300, seed=1), SCHEMA)
    found = picture(tables)
    assert found is not None
    real, synthetic = np.array(found.real), np.array(found.synthetic)
    assert real.shape == synthetic.shape == (24, 24)
    assert (real.sum(), synthetic.sum()) == (500, 300)
    assert len(found.horizontal) == len(found.vertical) == 25
    assert np.all(np.diff(found.horizontal) > 0)
    assert 1 > found.explained[0] > found.explained[1] > 0
    for axis in found.axes:
        assert set(axis) == set(tables.columns)
        assert sum(axis.values()) == pytest.approx(1)
    assert str(found.disclosure) == "CONFIDENTIAL"


def test_the_axes_are_those_of_the_real_rows() -> None:
    """Axes that are fitted to each table apart show a mirrored table as the same."""
    real = two_numbers(0.9)
    mirrored = real.assign(second=-real["second"])
    assert picture_distance(Tables.read(real, mirrored, NUMBERS)).value > 0.5
    both = [picture(Tables.read(real, frame, NUMBERS)) for frame in (real, mirrored)]
    assert both[0] is not None
    assert both[1] is not None
    assert both[0].horizontal == both[1].horizontal
    assert both[0].real == both[1].real


def test_the_gap_is_not_a_mean_over_axes() -> None:
    """A shift that raises one axis and lowers the other leaves their mean where it was."""
    rng = np.random.default_rng(0)
    real = pd.DataFrame(rng.normal(size=(800, 2)).round(3), columns=["first", "second"])
    moved = real.assign(first=real["first"] + 0.8, second=real["second"] - 0.8)
    again = pd.DataFrame(rng.normal(size=(800, 2)).round(3), columns=["first", "second"])
    near, far = (picture_distance(Tables.read(real, frame, NUMBERS)).value for frame in (again, moved))
    assert far > near + 0.1


def test_the_order_of_rows_means_nothing() -> None:
    first, second = unordered(lambda tables: picture_distance(tables).value)
    assert first == pytest.approx(second, abs=1e-9)
    real = people(400)
    found = [picture(Tables.read(frame, real, SCHEMA)) for frame in (real, shuffled(real))]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].real == found[1].real
    assert found[0].horizontal == pytest.approx(found[1].horizontal)


def test_the_result_comes_with_yardsticks() -> None:
    found = picture_result(Anchors.of(anchored()["sample"]))
    assert found.name == "picture_distance"
    assert found.ceiling is not None
    assert found.floor is not None
    assert found.ceiling < found.floor


@pytest.mark.parametrize("name", odd())
def test_odd_tables_have_a_picture_or_say_why(name: str) -> None:
    tables = odd()[name]
    found = picture_result(Anchors.of(tables))
    assert math.isfinite(found.value) or "Not defined" in found.note
    assert (picture(tables) is None) == math.isnan(found.value)


def test_all_results_have_names_of_their_own_and_repeat() -> None:
    pytest.importorskip("sklearn")
    real, synthetic = people(250), people(200, seed=1)
    before = real.copy(deep=True), synthetic.copy(deep=True)
    first, second = (
        fidelity(Anchors.of(Tables.read(real, synthetic, SCHEMA, seed=3)), quick=True) for _ in range(2)
    )
    names = [result.name for result in first]
    assert len(set(names)) == len(names) == 23
    assert [result.to_json() for result in first] == [result.to_json() for result in second]
    assert all(result.family == "fidelity" and str(result.disclosure) == "CONFIDENTIAL" for result in first)
    pd.testing.assert_frame_equal(real, before[0])
    pd.testing.assert_frame_equal(synthetic, before[1])
