"""Locks, full disks, foreign files and crashes: an error with a remedy, and nothing half-written."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dpsynth.errors import (
    BudgetExceededError,
    ConfigurationError,
    LedgerCorruptError,
    LedgerError,
    LedgerLockedError,
)
from dpsynth.ledger import Account, Cap, Ledger, Spend, database

UNIT = "one row"


def new_account(ledger: Ledger) -> Account:
    return ledger.account("people", UNIT, cap=Cap(epsilon=10.0))


def use(ledger: Ledger) -> None:
    run = ledger.reserve(ledger.account("people", UNIT), Spend(epsilon=1.0), method="m", plan_digest="p")
    ledger.draw(run, {"type": "x"})
    ledger.commit(run)


def pragma(ledger: Ledger, statement: str) -> Any:
    return ledger._database._connection.execute(f"PRAGMA {statement}").fetchone()[0]


def test_the_file_is_durable_before_a_draw(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        assert pragma(ledger, "journal_mode") == "wal"
        assert pragma(ledger, "synchronous") == 3  # EXTRA: FULL, and the folder is synchronised too
        assert pragma(ledger, "fullfsync") == 1


def test_where_wal_is_impossible_the_rollback_journal_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    # The dotfile layer of SQLite has no shared memory, like some network file systems.
    monkeypatch.setattr(
        sqlite3, "connect", lambda name, **options: connect(f"{name}&vfs=unix-dotfile", **options)
    )
    with Ledger.open(tmp_path / "l.db") as ledger:
        assert pragma(ledger, "journal_mode") == "delete"
        use(ledger)
        assert ledger.verify().entries == 5


def test_a_switch_to_wal_that_fails_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: Failing(connect(*a, **k), at="journal_mode"))
    with Ledger.open(tmp_path / "l.db") as ledger:
        use(ledger)
        assert ledger.verify().ok


def test_a_held_ledger_says_so_at_once(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with Ledger.open(path, timeout=0.0) as ledger:
        account = new_account(ledger)
        before = ledger.head()
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerLockedError, match=r"Another process holds the ledger .*longer timeout"):
            ledger.reserve(account, Spend(epsilon=1.0), method="m", plan_digest="p")
        with pytest.raises(LedgerLockedError, match="Another process"):
            Ledger.open(path, timeout=0.0)
        holder.execute("ROLLBACK")
        holder.close()
        assert ledger.head() == before
        use(ledger)


def test_a_new_file_that_is_held_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    for create in (True, False):
        with pytest.raises(LedgerLockedError, match="Another process"):
            Ledger.open(path, timeout=0.0, create=create)
    holder.execute("ROLLBACK")
    holder.close()
    Ledger.open(path).close()


def test_a_timeout_is_a_number() -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        Ledger.open("l.db", timeout=-1.0)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        account = new_account(ledger)
        pages = pragma(ledger, "page_count")
        pragma(ledger, f"max_page_count={pages}")

        def fill() -> None:
            for _ in range(100):
                ledger.reserve(account, Spend(epsilon=0.001), method="m" * 500, plan_digest="p")

        with pytest.raises(LedgerError, match=r"disk is full.*Free space"):
            fill()
        before = ledger.head()
        assert ledger.verify().ok
        assert ledger.statement()[0].spent.epsilon == pytest.approx(0.001 * (before.seq - 1))
        pragma(ledger, f"max_page_count={pages + 100}")
        use(ledger)
        assert ledger.verify(contains=before).ok


QUOTA = """
import resource, signal, sys
from dpsynth.errors import LedgerError
from dpsynth.ledger import Ledger, Spend

with Ledger.open(sys.argv[1]) as ledger:
    account = ledger.account("people", "one row")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    told = 0
    try:
        while True:
            ledger.reserve(account, Spend(epsilon=0.001), method="m" * 500, plan_digest="p")
            told += 1
    except LedgerError as error:
        print(told, error)
"""


def test_a_write_that_the_system_refuses_loses_nothing_that_was_told(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    command = [sys.executable, "-c", QUOTA, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    told, _, message = done.stdout.partition(" ")
    assert "cannot be used" in message
    with Ledger.open(path) as ledger:
        assert ledger.verify().ok
        assert len(ledger.statement()[0].runs) == int(told) > 0
        use(ledger)


def test_a_file_that_may_only_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "l.db"
    with Ledger.open(path) as ledger:
        new_account(ledger)
    connect = sqlite3.connect
    # As on a file system that is mounted for reading only; the owner of the machine may write everything.
    monkeypatch.setattr(
        sqlite3, "connect", lambda name, **options: connect(name.replace("mode=rw", "mode=ro"), **options)
    )
    with Ledger.open(path, create=False) as ledger:
        assert ledger.verify().entries == 2
        with pytest.raises(LedgerError, match=r"readonly.*right to write"):
            use(ledger)


def test_a_read_only_ledger_says_what_is_missing(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        account = new_account(ledger)
        ledger._database._connection.execute("PRAGMA query_only=ON")
        with pytest.raises(LedgerError, match=r"readonly.*right to write"):
            ledger.set_cap(account, Cap(epsilon=5.0), reason="r")
        assert ledger.statement()[0].cap == Cap(epsilon=10.0)
        assert ledger.verify().entries == 2


def test_a_missing_folder_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"nowhere.*folder exists"):
        Ledger.open(tmp_path / "nowhere" / "l.db")
    with pytest.raises(LedgerError, match="create=True"):
        Ledger.open(tmp_path / "l.db", create=False)
    with pytest.raises(LedgerError, match="unable to open"):
        Ledger.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("create", [True, False])
def test_another_file_is_refused_and_not_touched(tmp_path: Path, *, create: bool) -> None:
    text, foreign = tmp_path / "notes.txt", tmp_path / "foreign.db"
    text.write_text("age,income\n" * 1000)
    other = sqlite3.connect(foreign)
    other.execute("CREATE TABLE people (age INTEGER)")
    other.close()
    for path in (text, foreign):
        before = path.read_bytes()
        with pytest.raises(LedgerCorruptError, match="not a dpsynth ledger"):
            Ledger.open(path, create=create)
        assert path.read_bytes() == before


def test_an_empty_file_becomes_a_ledger_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    path.touch()
    with pytest.raises(LedgerCorruptError, match="not a dpsynth ledger"):
        Ledger.open(path, create=False)
    Ledger.open(path).close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET body = ''",
        "DELETE FROM entries WHERE seq = 1",
        "INSERT INTO entries VALUES (7, '', '', '')",
        "INSERT OR REPLACE INTO entries VALUES (1, '', '', '')",
        "REPLACE INTO entries VALUES (1, '', '', '')",
    ],
)
def test_the_database_itself_is_append_only(tmp_path: Path, statement: str) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        use(ledger)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            ledger._database._connection.execute(statement)
        assert ledger.verify().ok


def test_a_ledger_that_was_removed_or_replaced_while_open_takes_no_entries(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with Ledger.open(path) as ledger:
        account = new_account(ledger)
        for replaced in (False, True):
            if replaced:
                Ledger.open(path).close()
            else:
                path.unlink()
            with pytest.raises(LedgerError, match="moved, removed or replaced"):
                ledger.reserve(account, Spend(epsilon=1.0), method="m", plan_digest="p")
        assert len(ledger.entries()) == 2


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM entries WHERE seq > 2", "UPDATE entries SET digest = prev WHERE seq = 4"],
)
def test_a_ledger_whose_end_changes_while_open_is_noticed(tmp_path: Path, change: str) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        new_account(ledger)
        use(ledger)
        connection = ledger._database._connection
        connection.execute("DROP TRIGGER entries_no_delete")
        connection.execute("DROP TRIGGER entries_no_update")
        connection.execute(change)
        with pytest.raises(LedgerCorruptError, match="replaced or cut off"):
            use(ledger)
        with pytest.raises(LedgerCorruptError, match="replaced or cut off"):
            ledger.statement()


class CrashError(BaseException):
    """The process dies here."""


class Failing:
    """A connection on which one statement fails: the one that holds `at`, or the `at`-th one."""

    def __init__(
        self, connection: Any, *, at: str | int, done: bool = False, error: BaseException | None = None
    ) -> None:
        object.__setattr__(self, "hidden", connection)
        object.__setattr__(self, "plan", [at, done, error or sqlite3.OperationalError("injected")])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.hidden, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.hidden, name, value)

    def execute(self, statement: str, *values: Any) -> Any:
        at, done, error = self.plan
        if isinstance(at, int):
            self.plan[0] = at - 1
        hit = at == 0 if isinstance(at, int) else at in statement
        result = None if hit and not done else self.hidden.execute(statement, *values)
        if hit:
            raise error
        return result


STEPS: dict[str, Callable[[Ledger], object]] = {
    "use": use,
    "cap": lambda ledger: ledger.set_cap(new_account(ledger), Cap(epsilon=20.0), reason="r"),
    "verify": lambda ledger: ledger.verify(),
}


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), CrashError()])
@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_failure_at_any_statement_leaves_a_sound_ledger(
    tmp_path: Path, step: str, error: BaseException, *, done: bool
) -> None:
    for at in range(40):
        path = tmp_path / f"{at}.db"
        ledger = Ledger.open(path)
        new_account(ledger)
        use(ledger)
        before = ledger.head()
        ledger._database._connection = Failing(ledger._database._connection, at=at, done=done, error=error)
        failed = False
        try:
            STEPS[step](ledger)
        except (LedgerError, CrashError):
            failed = True
        ledger._database._connection = ledger._database._connection.hidden
        found = ledger.verify(contains=before)
        assert found.ok
        use(ledger)  # the same object goes on, from the file
        ledger.close()
        with Ledger.open(path) as again:
            assert again.verify(contains=before).ok
            entries = again.entries()
            assert [e.seq for e in entries] == list(range(len(entries)))
            reserved = {e.digest for e in entries if e.content["kind"] == "reserve"}
            assert {e.content["reservation"] for e in entries if e.content["kind"] == "draw"} <= reserved
            use(again)
        if not failed:  # the step has fewer statements than that
            break
    assert at == {"verify": 2, "cap": 7, "use": 15}[step]


def test_a_failing_first_transaction_leaves_no_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect
    path = tmp_path / "l.db"
    for at in ("CREATE TABLE", "entries_in_order", "INSERT", "COMMIT"):
        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", lambda *a, at=at, **k: Failing(connect(*a, **k), at=at))
            with pytest.raises(LedgerError, match="injected"):
                Ledger.open(path)
        with pytest.raises(LedgerCorruptError, match="not a dpsynth ledger"):
            Ledger.open(path, create=False)
    with Ledger.open(path) as ledger:
        assert ledger.verify().entries == 1


def test_a_refusal_does_not_cost_a_new_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.in_memory() as ledger:
        account = new_account(ledger)
        asked: list[int] = []
        entries = database.Database.entries
        monkeypatch.setattr(
            database.Database, "entries", lambda self, since=0: asked.append(since) or entries(self, since)
        )
        with pytest.raises(BudgetExceededError, match="no room"):
            ledger.reserve(account, Spend(epsilon=99.0), method="m", plan_digest="p")
        use(ledger)
        assert min(asked) > 0
