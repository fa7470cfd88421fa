"""The whole verification: what the stand-alone verifier checks, and the rows of the Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dpsynth.verifier.check import read_certificate
from dpsynth.verifier.check import verify as verify_alone
from dpsynth.verifier.verdict import Statement, Verification, failed, recomputed

__all__ = ["Verification", "verify"]

_DATA, _TEXT, _SCHEMA = "data.parquet", "data.csv", "schema.json"
_ROWS = "data: rows"
# What readers of hostile files have been seen to raise.
_TROUBLE = (OSError, ValueError, TypeError, LookupError, ArithmeticError, NotImplementedError, MemoryError)


def verify(
    folder: str | Path,
    *,
    trust: Sequence[str | Path] = (),
    any_key: bool = False,
    policy: str | Path | None = None,
    ledger: str | Path | None = None,
) -> Verification:
    """Check a release, offline and without the private data.

    Args:
        folder: What `publish` wrote.
        trust: Files of public keys that you got from the publisher by another way.
        any_key: Go on without a trusted key: who signed is then only attested.
        policy: JSON file of your own limits.
        ledger: The publisher's ledger, or an export of it, if you were given one.

    Returns:
        Statements with their standing (`recomputed`, `attested` or `failed`), and whether none failed.
        Hostile input is a failed statement, never an error.
    """
    place = Path(folder)
    return verify_alone(
        place,
        trust=trust,
        any_key=any_key,
        policy=policy,
        ledger=ledger,
        rows=False,  # read here, faster, and in both forms
        more=_conformance(place),
    )


def _conformance(folder: Path) -> tuple[Statement, ...]:
    """Whether the rows are what the schema declares. A folder that cannot be read says so elsewhere."""
    from dpsynth.errors import DpsynthError
    from dpsynth.release.conformance import faults

    try:
        rows = read_certificate(folder)["predicate"]["sample"]["rows"]
        text = folder / _TEXT if (folder / _TEXT).is_file() else None
        found = faults(folder / _DATA, folder / _SCHEMA, rows=rows, text=text)
    except (DpsynthError, *_TROUBLE):
        found = (
            "The rows cannot be compared with the schema: a file is missing, damaged or of another form.",
        )
    if found:
        return tuple(failed(_ROWS, words) for words in found)
    same = "" if text is None else f", and {_TEXT} holds the same rows"
    words = (
        f"every row of {_DATA} meets the declared columns, bounds, categories, constraints and rules{same}"
    )
    return (recomputed(_ROWS, words),)
