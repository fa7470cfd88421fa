"""Which checkpoints a session takes up, and what it never does with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from session.trains import Trains, open_session

from dpsynth._archive import read_archive, write_archive
from dpsynth.errors import (
    BudgetExceededError,
    ConfigurationError,
    LedgerError,
    PrivacyError,
    ReplayError,
    StorageError,
)
from dpsynth.generators.aim import AIM
from dpsynth.generators.independent import Independent
from dpsynth.ledger import Cap, Ledger
from dpsynth.mechanisms import DpSgd
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Replay, Session
from dpsynth.session.checkpoint import Checkpoint
from dpsynth.testing.insecure import insecure_noise

KIND = "dpsynth-checkpoint/1"


class PowerCutError(BaseException):
    """Stands for a process that ends here."""


def end(*_: Any, **__: Any) -> None:
    raise PowerCutError


def cut(owner: Any, name: str, call: int, *, after: bool, act: Callable[[], Any] = end) -> pytest.MonkeyPatch:
    """Make call number `call` of a function the last thing that happens."""
    patch, original, calls = pytest.MonkeyPatch(), getattr(owner, name), [0]

    def broken(*args: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] == call and not after:
            act()
        result = original(*args, **more)
        if calls[0] == call and after:
            act()
        return result

    patch.setattr(owner, name, broken)
    return patch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint"


@pytest.fixture
def interrupted(frame: pd.DataFrame, schema: Schema, ledger: Ledger, path: Path) -> Path:
    """A run of two rounds that ended before the second one."""
    patch = cut(Ledger, "draw", 2, after=False)
    with pytest.raises(PowerCutError):
        open_session(frame, schema, ledger).run(Trains(), checkpoint=path)
    patch.undo()
    return path


def kinds(ledger: Ledger) -> list[str]:
    return [entry.content["kind"] for entry in ledger.entries()]


def test_a_run_goes_on_where_it_ended(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, interrupted: Path
) -> None:
    assert kinds(ledger) == ["genesis", "account", "reserve", "draw"]
    session = open_session(frame, schema, ledger)
    model = session.run(Trains(), checkpoint=interrupted)
    assert kinds(ledger) == ["genesis", "account", "reserve", "draw", "draw", "commit"]
    assert Trains().fit(Replay(session.transcript)) == model
    assert session.guarantee().labels == ("training", "training")
    assert session.guarantee().epsilon == pytest.approx(ledger.statement()[0].spent.epsilon, abs=1e-9)
    (line,) = ledger.statement()[0].runs
    assert (line.status, line.draws) == ("committed", 2)
    assert line.label.startswith("checkpoint ")


def test_a_run_that_is_not_interrupted_is_the_same_run(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, path: Path
) -> None:
    session = open_session(frame, schema, ledger)
    session.run(Trains(), checkpoint=path)
    assert len(Checkpoint.load(path).transcript.measurements) == 2
    again = open_session(frame, schema, ledger)
    before = ledger.head()
    model = again.run(Trains(), checkpoint=path)  # finished: its model again, from the record alone
    assert ledger.head() == before
    assert Trains().fit(Replay(session.transcript)) == model
    assert again.guarantee() == session.guarantee()


def test_a_lost_round_is_where_it_started(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, interrupted: Path
) -> None:
    first = Checkpoint.load(interrupted).transcript.measurements[0]
    patch = cut(DpSgd, "run", 1, after=True)
    with pytest.raises(PowerCutError):
        open_session(frame, schema, ledger).run(Trains(), checkpoint=interrupted)
    patch.setattr(DpSgd, "run", end)
    session = open_session(frame, schema, ledger)
    model = session.run(Trains(), checkpoint=interrupted)  # both rounds are paid: no third one
    patch.undo()
    second = session.transcript.measurements[1]
    assert all(np.array_equal(a, b) for a, b in zip(first.values, second.values, strict=True))
    assert not any(value.flags.writeable for value in second.values)
    assert Trains().fit(Replay(session.transcript)) == model
    guarantee = session.guarantee()
    assert guarantee.labels == ("training", "training (lost)")
    assert [event.steps for event in guarantee.events] == [2, 3]  # type: ignore[attr-defined]
    assert guarantee.holds()
    assert kinds(ledger).count("draw") == 2


def test_counts_that_were_lost_end_the_run(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, path: Path
) -> None:
    patch = cut(Ledger, "draw", 1, after=True)
    with pytest.raises(PowerCutError):
        open_session(frame, schema, ledger).run(Independent(), checkpoint=path)
    patch.undo()
    before = ledger.head()
    with pytest.raises(PrivacyError, match=r"is lost.*cannot be continued.*start a new run"):
        open_session(frame, schema, ledger).run(Independent(), checkpoint=path)
    assert ledger.head() == before


def test_of_two_that_continue_one_run_the_second_is_refused(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, interrupted: Path
) -> None:
    results: list[Any] = []

    def other() -> None:
        patch.undo()
        results.append(open_session(frame, schema, ledger).run(Trains(), checkpoint=interrupted))

    patch = cut(Ledger, "draw", 1, after=False, act=other)  # after the first has read the record
    with pytest.raises(LedgerError, match="already committed"):
        open_session(frame, schema, ledger).run(Trains(), checkpoint=interrupted)
    assert kinds(ledger).count("draw") == 2
    assert len(results) == 1


def test_a_second_process_is_refused_before_the_first_has_finished(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, path: Path
) -> None:
    def other() -> None:
        patch.undo()
        stop = cut(DpSgd, "run", 1, after=False)
        with pytest.raises(PowerCutError):
            open_session(frame, schema, ledger).run(Trains(), checkpoint=path)
        stop.undo()

    patch = cut(Ledger, "draw", 1, after=False, act=other)
    with pytest.raises(LedgerError, match="another process continues it"):
        open_session(frame, schema, ledger).run(Trains(), checkpoint=path)
    assert kinds(ledger).count("reserve") == kinds(ledger).count("draw") == 1


def test_a_draw_that_failed_is_not_tried_again(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stubborn(Trains):
        def fit(self, measurer: Any, *, rng: Any = None) -> bytes:
            try:
                return super().fit(measurer, rng=rng)
            except Exception:  # noqa: BLE001 - whatever it was
                return super().fit(measurer, rng=rng)

    patch = cut(DpSgd, "run", 1, after=True, act=lambda: 1 / 0)
    with pytest.raises(LedgerError, match="a draw failed"):
        open_session(frame, schema, ledger).run(Stubborn())
    patch.undo()
    assert kinds(ledger).count("draw") == 1


def other_schema(schema: Schema) -> Schema:
    return schema.replace_columns({"age": replace(schema.column("age"), maximum=98)})


def test_the_record_of_another_run_is_refused(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, interrupted: Path
) -> None:
    table, before = PrivateTable.load(frame, schema), ledger.head()
    told = interrupted.read_bytes()

    def run(generator: Any = Trains(), *, rng: Any = None, **more: Any) -> None:  # noqa: B008 - frozen
        opened: dict[str, Any] = {
            "table": table,
            "budget": Budget(epsilon=4.0, delta=1e-6),
            "ledger": ledger,
            "dataset": "people",
        }
        Session.open(**(opened | more)).run(generator, rng=rng, checkpoint=interrupted)

    with pytest.raises(ConfigurationError, match="differs in budget"):
        run(budget=Budget(epsilon=4.1, delta=1e-6))
    with pytest.raises(ConfigurationError, match="differs in schema"):
        run(table=PrivateTable.load(frame, other_schema(schema)))
    with pytest.raises(ConfigurationError, match="differs in seed"):
        run(rng=3)
    with Ledger.in_memory() as other, pytest.raises(ConfigurationError, match="differs in ledger"):
        run(ledger=other)
    with pytest.raises(LedgerError, match="another account, price, method or plan"):
        run(Independent())
    assert ledger.head() == before
    with pytest.raises(ReplayError, match="something else"):
        run(Trains(engine="opacus"))
    assert kinds(ledger).count("draw") == 1
    with pytest.raises(LedgerError, match="another account"):
        run(dataset="patients")
    assert interrupted.read_bytes() == told


def test_what_is_no_checkpoint_is_refused(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, interrupted: Path
) -> None:
    header, arrays = read_archive(interrupted, kind=KIND)
    intact = interrupted.read_bytes()
    headers = [{}, header | {"labels": []}, header | {"transcript": {}}]
    for broken in headers:
        write_archive(interrupted, kind=KIND, header=broken, arrays=arrays)
        with pytest.raises(StorageError):
            open_session(frame, schema, ledger).run(Trains(), checkpoint=interrupted)
    interrupted.write_bytes(intact.replace(b"training", b"trailing"))
    with pytest.raises(StorageError):
        open_session(frame, schema, ledger).run(Trains(), checkpoint=interrupted)
    assert kinds(ledger).count("draw") == 1


def test_a_record_that_tells_of_other_draws_than_the_ledger_is_refused(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, interrupted: Path
) -> None:
    record, before = Checkpoint.load(interrupted), ledger.head()
    (answer,) = record.transcript.measurements
    cheaper = replace(answer, event=replace(answer.event, steps=1))  # type: ignore[type-var]
    for answers in ([cheaper], [answer, answer]):
        record.after(answers, ["training"] * len(answers), tainted=False).save()
        with pytest.raises(PrivacyError, match="other draws"):
            open_session(frame, schema, ledger).run(Trains(), checkpoint=interrupted)
    assert ledger.head() == before


def test_only_a_whole_number_or_nothing_can_be_the_seed(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="whole number"):
        open_session(frame, schema, ledger).run(Trains(), rng=np.random.default_rng(1), checkpoint=path)
    assert not path.exists()
    assert "reserve" not in kinds(ledger)


@pytest.mark.parametrize("given", [None, 11])
def test_the_post_processing_begins_again_with_the_same_seed(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, path: Path, given: int | None
) -> None:
    seeds: list[Any] = []

    class Notes(Trains):
        def fit(self, measurer: Any, *, rng: Any = None) -> bytes:
            seeds.append(rng)
            return super().fit(measurer, rng=rng)

    patch = cut(Ledger, "draw", 2, after=False)
    with pytest.raises(PowerCutError):
        open_session(frame, schema, ledger).run(Notes(), rng=given, checkpoint=path)
    patch.undo()
    open_session(frame, schema, ledger).run(Notes(), rng=given, checkpoint=path)
    assert seeds[0] == seeds[1] == (given if given is not None else Checkpoint.load(path).seed)


def test_what_cannot_be_continued_takes_no_checkpoint(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="leave the checkpoint out"):
        open_session(frame, schema, ledger).run(AIM(), checkpoint=path)
    assert not path.exists()
    assert "reserve" not in kinds(ledger)
    session = open_session(frame, schema, ledger)
    session.discover(cells=["age"])
    with pytest.raises(ConfigurationError, match="leave the checkpoint out"):
        session.run(Independent(), checkpoint=path)


def test_a_full_account_leaves_no_record(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, path: Path
) -> None:
    ledger.account("people", str(schema.unit), cap=Cap(epsilon=0.1, delta=1e-5))
    with pytest.raises(BudgetExceededError, match="no room"):
        open_session(frame, schema, ledger).run(Trains(), checkpoint=path)
    assert not path.exists()


def test_a_folder_that_does_not_exist_costs_nothing(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        open_session(frame, schema, ledger).run(Trains(), checkpoint=tmp_path / "nowhere" / "checkpoint")
    assert "reserve" not in kinds(ledger)


def test_taint_survives_the_process(frame: pd.DataFrame, schema: Schema, ledger: Ledger, path: Path) -> None:
    patch = cut(Ledger, "draw", 2, after=False)
    with insecure_noise(3), pytest.raises(PowerCutError):
        open_session(frame, schema, ledger).run(Trains(), checkpoint=path)
    patch.undo()
    session = open_session(frame, schema, ledger)
    session.run(Trains(), checkpoint=path)
    assert session.transcript.tainted
    assert not session.guarantee().certifiable


def test_a_released_run_is_over(frame: pd.DataFrame, schema: Schema, ledger: Ledger, path: Path) -> None:
    patch = cut(Ledger, "draw", 1, after=False)
    with pytest.raises(PowerCutError):
        open_session(frame, schema, ledger).run(Trains(), checkpoint=path)
    patch.undo()
    record = Checkpoint.load(path)
    account = ledger.account("people", str(schema.unit))
    (entry,) = [e for e in ledger.entries() if e.content["kind"] == "reserve"]
    from dpsynth.ledger import Reservation

    assert entry.content["label"] == record.run
    ledger.release(Reservation(seq=entry.seq, digest=entry.digest))
    with pytest.raises(LedgerError, match="was released"):
        open_session(frame, schema, ledger).run(Trains(), checkpoint=path)
    assert account.cap is None
    assert ledger.statement()[0].spent.epsilon == 0
