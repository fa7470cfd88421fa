"""A ledger as lines of JSON: what an auditor reads and checks without a database.

The first line names the ledger, the number of entries and the digest of the last one; each further line
is an entry as it is stored. Every line has one spelling only (canonical JSON), so that no byte can change
unseen. `docs/how-to/ledger.md` shows a program of a few lines that recomputes the chain.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dpsynth.errors import LedgerCorruptError, LedgerError
from dpsynth.ledger import Entry, Ledger, Verification
from dpsynth.ledger.chain import canonical
from dpsynth.ledger.verification import verified

__all__ = ["Export", "read_lines", "verify_lines", "write_lines"]

FORMAT = "dpsynth-ledger-lines/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """What the file says, before its chain is recomputed.

    Attributes:
        ledger: Identity of the ledger.
        entries: All entries, in the order of the file.
        digest: Digest of the last entry, by the first line.
    """

    ledger: str
    entries: tuple[Entry, ...]
    digest: str


def write_lines(ledger: Ledger, path: str | Path) -> int:
    """Write all entries of `ledger` to the new file `path`; the number of entries.

    Raises:
        LedgerCorruptError: The ledger is not sound.
        LedgerError: The file exists or cannot be written.
    """
    identity, entries = ledger.identity, ledger.entries()
    first = {"format": FORMAT, "ledger": identity, "entries": len(entries), "digest": entries[-1].digest}
    text = "".join(canonical(line) + "\n" for line in (first, *(asdict(entry) for entry in entries)))
    try:
        with Path(path).open("x", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise LedgerError(
            f"The export {path} cannot be written ({error.strerror}). Give a file that does not exist yet."
        ) from error
    return len(entries)


def read_lines(path: str | Path) -> Export:
    """Read an export. Its chain is not recomputed: see `verify_lines`, or `Ledger.restore`.

    Raises:
        LedgerCorruptError: It is no export of this format, or not as long as it says.
        LedgerError: It cannot be read.
    """
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise LedgerError(f"The export {path} cannot be read ({error.strerror}).") from error
    if not text.endswith(b"\n"):
        raise LedgerCorruptError(f"The file {path} is no export of a ledger, or its end is missing.")
    first, *rest = (_parsed(line, number) for number, line in enumerate(text[:-1].split(b"\n"), start=1))
    if first.keys() != {"format", "ledger", "entries", "digest"} or first["format"] != FORMAT:
        raise LedgerCorruptError(f"The file {path} is no export of the format {FORMAT!r}.")
    entries = tuple(_entry(content, number) for number, content in enumerate(rest, start=2))
    if first["entries"] != len(entries) or not entries:
        raise LedgerCorruptError(f"The export {path} does not hold as many entries as its first line says.")
    return Export(ledger=first["ledger"], entries=entries, digest=first["digest"])


def verify_lines(export: Export) -> Verification:
    """Recompute an export from its first entry, as `Ledger.verify` does: chain, caps and runs."""
    found = verified(export.entries)
    if not found.ok:
        return found
    if (export.entries[0].content["ledger"], export.entries[-1].digest) != (export.ledger, export.digest):
        reason = "The first line of the export names another ledger or another last entry."
        return Verification(ok=False, entries=found.entries, first_bad_seq=found.entries, reason=reason)
    return found


def _parsed(line: bytes, number: int) -> dict[str, Any]:
    try:
        content = json.loads(line.decode("ascii"))
        one_spelling = isinstance(content, dict) and canonical(content).encode("ascii") == line
    except (ValueError, RecursionError) as error:
        raise LedgerCorruptError(f"Line {number} of the export is not canonical JSON.") from error
    if not one_spelling:
        raise LedgerCorruptError(f"Line {number} of the export is not canonical JSON.")
    return content  # type: ignore[no-any-return]


def _entry(content: dict[str, Any], number: int) -> Entry:
    types = {"seq": int, "prev": str, "body": str, "digest": str}
    if content.keys() != types.keys() or any(type(content[name]) is not types[name] for name in types):
        raise LedgerCorruptError(f"Line {number} of the export is no entry of a ledger.")
    return Entry(**content)
