from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from evaluation.people import SCHEMA, independent, people, shuffled, uniform

from dpsynth import Categorical, Schema
from dpsynth.evaluation.neighbours import Nearness, nearest_neighbours
from dpsynth.evaluation.results import CONFIDENTIAL
from dpsynth.evaluation.tables import Tables

REAL, HOLDOUT = people(600), people(600, seed=1)


def closer(synthetic: pd.DataFrame, *, real: pd.DataFrame = REAL, holdout: pd.DataFrame = HOLDOUT) -> float:
    return nearest_neighbours(Tables.read(real, synthetic, SCHEMA, holdout=holdout))[0].value


def test_anchors_are_in_order() -> None:
    assert closer(REAL) == pytest.approx(1.0, abs=0.02)
    assert closer(HOLDOUT) == pytest.approx(0.0, abs=0.02)
    for synthetic in (people(600, seed=2), independent(HOLDOUT), uniform(600)):
        assert closer(synthetic) == pytest.approx(0.5, abs=0.08)
    assert closer(shuffled(REAL)) == closer(REAL)


def test_half_a_copy_is_seen_and_the_interval_excludes_one_half() -> None:
    half = pd.concat([REAL[:300], people(300, seed=2)])
    found = nearest_neighbours(Tables.read(REAL, half, SCHEMA, holdout=HOLDOUT))[0]
    assert found.interval is not None
    assert 0.5 < found.interval[0] < found.value < found.interval[1] < 1
    assert found.ceiling == 0.5
    assert found.disclosure == CONFIDENTIAL
    assert "never a proof" in found.note


def test_sizes_are_made_equal() -> None:
    """Against four times as many training rows an innocent table looks like a copy: 0.8 instead of 0.5."""
    value = closer(people(600, seed=3), real=people(2400), holdout=HOLDOUT)
    assert value == pytest.approx(0.5, abs=0.08)
    assert closer(people(600, seed=3), real=REAL, holdout=people(2400)) == pytest.approx(0.5, abs=0.08)


def test_ties_count_half() -> None:
    """Others count them for the holdout: in coarse tables nearly everything then looks safe."""
    schema = Schema(
        name="s",
        columns=(Categorical(name="a", categories=("x", "y")), Categorical(name="b", categories=(1, 2))),
    )
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame({"a": rng.choice(["x", "y"], 200), "b": rng.integers(1, 3, 200)}) for _ in range(3)
    ]
    found = nearest_neighbours(Tables.read(frames[0], frames[1], schema, holdout=frames[2]))
    assert found[0].value == 0.5
    assert {part.label: part.value for part in found[0].parts}["ties",] == 1.0
    # Where most real rows have twins the distance is 0, and a ratio to it would be nothing.
    assert (found[1].value, found[1].ceiling) == (0.0, 0.0)


def test_distances_are_beside_those_of_the_holdout() -> None:
    copy = nearest_neighbours(Tables.read(REAL, REAL, SCHEMA, holdout=HOLDOUT))[1]
    sample = nearest_neighbours(Tables.read(REAL, people(600, seed=2), SCHEMA, holdout=HOLDOUT))[1]
    noise = nearest_neighbours(Tables.read(REAL, uniform(600), SCHEMA, holdout=HOLDOUT))[1]
    assert copy.value == 0 < sample.value < noise.value
    assert sample.ceiling == pytest.approx(sample.value, rel=0.15)


def test_nothing_depends_on_the_order_of_rows() -> None:
    frames = REAL, people(500, seed=2), HOLDOUT[:400]
    before = [frame.copy(deep=True) for frame in frames]
    plain = nearest_neighbours(Tables.read(frames[0], frames[1], SCHEMA, holdout=frames[2]))
    mixed = [shuffled(frame, seed=5) for frame in frames]
    again = nearest_neighbours(Tables.read(mixed[0], mixed[1], SCHEMA, holdout=mixed[2]))
    for one, other in zip(plain, again, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-12)
        assert one.interval == pytest.approx(other.interval, abs=1e-12)
    for frame, copy in zip(frames, before, strict=True):
        pd.testing.assert_frame_equal(frame, copy)


def test_without_a_holdout_there_is_nothing_to_compare_with() -> None:
    tables = Tables.read(REAL, REAL, SCHEMA)
    assert Nearness.of(tables) is None
    for one in nearest_neighbours(tables):
        assert math.isnan(one.value)
        assert "holdout" in one.note


def test_a_quick_look_draws_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpsynth.evaluation.neighbours.QUICK_ROWS", 100)
    tables = Tables.read(REAL, people(500, seed=2), SCHEMA, holdout=HOLDOUT)
    found, again = (nearest_neighbours(tables, quick=True)[0] for _ in range(2))
    assert found == again
    assert found.rows == 100
