"""The SQLite file under a ledger: one append-only table, durable transactions, errors with a remedy."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dpsynth._filesystems import network_filesystem
from dpsynth.errors import LedgerCorruptError, LedgerError, LedgerLockedError
from dpsynth.ledger.chain import BEFORE_FIRST, Entry, canonical, link
from dpsynth.ledger.state import FORMAT

FIRST = -(2**63)  # the smallest row number of SQLite: nothing hides below it

# The last trigger also stops INSERT OR REPLACE, which deletes without firing the second.
_TABLES = (
    "CREATE TABLE entries"
    " (seq INTEGER PRIMARY KEY, prev TEXT NOT NULL, body TEXT NOT NULL, digest TEXT NOT NULL) STRICT",
    "CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'append-only'); END",
    "CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'append-only'); END",
    "CREATE TRIGGER entries_in_order BEFORE INSERT ON entries"
    " WHEN NEW.seq <> (SELECT coalesce(max(seq), -1) + 1 FROM entries)"
    " BEGIN SELECT RAISE(ABORT, 'append-only'); END",
)
# EXTRA is FULL and, where the rollback journal is in use, survives a power cut after the commit too.
_PRAGMAS = ("synchronous=EXTRA", "fullfsync=ON", "trusted_schema=OFF")
_REMEDIES = {
    sqlite3.SQLITE_FULL: "Free space on its disk and try again.",
    sqlite3.SQLITE_READONLY: "Give this user the right to write the file and its folder.",
    sqlite3.SQLITE_CANTOPEN: "Check that its folder exists and may be written; create=True starts a new one.",
}


class Database:
    """One connection. Autocommit, so that every transaction is written out below."""

    def __init__(
        self, path: Path | None, *, create: bool, timeout: float, entries: Sequence[Entry] = ()
    ) -> None:
        if path is not None and (kind := network_filesystem(path)) is not None:
            raise LedgerError(
                f"The ledger {path} is on a network file system ({kind}), whose locks cannot keep two "
                "processes from spending the same budget. Keep it on a local disk of the machine that makes "
                "the runs; to share it, log in there, or copy an export of it (`dpsynth ledger export`)."
            )
        self._path, self._name = path, "in memory" if path is None else str(path)
        self._timeout = timeout
        uri = "file::memory:" if path is None else f"{path.as_uri()}?mode={'rwc' if create else 'rw'}"
        with self._translated():
            self._connection: Any = sqlite3.connect(
                uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
            )
        self._file = self._on_disk()
        try:
            with self._translated():
                self._prepare(create=create, entries=entries)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the only write lock; all or nothing, and durable when it ends."""
        with self._translated():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                if self._on_disk() != self._file:
                    raise LedgerError(
                        f"The file {self._name} was moved, removed or replaced while open. Open it again."
                    )
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has already rolled back
                    self._connection.execute("ROLLBACK")
                raise

    def insert(self, entry: Entry) -> None:
        """Append one entry; inside a transaction."""
        row = (entry.seq, entry.prev, entry.body, entry.digest)
        self._connection.execute("INSERT INTO entries (seq, prev, body, digest) VALUES (?, ?, ?, ?)", row)

    def entries(self, since: int = FIRST) -> Iterator[Entry]:
        """The entries from number `since` on, in order, of one moment."""
        query = "SELECT seq, prev, body, digest FROM entries WHERE seq >= ? ORDER BY seq"
        with self._translated():
            for seq, prev, body, digest in self._connection.execute(query, (since,)):
                yield Entry(seq=seq, prev=prev, body=body, digest=digest)

    def audited(self) -> Iterator[Entry]:
        """All entries there are, after a look at the tables themselves."""
        self.check()
        yield from self.entries()

    def check(self) -> None:
        """Refuse a file whose tables and triggers are not exactly those of a ledger."""
        with self._translated():
            found = self._tables()
        if found != set(_TABLES):
            raise LedgerCorruptError(
                f"The file {self._name} is not a dpsynth ledger, or its append-only triggers were changed. "
                "Give the path of a ledger, or of no file to start a new one."
            )

    def _prepare(self, *, create: bool, entries: Sequence[Entry]) -> None:
        # Each byte has one text and back, so that no change in the file can hide behind a decoding.
        self._connection.text_factory = lambda raw: raw.decode("ascii", "surrogateescape")
        for pragma in _PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}")
        if create:
            with self.transaction():
                if not self._tables():
                    for statement in _TABLES:
                        self._connection.execute(statement)
                    genesis = body("genesis", format=FORMAT, ledger=secrets.token_hex(16))
                    for entry in entries or (link(BEFORE_FIRST, genesis),):
                        self.insert(entry)
        self.check()
        # Where WAL is impossible, or another process is just switching, the rollback journal is as safe.
        with suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA journal_mode=WAL")

    def _on_disk(self) -> tuple[int, int] | None:
        """Which file the path names now: entries in a removed file would be lost."""
        if self._path is None or not self._path.exists():
            return None
        status = self._path.stat()
        return status.st_dev, status.st_ino

    def _tables(self) -> set[str]:
        return {row[0] for row in self._connection.execute("SELECT sql FROM sqlite_schema")}

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            # Python cannot read the message where SQLite quotes damaged bytes in it.
            damaged = sqlite3.SQLITE_CORRUPT if isinstance(error, UnicodeDecodeError) else 0
            code = getattr(error, "sqlite_errorcode", damaged) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise LedgerLockedError(
                    f"Another process holds the ledger {self._name} (waited {self._timeout:g} s). "
                    "Wait until it ends, or open the ledger with a longer timeout."
                ) from error
            if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise LedgerCorruptError(
                    f"The file {self._name} is not a dpsynth ledger, or is damaged ({error}). "
                    "Restore it from a backup that still contains the head of your last certificate."
                ) from error
            remedy = _REMEDIES.get(code, "Check the file and its folder.")
            raise LedgerError(f"The ledger {self._name} cannot be used: {error}. {remedy}") from error


def body(kind: str, **content: Any) -> str:
    """The canonical body of an entry written now."""
    return canonical({"kind": kind, "time": now(), **content})


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
