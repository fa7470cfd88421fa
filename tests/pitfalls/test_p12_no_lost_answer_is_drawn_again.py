"""P12, after a crash: whoever continues a run and asks the lost question again has two answers for one price."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from session.trains import Trains, open_session

from dpsynth.errors import LedgerError
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import DpSgd
from dpsynth.schema.schema import Schema

STEPS = 2


class CrashError(BaseException):
    """The process ends after the noise was drawn, before its answer is on disk."""


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each noise that existed; the process ends with the second."""
    drawn: list[int] = []
    run = DpSgd.run

    def counted(self: DpSgd, *arguments: Any) -> Any:
        answer = run(self, *arguments)
        drawn.append(1)
        if len(drawn) == STEPS:
            raise CrashError
        return answer

    monkeypatch.setattr(DpSgd, "run", counted)
    return drawn


def forget(patch: pytest.MonkeyPatch) -> None:
    """A session that does not see in the ledger what was under way."""
    once = Ledger.reserve_once

    def shortened(self: Ledger, *arguments: Any, **more: Any) -> Any:
        standing = once(self, *arguments, **more)
        return replace(standing, events=standing.events[:-1])

    patch.setattr(Ledger, "reserve_once", shortened)


def draw_freely(patch: pytest.MonkeyPatch) -> None:
    """The broken twin: the lost question is asked again, and it was paid already."""
    forget(patch)
    patch.setattr(Ledger, "draw", lambda *_, **__: None)


def draw_anywhere(patch: pytest.MonkeyPatch) -> None:
    """The broken twin: the lost question is asked again, in a ledger that takes draws at any position."""
    forget(patch)
    draw = Ledger.draw
    patch.setattr(Ledger, "draw", lambda self, run, event, position: draw(self, run, event))


def resumed(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, path: Path, twin: Any = None
) -> tuple[int, int]:
    """The draws in the ledger, and what of `STEPS` rounds was answered, after a crash and a second process."""
    with pytest.raises(CrashError):
        open_session(frame, schema, ledger).run(Trains(), checkpoint=path)
    with pytest.MonkeyPatch.context() as patch:
        if twin:
            twin(patch)
        session = open_session(frame, schema, ledger)
        session.run(Trains(), checkpoint=path)
    draws = [entry for entry in ledger.entries() if entry.content["kind"] == "draw"]
    return len(draws), len([label for label in session.guarantee().labels if "lost" not in label])


def test_a_lost_answer_stays_lost(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, tmp_path: Path, noise: list[int]
) -> None:
    assert resumed(frame, schema, ledger, tmp_path / "checkpoint") == (STEPS, 1)
    assert len(noise) == STEPS


@pytest.mark.parametrize("twin", [draw_freely, draw_anywhere])
def test_the_broken_twins_draw_more_than_the_price_covers(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, tmp_path: Path, noise: list[int], twin: Any
) -> None:
    draws, answered = resumed(frame, schema, ledger, tmp_path / "checkpoint", twin)
    assert answered == STEPS
    assert len(noise) == STEPS + 1  # what was priced is two
    assert draws == (STEPS + 1 if twin is draw_anywhere else STEPS)


def test_the_ledger_alone_stops_a_session_that_forgets(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, tmp_path: Path, noise: list[int]
) -> None:
    with pytest.raises(LedgerError, match="does not stand where it was left"):
        resumed(frame, schema, ledger, tmp_path / "checkpoint", forget)
    assert len(noise) == STEPS


def test_without_positions_two_processes_would_draw_the_same_round(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger
) -> None:
    from dpsynth.ledger import Spend

    words: dict[str, Any] = {"method": "m", "plan_digest": "p", "label": "run"}
    account = ledger.account("people", "one row")
    one, two = (ledger.reserve_once(account, Spend(epsilon=1.0), **words) for _ in range(2))
    assert one.reservation == two.reservation  # one price
    ledger.draw(one.reservation, {"type": "x"})
    ledger.draw(two.reservation, {"type": "x"})  # the broken twin: both draw the first round
    ledger.draw(one.reservation, {"type": "x"}, position=2)
    with pytest.raises(LedgerError, match="another process continues it"):
        ledger.draw(two.reservation, {"type": "x"}, position=2)
