"""The whole verification: what the stand-alone verifier checks, and the rows of the Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dpsynth.verifier.check import read_certificate
from dpsynth.verifier.check import verify as verify_alone
from dpsynth.verifier.verdict import Statement, Verification, failed, recomputed

__all__ = ["Verification", "verify"]

_DATA, _SCHEMA = "data.parquet", "schema.json"
_ROWS = "data: rows"


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
    found = verify_alone(
        place, trust=trust, any_key=any_key, policy=policy, ledger=ledger, more=_conformance(place)
    )
    # What the program alone cannot read is read here.
    kept = (one for one in found.statements if (one.subject, one.standing) != (_ROWS, "attested"))
    return Verification(statements=tuple(kept))


def _conformance(folder: Path) -> tuple[Statement, ...]:
    """Whether the rows are what the schema declares. A folder that cannot be read says so elsewhere."""
    from dpsynth.errors import DpsynthError
    from dpsynth.release.conformance import faults

    try:
        rows = read_certificate(folder)["predicate"]["sample"]["rows"]
        found = faults(folder / _DATA, folder / _SCHEMA, rows=rows)
    except (DpsynthError, OSError, ValueError):
        found = (
            "The rows cannot be compared with the schema: a file is missing, damaged or of another form.",
        )
    if found:
        return tuple(failed(_ROWS, words) for words in found)
    words = f"every row of {_DATA} meets the declared columns, bounds, categories, constraints and rules"
    return (recomputed(_ROWS, words),)
