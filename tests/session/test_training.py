"""Private training through the one door."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from session.trains import Trains, open_session

from dpsynth import _lazy
from dpsynth.errors import MechanismError, MissingExtraError
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import dp_sgd
from dpsynth.privacy.accountant import price
from dpsynth.schema.schema import Schema
from dpsynth.session import Replay, Transcript


@pytest.mark.parametrize("engine", ["fused", "opacus"])
def test_a_run_is_paid_and_replays_to_the_byte(
    engine: str, frame: pd.DataFrame, schema: Schema, ledger: Ledger, tmp_path
) -> None:
    session = open_session(frame, schema, ledger)
    model = session.run(Trains(engine=engine))
    assert Trains(engine=engine).fit(Replay(session.transcript)) == model
    session.transcript.save(tmp_path / "transcript.zip")
    loaded = Transcript.load(tmp_path / "transcript.zip")
    assert Trains(engine=engine).fit(Replay(loaded)) == model
    guarantee = session.guarantee()
    assert [event.steps for event in guarantee.events] == [2, 3]
    assert guarantee.certifiable
    assert guarantee.epsilon == price(guarantee.events, delta=1e-6).epsilon
    assert [entry.content["kind"] for entry in ledger.entries()].count("draw") == 2


@pytest.mark.parametrize(("engine", "package"), [("fused", "torch"), ("opacus", "opacus")])
def test_nothing_is_spent_where_the_extra_is_missing(
    engine: str,
    package: str,
    frame: pd.DataFrame,
    schema: Schema,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(module: str, *, extra: str) -> Any:
        return _lazy.require(f"no_{module}_here", extra=extra)

    monkeypatch.setattr(dp_sgd, "require", missing)
    session = open_session(frame, schema, ledger)
    before = [entry.content["kind"] for entry in ledger.entries()]
    with pytest.raises(MissingExtraError, match=rf"no_{package}_here.*dpsynth\[deep\]"):
        session.run(Trains(engine=engine))
    assert [entry.content["kind"] for entry in ledger.entries()] == before
    assert ledger.statement("people")[0].spent.epsilon == 0
    # A generator that does not look beforehand is stopped by the door, before its draw.
    with pytest.raises(MissingExtraError):
        open_session(frame, schema, ledger).run(Trains(engine=engine, checks=False))
    assert "draw" not in [entry.content["kind"] for entry in ledger.entries()]


def test_a_failure_within_training_says_nothing_and_stays_spent(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ValueError("row 7 is red")

    monkeypatch.setattr(dp_sgd, "clipped_sum", fails)
    with pytest.raises(MechanismError, match="stays spent") as caught:
        open_session(frame, schema, ledger).run(Trains())
    assert "red" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert ledger.statement("people")[0].spent.epsilon > 0.5
