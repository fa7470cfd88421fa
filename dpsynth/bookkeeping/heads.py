"""Signed heads: a dated statement of where a ledger stood, kept by somebody else.

A ledger cannot tell by itself that it is an older copy of itself, or one of two copies that went on
separately. Whoever kept a signed head can: the entry that it names must be in the chain, with that digest.

The signature is Ed25519 (RFC 8032) over the line `dpsynth-ledger-head/1`, a line feed and the statement
as canonical JSON, so that it cannot be taken for a signature of anything else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpsynth.errors import LedgerError
from dpsynth.ledger import Entry, Head, Ledger
from dpsynth.ledger.chain import canonical
from dpsynth.ledger.verification import missing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["SignedHead", "absent", "check_head", "read_head", "sign_head"]

KIND = "dpsynth-ledger-head/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedHead:
    """Where a ledger stood.

    Attributes:
        ledger: Its identity.
        seq: Number of its last entry.
        digest: Digest of that entry.
        time: When this was signed, in UTC, by the clock of the signer.
        signature: Ed25519 signature, in hexadecimal digits.
    """

    ledger: str
    seq: int
    digest: str
    time: str
    signature: str

    @property
    def head(self) -> Head:
        """The entry that must be in the chain."""
        return Head(seq=self.seq, digest=self.digest)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `read_head` reads them back."""
        return {"kind": KIND, **asdict(self)}

    def save(self, path: str | Path) -> None:
        """Write the head to a file."""
        Path(path).write_text(json.dumps(self.to_json(), indent=2, sort_keys=True) + "\n")

    def verify(self, key: Ed25519PublicKey) -> None:
        """Check the signature.

        Raises:
            LedgerError: The key did not sign this.
        """
        from cryptography.exceptions import InvalidSignature

        try:
            key.verify(bytes.fromhex(self.signature), _signed(self))
        except (InvalidSignature, ValueError) as error:
            raise LedgerError(
                "This head was changed, or signed with another key. Get it from whoever kept it, and the "
                "public key from whoever signed it."
            ) from error


def sign_head(ledger: Ledger, key: Ed25519PrivateKey) -> SignedHead:
    """State where `ledger` stands now, and sign it: for somebody who cannot write the ledger to keep."""
    head, now = ledger.head(), datetime.now(UTC).isoformat(timespec="seconds")
    unsigned = SignedHead(ledger=ledger.identity, seq=head.seq, digest=head.digest, time=now, signature="")
    words = asdict(unsigned) | {"signature": key.sign(_signed(unsigned)).hex()}
    return SignedHead(**words)


def read_head(path: str | Path) -> SignedHead:
    """Read a signed head. Its signature is not checked yet.

    Raises:
        LedgerError: The file is none.
    """
    try:
        content = json.loads(Path(path).read_bytes())
        kind, head = content.pop("kind"), SignedHead(**content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LedgerError(f"The file {path} is no signed head of a ledger.") from error
    texts = (head.ledger, head.digest, head.time, head.signature)
    if kind != KIND or type(head.seq) is not int or not all(isinstance(text, str) for text in texts):
        raise LedgerError(f"The file {path} is no signed head of the kind {KIND!r}.")
    return head


def check_head(entries: Sequence[Entry], head: SignedHead) -> str:
    """What a signed head reveals about a sound chain: an empty text if it is in it.

    Args:
        entries: All entries of the ledger, verified.
        head: Seen earlier; its signature verified.

    Returns:
        Words that name what happened: another ledger, an older copy, or a fork.
    """
    identity = entries[0].content["ledger"]
    if identity != head.ledger:
        return f"The head is of the ledger {head.ledger!r}, and this is the ledger {identity!r}."
    trouble = absent(entries, head.head)
    return trouble and f"{trouble} The head was signed at {head.time}."


def absent(entries: Sequence[Entry], head: Head) -> str:
    """Why `head` is not among all entries of a ledger; an empty text if it is."""
    if 0 <= head.seq < len(entries) and entries[head.seq].digest == head.digest:
        return ""
    return missing(head, Head(seq=entries[-1].seq, digest=entries[-1].digest))


def _signed(head: SignedHead) -> bytes:
    statement = asdict(head)
    del statement["signature"]
    return f"{KIND}\n{canonical(statement)}".encode("ascii")
