"""Whoever changes, removes, moves or forges an entry is found by `verify`, at the right number."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dpsynth.errors import LedgerCorruptError
from dpsynth.ledger import Cap, Entry, Head, Ledger, Spend
from dpsynth.ledger.chain import canonical, link
from dpsynth.ledger.database import _TABLES, body


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger.in_memory() as book:
        account = book.account("people", "one row", cap=Cap(epsilon=2.0, delta=1e-6))
        for label in ("first", "second"):
            run = book.reserve(account, Spend(epsilon=0.5), method="mst", plan_digest="abc", label=label)
            book.draw(run, {"type": "gaussian/1", "mu": 0.25})
            book.commit(run)
        book.release(book.reserve(account, Spend(epsilon=1.0, rho=0.1), method="aim", plan_digest="abc"))
        yield book


def tamper(ledger: Ledger, *statements: tuple[Any, ...]) -> None:
    """Run statements as somebody who owns the file can: without triggers, which are put back."""
    connection = ledger._database._connection
    for trigger in ("entries_no_update", "entries_no_delete", "entries_in_order"):
        connection.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        connection.execute(*statement)
    for trigger in _TABLES[1:]:
        connection.execute(trigger)


@pytest.mark.parametrize("column", ["prev", "body", "digest"])
def test_every_changed_byte_is_found(ledger: Ledger, column: str) -> None:
    for entry in ledger.entries():
        text = getattr(entry, column).encode("ascii")
        for place in range(0, len(text), 2 if column == "body" else 7):
            for change in (0x01, 0x80, 0xFF):
                changed = bytearray(text)
                changed[place] ^= change
                update = f"UPDATE entries SET {column} = CAST(? AS TEXT) WHERE seq = ?"
                tamper(ledger, (update, (bytes(changed), entry.seq)))
                found = ledger.verify()
                assert (found.ok, found.first_bad_seq, found.entries) == (False, entry.seq, entry.seq)
                assert f"Entry {entry.seq} of the ledger" in found.reason
                tamper(ledger, (update, (text, entry.seq)))
    assert ledger.verify().ok


def test_a_byte_cannot_hide_behind_its_own_escape() -> None:
    with Ledger.in_memory() as book:
        book.account("people \\xff", "one row")
        raw = book.entries()[1].body.encode("ascii").replace(b"\\xff", b"\xff")
        tamper(book, ("UPDATE entries SET body = CAST(? AS TEXT) WHERE seq = 1", (raw,)))
        assert book.verify().first_bad_seq == 1


@pytest.mark.parametrize(
    ("statement", "first_bad"),
    [
        ("DELETE FROM entries WHERE seq = 3", 3),
        ("DELETE FROM entries WHERE seq = 0", 0),
        ("DELETE FROM entries", 0),
        ("UPDATE entries SET seq = 99 WHERE seq = 8", 8),
        ("UPDATE entries SET seq = -5 WHERE seq = 9", 0),
        ("INSERT INTO entries VALUES (-7, '', '', '')", 0),
        ("INSERT INTO entries VALUES (10, '', '{}', '')", 10),
        ("INSERT INTO entries SELECT 10, prev, body, digest FROM entries WHERE seq = 9", 10),
        ("UPDATE entries SET body = (SELECT body FROM entries WHERE seq = 2) WHERE seq = 5", 5),
        ("UPDATE entries SET digest = upper(digest) WHERE seq = 4", 4),
    ],
)
def test_removed_added_and_moved_entries_are_found(ledger: Ledger, statement: str, first_bad: int) -> None:
    assert ledger.verify().entries == 10
    tamper(ledger, (statement,))
    found = ledger.verify()
    assert (found.ok, found.first_bad_seq) == (False, first_bad)


def test_a_cut_end_is_found_by_a_head_seen_earlier(ledger: Ledger) -> None:
    head = ledger.head()
    assert ledger.verify(contains=head).ok
    tamper(ledger, ("DELETE FROM entries WHERE seq > 6",))
    assert ledger.verify().ok  # the chain alone cannot know
    found = ledger.verify(contains=head)
    assert (found.ok, found.entries, found.first_bad_seq) == (False, 7, head.seq)


def test_missing_triggers_and_extra_tables_are_found(ledger: Ledger, tmp_path: Path) -> None:
    connection = ledger._database._connection
    connection.execute("DROP TRIGGER entries_no_delete")
    found = ledger.verify()
    assert (found.ok, found.entries, found.first_bad_seq) == (False, 0, 0)
    assert "triggers were changed" in found.reason
    with Ledger.open(tmp_path / "l.db") as stored:
        stored._database._connection.execute("CREATE TABLE more (x INTEGER)")
    with pytest.raises(LedgerCorruptError, match="not a dpsynth ledger"):
        Ledger.open(tmp_path / "l.db")


def test_nothing_is_spent_from_a_broken_ledger(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with Ledger.open(path) as book:
        book.account("people", "one row", cap=Cap(epsilon=2.0))
        tamper(book, ("UPDATE entries SET body = replace(body, '2000000000', '9000000000') WHERE seq = 1",))
    with Ledger.open(path) as book:
        for use in (lambda: book.account("people", "one row"), book.statement, book.head):
            with pytest.raises(LedgerCorruptError, match="Entry 1 of the ledger is not what was written"):
                use()


def test_damaged_pages_are_found(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with Ledger.open(path) as book:
        account = book.account("people", "one row")
        for _ in range(60):
            book.reserve(account, Spend(epsilon=0.5), method="mst", plan_digest="abc" * 20)
    size = path.stat().st_size
    connection = sqlite3.connect(path)
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    assert size > 4 * page
    with path.open("r+b") as file:
        file.seek(3 * page)
        file.write(b"\xff" * page)
    with Ledger.open(path) as book:
        found = book.verify()
        assert not found.ok
        with pytest.raises(LedgerCorruptError, match="damaged"):
            book.entries()


def forge(ledger: Ledger, *bodies: str) -> int:
    """Append well-linked entries as a forger who recomputes digests; returns the first one's number."""
    head = ledger.head()
    first = head.seq + 1
    for text in bodies:
        entry = link(head, text)
        ledger._database.insert(entry)
        head = Head(seq=entry.seq, digest=entry.digest)
    return first


def kind(ledger: Ledger, name: str) -> Entry:
    return next(e for e in ledger.entries() if e.content["kind"] == name)


def reserve(account: str, spend: object) -> str:
    return body("reserve", account=account, spend=spend, method="m", plan="p", label="")


def forgeries(account: str, closed: str) -> dict[str, str]:
    """Entries that the rules forbid after the fixture's, given an account and a closed run."""
    opened = {"unit": "one row", "cap": None}
    return {
        "unknown kind": body("gift", account=account),
        "kind that is no text": body(["commit"], reservation=closed),  # type: ignore[arg-type]
        "no kind": "{}",
        "no object": "[]",
        "a number": "7",
        "no JSON": "{",
        "bottomless JSON": "[" * 200_000,
        "second beginning": body("genesis", format="dpsynth-ledger/1", ledger="x"),
        "missing field": body("commit"),
        "field of the future": body(
            "cap", account=account, cap={"epsilon": 1, "delta": 0}, reason="x", weight=0
        ),
        "field of another type": body("cap", account=account, cap={"epsilon": 1, "delta": 0}, reason=7),
        "draw in a closed run": body("draw", reservation=closed, event={}),
        "draw in no run": body("draw", reservation="0" * 64, event={}),
        "second account": body("account", dataset="people", rule="basic", **opened),
        "unknown rule": body("account", dataset="new", rule="hope", **opened),
        "cap of another rule": body("cap", account=account, cap={"rho": 5}, reason="x"),
        "fractional cap": body("cap", account=account, cap={"epsilon": 1.5, "delta": 0}, reason="x"),
        "cap of no account": body("cap", account=closed, cap={"epsilon": 1, "delta": 0}, reason="x"),
        "part of no division": body("part", account=account, part="x", rule="basic", cap=None),
        "part of a part": body("part", account=closed, part="x", rule="basic", cap=None),
        "period of no calendar": body("period", account=account, period="2026-13", rule="basic", cap=None),
        "period of no rule": body("period", account=account, period="2026", rule="hope", cap=None),
        "division of nothing": body("division", account=account, by="x", parts=[]),
        "division into numbers": body("division", account=account, by="x", parts=[1]),
        "division into no name": body("division", account=account, by="x", parts=[""]),
        "division into twins": body("division", account=account, by="x", parts=["a", "a"]),
        "elsewhere without delta": body(
            "elsewhere", account=account, spend={"epsilon": 1}, source="s", reason="r"
        ),
        "elsewhere of no account": body(
            "elsewhere", account=closed, spend={"epsilon": 1, "delta": 0}, source="s", reason="r"
        ),
        "no time": canonical({"kind": "commit", "time": "yesterday", "reservation": closed}),
        "another time zone": canonical(
            {"kind": "commit", "time": "2026-01-01T00:00:00+02:00", "reservation": closed}
        ),
        "over the cap": reserve(account, {"epsilon": 10**9 + 1, "delta": 0}),
        "negative spend": reserve(account, {"epsilon": -1, "delta": 0}),
        "true spend": reserve(account, {"epsilon": True, "delta": 0}),
        "spend without delta": reserve(account, {"epsilon": 1}),
        "spend of something": reserve(account, {"epsilon": 1, "delta": 0, "luck": 1}),
    }


@pytest.mark.parametrize("name", sorted(forgeries("", "")))
def test_a_well_linked_forgery_breaks_a_rule(ledger: Ledger, name: str) -> None:
    account, closed = kind(ledger, "account").digest, kind(ledger, "reserve").digest
    first = forge(ledger, forgeries(account, closed)[name])
    found = ledger.verify()
    assert (found.ok, found.first_bad_seq, found.entries) == (False, first, first)
    with pytest.raises(LedgerCorruptError, match=f"Entry {first} "):
        ledger.account("people", "one row")


def test_what_a_forger_may_write_is_what_the_rules_allow(ledger: Ledger) -> None:
    account = kind(ledger, "account").digest
    forge(ledger, reserve(account, {"epsilon": 10**9, "delta": 0}))
    assert ledger.verify().ok


def test_a_release_after_a_draw_is_found(ledger: Ledger) -> None:
    account = ledger.account("people", "one row")
    run = ledger.reserve(account, Spend(epsilon=0.5), method="mst", plan_digest="abc")
    ledger.draw(run, {})
    first = forge(ledger, body("release", reservation=run.id))
    found = ledger.verify()
    assert found.first_bad_seq == first
    assert "stays spent" in found.reason


@pytest.mark.parametrize(
    "text",
    [body("genesis", format="dpsynth-ledger/99", ledger="x"), body("commit", reservation="x")],
    ids=["another format", "no genesis"],  # the texts hold the time
)
def test_a_ledger_begins_with_a_genesis_of_this_format(ledger: Ledger, text: str) -> None:
    entry = link(Head(seq=-1, digest="0" * 64), text)
    tamper(
        ledger,
        ("DELETE FROM entries",),
        ("INSERT INTO entries VALUES (?, ?, ?, ?)", (entry.seq, entry.prev, entry.body, entry.digest)),
    )
    assert ledger.verify().first_bad_seq == 0
