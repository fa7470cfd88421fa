"""A ledger is made again from its entries: the same chain, or nothing."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from dpsynth.errors import LedgerCorruptError, LedgerError
from dpsynth.ledger import Cap, Head, Ledger, Spend
from dpsynth.ledger.chain import BEFORE_FIRST, link


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


BEFORE_PARTS = (
    '{"format":"dpsynth-ledger/1","kind":"genesis","ledger":"00000000000000000000000000000000",'
    '"time":"2026-02-03T00:00:00+00:00"}',
    '{"cap":{"delta":1000000000000,"epsilon":2000000000},"dataset":"people","kind":"account","rule":"basic",'
    '"time":"2026-02-03T00:00:00+00:00","unit":"one row"}',
    '{"account":"eba9b1f63e68304e603f9a15121db738799c136b144af75830355deb5350c2ba","kind":"reserve","label":"",'
    '"method":"mst","plan":"abc","spend":{"delta":0,"epsilon":500000000},"time":"2026-02-03T00:00:00+00:00"}',
    '{"event":{"mu":0.25,"type":"gaussian/1"},"kind":"draw",'
    '"reservation":"ac41ec407d3d333992b7fb8f802ba4bfc3f99034da42bb5c4158302a5d1b29c9",'
    '"time":"2026-02-03T00:00:00+00:00"}',
    '{"kind":"commit","reservation":"ac41ec407d3d333992b7fb8f802ba4bfc3f99034da42bb5c4158302a5d1b29c9",'
    '"time":"2026-02-03T00:00:00+00:00"}',
)


def test_a_ledger_from_before_parts_and_periods_is_read_and_goes_on(tmp_path: Path) -> None:
    entries, head = [], BEFORE_FIRST
    for body in BEFORE_PARTS:
        entries.append(link(head, body))
        head = Head(seq=entries[-1].seq, digest=entries[-1].digest)
    assert head.digest == "301fe83d5704e6f2d6e2084d746393ff1690cb5bc3520a7ad3047f3dbfc50eaf"
    with Ledger.restore(tmp_path / "l.db", entries) as ledger:
        assert ledger.verify(contains=head).ok
        account = ledger.account("people", "one row", period="2026")
        (whole, year) = ledger.statement("people")
        assert whole.spent == year.spent
        assert account.partition is None
        ledger.divide(ledger.account("people", "one row"), by="hospital", parts=["north"])
