"""A ledger is made again from its entries: the same chain, or nothing."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from dpsynth.errors import LedgerCorruptError, LedgerError
from dpsynth.ledger import Cap, Ledger, Spend


def filled(path: Path) -> Ledger:
    ledger = Ledger.open(path)
    account = ledger.account("people", "one row", cap=Cap(epsilon=1.0))
    ledger.reserve(account, Spend(epsilon=0.75), method="m", plan_digest="p")
    return ledger


def test_a_restored_ledger_is_the_same_one(tmp_path: Path) -> None:
    with filled(tmp_path / "a.db") as first:
        entries, identity = first.entries(), first.identity
    with Ledger.restore(tmp_path / "b.db", iter(entries)) as second:
        assert (second.entries(), second.identity) == (entries, identity)
        assert second.verify().ok
        second.reserve(second.account("people", "one row"), Spend(epsilon=0.25), method="m", plan_digest="p")


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    with filled(tmp_path / "a.db") as first, pytest.raises(LedgerError, match="does not exist"):
        Ledger.restore(tmp_path / "a.db", first.entries())
    with (
        Ledger.open(tmp_path / "a.db") as first,
        pytest.raises(LedgerError, match="folder that may be written"),
    ):
        Ledger.restore(tmp_path / "nowhere" / "b.db", first.entries())


def test_what_is_no_chain_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path / "a.db") as first:
        entries = first.entries()
    place = tmp_path / "b.db"
    for wrong in ((), entries[1:], (entries[0], replace(entries[1], body="{}"))):
        with pytest.raises(LedgerCorruptError):
            Ledger.restore(place, wrong)
    with monkeypatch.context() as patch:
        patch.setattr(
            sqlite3, "connect", lambda *_, **__: (_ for _ in ()).throw(sqlite3.OperationalError("no"))
        )
        with pytest.raises(LedgerError, match="cannot be used"):
            Ledger.restore(place, entries)
    assert not place.exists()
