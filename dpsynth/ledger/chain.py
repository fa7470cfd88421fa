"""Entries and the hash chain that binds them.

An entry's digest is SHA-256 over its number, the digest before it and its body, separated by line
feeds. The body is canonical JSON (sorted keys, no spaces, ASCII), so that anybody can recompute the
chain with nothing but a SHA-256 tool. Changing, removing or moving an entry breaks the chain there;
cutting off the end does not, so that a certificate carries the head it saw (`Ledger.verify`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpsynth.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The number and digest of an entry that is on disk: proof of everything up to it."""

    seq: int
    digest: str


BEFORE_FIRST = Head(seq=-1, digest="0" * 64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of a ledger, as it is stored."""

    seq: int
    prev: str
    body: str
    digest: str

    @property
    def content(self) -> dict[str, Any]:
        """The body as JSON values; `kind` says which entry this is and `time` when (UTC)."""
        return dict(json.loads(self.body))


def link(head: Head, body: str) -> Entry:
    """The entry with this body that follows `head`."""
    seq = head.seq + 1
    text = f"{seq}\n{head.digest}\n{body}".encode("ascii", "surrogateescape")
    return Entry(seq=seq, prev=head.digest, body=body, digest=hashlib.sha256(text).hexdigest())


def canonical(content: Mapping[str, Any]) -> str:
    """Canonical JSON of plain values.

    Raises:
        ConfigurationError: Something in it is no plain, finite JSON value.
    """
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            "Expected plain, finite JSON values (dict, list, str, int, float, bool, None) in a ledger entry."
        ) from error
