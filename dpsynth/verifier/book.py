"""A ledger as an auditor reads it: entries from SQLite or from lines of JSON, and the chain that binds them.

The digest of an entry is SHA-256 over its number, the digest before it and its body, separated by line feeds.
Whoever changes, removes or moves an entry breaks the chain there. Cutting off the end breaks nothing: that is
why a certificate names the entries that it saw.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .canonical import JsonError, parse

__all__ = ["Entry", "LedgerError", "read"]

GENESIS = "0" * 64
_LINES = "dpsynth-ledger-lines/1"
_MAGIC = b"SQLite format 3\0"
_LARGEST_AMOUNT = 10**400  # amounts are whole numbers of tiny units
_MOST_BYTES = 2**30
_COLUMNS = {"seq": int, "prev": str, "body": str, "digest": str}
# The table must be this one: no view or virtual table answers in its place. Triggers guard writing only.
_TABLE = (
    "CREATE TABLE entries"
    " (seq INTEGER PRIMARY KEY, prev TEXT NOT NULL, body TEXT NOT NULL, digest TEXT NOT NULL) STRICT"
)


class LedgerError(ValueError):
    """The ledger cannot be read, or its chain is broken. The message says where."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry whose place in the chain was recomputed."""

    seq: int
    digest: str
    body: dict[str, Any]


def read(path: str | Path) -> tuple[Entry, ...]:
    """All entries of a ledger, its chain recomputed from the first.

    Args:
        path: The SQLite file of a ledger, or an export in lines of JSON.

    Raises:
        LedgerError: It is neither, or the chain is broken.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            database = stream.read(len(_MAGIC)) == _MAGIC
        rows = _rows(file) if database else _lines(file)
    except OSError as error:
        raise LedgerError(f"The ledger cannot be read ({error.strerror}).") from error
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise LedgerError(f"The ledger is no sound SQLite file ({error}).") from error
    entries = tuple(_chained(rows))
    if not entries:
        raise LedgerError("The ledger holds no entry.")
    return entries


def _chained(rows: Iterable[tuple[int, str, str, str]]) -> Iterator[Entry]:
    before = GENESIS
    for place, (seq, prev, body, digest) in enumerate(rows):
        text = f"{place}\n{before}\n{body}".encode("utf-8", "surrogateescape")
        if (seq, prev, digest) != (place, before, hashlib.sha256(text).hexdigest()):
            raise LedgerError(
                f"The chain of the ledger is broken at entry {place}: it was changed, moved or removed."
            )
        try:
            content = parse(body.encode("ascii"), largest=_LARGEST_AMOUNT)
        except ValueError:
            raise LedgerError(f"Entry {place} of the ledger is not canonical JSON.") from None
        if not isinstance(content, dict) or not isinstance(content.get("kind"), str):
            raise LedgerError(f"Entry {place} of the ledger says not of which kind it is.")
        before = digest
        yield Entry(seq=place, digest=digest, body=content)


def _rows(file: Path) -> list[tuple[int, str, str, str]]:
    """The rows of the one table. Nothing is written; a log beside the file is read with it."""
    place = f"file:{quote(str(file.resolve()))}?mode=ro"
    logged = file.with_name(file.name + "-wal")
    quiet = not logged.exists() or not logged.stat().st_size
    try:
        return _query(place)
    except sqlite3.OperationalError:
        if not quiet:
            raise
        return _query(place + "&immutable=1")  # in a folder that cannot be written


def _query(place: str) -> list[tuple[int, str, str, str]]:
    with closing(sqlite3.connect(place, uri=True)) as connection:
        connection.text_factory = lambda raw: raw.decode("ascii", "surrogateescape")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA query_only=ON")
        others = set(
            connection.execute("SELECT type, tbl_name, sql FROM sqlite_schema WHERE type <> 'trigger'")
        )
        if others != {("table", "entries", _TABLE)}:
            raise LedgerError("The SQLite file is no ledger: it holds other tables.")
        rows = connection.execute("SELECT seq, prev, body, digest FROM entries ORDER BY seq").fetchall()
    for row in rows:
        if [type(value) for value in row] != list(_COLUMNS.values()):
            raise LedgerError("The SQLite file holds something else than entries.")
    return rows


def _lines(file: Path) -> list[tuple[int, str, str, str]]:
    if file.stat().st_size > _MOST_BYTES:
        raise LedgerError("The export of the ledger is larger than 1 GiB.")
    lines = file.read_bytes().split(b"\n")
    if lines.pop() != b"":
        raise LedgerError("The export of the ledger does not end with a line feed: its end is missing.")
    found = [_line(line, number) for number, line in enumerate(lines, start=1)]
    head = found.pop(0) if found and "format" in found[0] else None
    rows = []
    for number, row in enumerate(found, start=1 + (head is not None)):
        if {name: type(value) for name, value in row.items()} != _COLUMNS:
            raise LedgerError(f"Line {number} of the export is no entry of a ledger.")
        rows.append((row["seq"], row["prev"], row["body"], row["digest"]))
    if head is not None:
        _check_head(head, rows)
    return rows


def _check_head(head: dict[str, Any], rows: list[tuple[int, str, str, str]]) -> None:
    if head.keys() != {"format", "ledger", "entries", "digest"} or head["format"] != _LINES:
        raise LedgerError(f"The first line of the export is not of the format {_LINES!r}.")
    if not rows or (head["entries"], head["digest"]) != (len(rows), rows[-1][3]):
        raise LedgerError("The export of the ledger does not hold what its first line says: it was cut off.")


def _line(line: bytes, number: int) -> dict[str, Any]:
    try:
        content = parse(line, largest=_LARGEST_AMOUNT)
    except JsonError as error:
        raise LedgerError(f"Line {number} of the export: {error}") from None
    if not isinstance(content, dict):
        raise LedgerError(f"Line {number} of the export is no entry of a ledger.")
    return content
