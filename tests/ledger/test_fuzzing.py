"""Random edits of the file: an error that names the trouble, or the entries that were written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import LedgerCorruptError, LedgerError
from dpsynth.ledger import Cap, Entry, Ledger, Spend

EDITS = st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4)


def entries(place: Path) -> tuple[Entry, ...] | None:
    """What a changed file gives: None for an error of the kind that is promised, or for a bad verdict."""
    try:
        with Ledger.open(place, create=False, timeout=0.0) as ledger:
            found = ledger.verify()
            if not found.ok:
                with pytest.raises(LedgerError):  # nothing is spent from it either
                    ledger.account("people", "one row")
                return None
            return ledger.entries()
    except LedgerError:
        return None


class Book:
    """A file, its bytes and its entries."""

    def __init__(self, place: Path, written: tuple[Entry, ...]) -> None:
        self.place, self.text, self.written = place, place.read_bytes(), written

    def __repr__(self) -> str:
        return "Book()"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    place = tmp_path_factory.mktemp("fuzz") / "l.db"
    with Ledger.open(place) as ledger:
        account = ledger.account("people", "one row", cap=Cap(epsilon=50.0))
        for number in range(30):
            run = ledger.reserve(account, Spend(epsilon=0.5), method="mst", plan_digest="abc" * 20)
            if number % 2:
                ledger.draw(run, {"type": "gaussian/1", "mu": 0.25})
        written = ledger.entries()
    return Book(place, written)


@given(edits=EDITS)
def test_random_bytes_in_the_file(book: Book, edits: list[tuple[int, bytes]]) -> None:
    place, text, written = book.place, book.text, book.written
    changed = bytearray(text)
    for where, what in edits:
        start = where % len(changed)
        changed[start : start + len(what)] = what[: len(changed) - start]
    place.write_bytes(changed)
    assert entries(place) in (None, written)


def test_damaged_bytes_that_an_error_message_would_quote(book: Book) -> None:
    names = book.text.index(b"CREATE TABLE entries")
    book.place.write_bytes(book.text[:names] + b"CREATE \x80" + book.text[names + 8 :])
    with pytest.raises(LedgerCorruptError, match="damaged"):
        Ledger.open(book.place, create=False)


@given(cut=st.integers(0, 2**20), filler=st.binary(max_size=5000))
def test_a_file_that_is_cut_or_longer(book: Book, cut: int, filler: bytes) -> None:
    place, text, written = book.place, book.text, book.written
    place.write_bytes(text[: cut % len(text)] + filler)
    assert entries(place) in (None, written)
    place.write_bytes(text + filler)
    assert entries(place) in (None, written)


@pytest.mark.slow
@given(
    column=st.sampled_from(["seq", "prev", "body", "digest"]),
    value=st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=50) | st.text(max_size=50),
    row=st.integers(0, 46),
)
def test_random_values_in_the_table(book: Book, column: str, value: object, row: int) -> None:
    place, text, written = book.place, book.text, book.written
    place.write_bytes(text)
    connection = sqlite3.connect(place, isolation_level=None)
    triggers = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'trigger'")]
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'")]
    connection.execute("PRAGMA ignore_check_constraints=ON")
    for name in names:
        connection.execute(f"DROP TRIGGER {name}")
    try:
        connection.execute(f"UPDATE entries SET {column} = ? WHERE seq = ?", (value, row))
    except (sqlite3.Error, UnicodeEncodeError):  # the table itself refuses the type
        return
    finally:
        for trigger in triggers:
            connection.execute(trigger)
        connection.close()
    same = value == getattr(written[row], column)
    assert entries(place) == (written if same else None)
