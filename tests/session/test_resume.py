"""Runs that are killed at every place (SIGKILL, another process) and continued from their checkpoint.

Whatever happens: one price in the ledger, no draw twice, and a model that follows from the transcript.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema
from dpsynth.session import Transcript

TESTS = Path(__file__).resolve().parents[1]
LEDGER = "dpsynth.ledger:Ledger"
CHECKPOINT = "dpsynth.session.checkpoint"
ARCHIVE = "dpsynth._archive"
GAUSSIAN = "dpsynth.mechanisms:GaussianMechanism"
TRAINING = "dpsynth.mechanisms:DpSgd"
SCORES = "dpsynth.mechanisms:ScoreHistogram"

Place = tuple[str, str, int, str]
Live = Callable[..., int]


@pytest.fixture(scope="module")
def mortals() -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    command = [sys.executable, str(TESTS / "session" / "mortal.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def live(
    mortals: subprocess.Popen[str], tmp_path: Path, frame: pd.DataFrame, schema: Schema
) -> Callable[..., int]:
    frame.to_parquet(tmp_path / "people.parquet")
    schema.save(tmp_path / "schema.json")

    def one(method: str, *die: Place) -> int:
        assert mortals.stdin is not None
        assert mortals.stdout is not None
        job = {"folder": str(tmp_path), "method": method, "die": die}
        mortals.stdin.write(json.dumps(job) + "\n")
        mortals.stdin.flush()
        return int(mortals.stdout.readline())

    return one


def outcome(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "outcome.json").read_text())


def book(folder: Path) -> tuple[float, list[str]]:
    """What was spent, and the kinds of entries; the ledger is sound and has one run."""
    with Ledger.open(folder / "ledger.db", create=False) as ledger:
        assert ledger.verify().ok
        (account,) = ledger.statement("people")
        assert len(account.runs) == 1
        return account.spent.epsilon or 0.0, [entry.content["kind"] for entry in ledger.entries()]


def assert_finished(folder: Path, *, steps: int, lost: int) -> None:
    found = outcome(folder)
    assert "refused" not in found, found
    assert found["equal"]
    assert found["holds"]
    spent, kinds = book(folder)
    assert spent == pytest.approx(found["epsilon"], abs=2e-9)  # once
    assert kinds.count("reserve") == kinds.count("commit") == 1
    assert kinds.count("draw") == steps == len(found["labels"])
    assert [label for label in found["labels"] if "lost" in label] == ["training (lost)"] * lost
    transcript = Transcript.load(folder / "transcript.zip")
    assert len(transcript.measurements) == steps
    training = [m for m in transcript.measurements if m.mechanism["type"] == "dp-sgd/1"]
    unmoved = [m for m in training if not any(value.any() for value in m.values[2:])]
    assert len(unmoved) <= lost


# Of `hybrid`: three draws of counts, two rounds of training, a histogram.
FREE: list[Place] = [
    (CHECKPOINT, "write_archive", 1, "before"),
    (CHECKPOINT, "write_archive", 1, "after"),
    (LEDGER, "reserve_once", 1, "after"),
    (CHECKPOINT, "write_archive", 3, "after"),
    (LEDGER, "draw", 5, "before"),
    (CHECKPOINT, "write_archive", 7, "after"),
    (LEDGER, "commit", 1, "after"),
]
LOST_ROUND: list[Place] = [
    (LEDGER, "draw", 4, "after"),
    (TRAINING, "run", 1, "after"),
    (f"{ARCHIVE}:Path", "replace", 6, "before"),  # the record of the second round is written, not in place
]
LOST_COUNTS: list[Place] = [
    (LEDGER, "draw", 1, "after"),
    (GAUSSIAN, "run", 2, "after"),
    (SCORES, "run", 1, "after"),
]


@pytest.mark.parametrize("place", FREE, ids=str)
def test_a_run_killed_between_its_draws_goes_on(live: Live, tmp_path: Path, place: Place) -> None:
    assert live("hybrid", place) == -9
    assert live("hybrid") == 0
    assert_finished(tmp_path, steps=6, lost=0)


@pytest.mark.parametrize("place", LOST_ROUND, ids=str)
def test_a_round_that_was_under_way_is_one_without_an_update(
    live: Live, tmp_path: Path, place: Place
) -> None:
    assert live("hybrid", place) == -9
    assert live("hybrid") == 0
    assert_finished(tmp_path, steps=6, lost=1)


@pytest.mark.parametrize("place", LOST_COUNTS, ids=str)
def test_counts_that_were_under_way_end_the_run(live: Live, tmp_path: Path, place: Place) -> None:
    assert live("hybrid", place) == -9
    spent, kinds = book(tmp_path)
    assert spent > 1.0
    for _ in range(2):
        assert live("hybrid") == 0
        assert "price stays spent" in outcome(tmp_path)["refused"]
        assert book(tmp_path) == (spent, kinds)  # nothing more was reserved or drawn


def test_every_process_of_a_run_may_die(live: Live, tmp_path: Path) -> None:
    assert live("dpvae", (LEDGER, "draw", 3, "before")) == -9
    assert live("dpvae", (TRAINING, "run", 1, "after")) == -9
    assert live("dpvae", (TRAINING, "run", 1, "after")) == -9
    assert live("dpvae", (LEDGER, "commit", 1, "before")) == -9
    assert live("dpvae") == 0
    assert_finished(tmp_path, steps=5, lost=2)


def test_a_method_that_counts_goes_on_as_well(live: Live, tmp_path: Path) -> None:
    assert live("mst", (LEDGER, "draw", 4, "before")) == -9
    assert live("mst", (CHECKPOINT, "write_archive", 1, "after")) == -9
    assert live("mst") == 0
    _, kinds = book(tmp_path)
    assert_finished(tmp_path, steps=kinds.count("draw"), lost=0)


def test_a_finished_run_gives_its_model_again_and_draws_nothing(live: Live, tmp_path: Path) -> None:
    assert live("mst") == 0
    first, entries = (tmp_path / "transcript.zip").read_bytes(), book(tmp_path)
    (tmp_path / "transcript.zip").unlink()
    assert live("mst") == 0
    assert (tmp_path / "transcript.zip").read_bytes() == first
    assert book(tmp_path) == entries


def test_an_older_copy_of_a_checkpoint_draws_nothing_again(live: Live, tmp_path: Path) -> None:
    assert live("hybrid", (LEDGER, "draw", 4, "before")) == -9
    shutil.copy(tmp_path / "checkpoint", tmp_path / "copy")
    assert live("hybrid", (LEDGER, "draw", 3, "before")) == -9
    newer = (tmp_path / "checkpoint").read_bytes()
    shutil.copy(tmp_path / "copy", tmp_path / "checkpoint")
    assert live("hybrid") == 0
    assert_finished(tmp_path, steps=6, lost=2)
    entries = book(tmp_path)
    (tmp_path / "checkpoint").write_bytes(
        newer
    )  # now the histogram, which another process drew, is lost here
    assert live("hybrid") == 0
    assert "price stays spent" in outcome(tmp_path)["refused"]
    assert book(tmp_path) == entries
