"""What a verification says: one statement for each thing that was looked at."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["Standing", "Statement", "Verification", "attested", "failed", "plain", "recomputed"]

Standing: TypeAlias = Literal["recomputed", "attested", "failed"]

_MARKS = {"recomputed": "ok      ", "attested": "attested", "failed": "FAILED  "}
_LONGEST = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One finding.

    Attributes:
        subject: What was looked at, for example `claim: epsilon`.
        standing: `recomputed` (this program found it to be so), `attested` (only the signer says so) or
            `failed`.
        words: The finding in a sentence. No value of the data.
    """

    subject: str
    standing: Standing
    words: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """All findings about one release."""

    statements: tuple[Statement, ...]

    @property
    def ok(self) -> bool:
        """Whether there are findings and nothing failed."""
        return bool(self.statements) and not self.failed

    @property
    def failed(self) -> tuple[Statement, ...]:
        """What failed."""
        return tuple(statement for statement in self.statements if statement.standing == "failed")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        found = [asdict(statement) for statement in self.statements]
        return {"kind": "dpsynth-verification/1", "ok": self.ok, "statements": found}

    def to_text(self) -> str:
        """For people: one line for each finding, and the verdict last."""
        lines = [f"{_MARKS[s.standing]}  {plain(s.subject)}: {plain(s.words)}" for s in self.statements]
        count = {kind: sum(s.standing == kind for s in self.statements) for kind in _MARKS}
        told = f"{count['recomputed']} recomputed, {count['attested']} attested, {count['failed']} failed"
        return "\n".join([*lines, f"{'VERIFIED' if self.ok else 'NOT VERIFIED'}: {told}."])

    def __str__(self) -> str:
        return self.to_text()

    def dumps(self) -> str:
        """The JSON text of `to_json`, in ASCII."""
        return json.dumps(self.to_json(), indent=2)


def recomputed(subject: str, words: str) -> Statement:
    """This program found it to be so."""
    return Statement(subject=subject, standing="recomputed", words=words)


def attested(subject: str, words: str) -> Statement:
    """Only the signer says so."""
    return Statement(subject=subject, standing="attested", words=words)


def failed(subject: str, words: str) -> Statement:
    """It is not so, or could not be checked although it should."""
    return Statement(subject=subject, standing="failed", words=words)


def plain(text: str) -> str:
    """Text of strangers for a terminal: no control characters, no endless lines."""
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in text[:_LONGEST])
    return shown + ("..." if len(text) > _LONGEST else "")
