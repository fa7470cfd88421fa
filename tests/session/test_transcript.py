from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dpsynth._archive import read_archive, write_archive
from dpsynth.errors import ReplayError, StorageError
from dpsynth.mechanisms import GaussianMechanism, Marginal
from dpsynth.mechanisms.base import Measurement
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session import Replay, Transcript


def mechanism(column: str = "colour", mu: float = 0.25) -> GaussianMechanism:
    return GaussianMechanism(queries=(Marginal(columns=(column,)),), mus=(mu,))


@pytest.fixture
def transcript(schema: Schema) -> Transcript:
    answer = np.array([5, 2, -1, 7], dtype=np.int64)
    measurement = Measurement(
        mechanism=mechanism().describe(), event=mechanism().event(), values=(answer,), sigmas=(4.0,)
    )
    return Transcript(
        schema=schema, budget=Budget(epsilon=1.0, delta=1e-6), measurements=(measurement,), tainted=False
    )


def test_round_trip(transcript: Transcript, tmp_path: Path) -> None:
    transcript.save(tmp_path / "t.zip")
    again = Transcript.load(tmp_path / "t.zip")
    assert again.schema == transcript.schema
    assert again.budget == transcript.budget
    assert again.tainted is False
    (measurement,) = again.measurements
    assert measurement.values[0].tolist() == [5, 2, -1, 7]
    assert measurement.sigmas == (4.0,)
    assert measurement.event == mechanism().event()
    assert Replay(again).measure(mechanism()).values[0].tolist() == [5, 2, -1, 7]


def test_replay_answers_what_was_asked_in_order(transcript: Transcript) -> None:
    replay = Replay(transcript)
    assert replay.schema is transcript.schema
    assert replay.budget is transcript.budget
    assert replay.select(mechanism()) == 5
    with pytest.raises(ReplayError, match="nothing more"):
        replay.measure(mechanism())


@pytest.mark.parametrize("other", [mechanism("age"), mechanism(mu=0.26)])
def test_replay_refuses_another_question(transcript: Transcript, other: GaussianMechanism) -> None:
    with pytest.raises(ReplayError, match="something else"):
        Replay(transcript).measure(other)


def test_what_is_no_transcript_is_refused(transcript: Transcript, tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    transcript.save(path)
    header, arrays = read_archive(path, kind="dpsynth-transcript/1")
    for broken in ({}, header | {"budget": {"money": 1}}, header | {"measurements": [{}]}):
        write_archive(path, kind="dpsynth-transcript/1", header=broken, arrays=arrays)
        with pytest.raises(StorageError):
            Transcript.load(path)
    write_archive(path, kind="dpsynth-transcript/1", header=header, arrays={})
    with pytest.raises(StorageError):
        Transcript.load(path)


def test_taint_is_kept(transcript: Transcript, tmp_path: Path) -> None:
    replace(transcript, tainted=True).save(tmp_path / "t.zip")
    assert Transcript.load(tmp_path / "t.zip").tainted
