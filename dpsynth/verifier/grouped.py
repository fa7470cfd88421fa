"""Lists of events as a certificate writes them: each with the number of times that it happens in a row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

__all__ = ["grouped", "plan_digests"]

Event: TypeAlias = "Mapping[str, Any]"

_REAL = frozenset({"mu", "epsilon", "delta", "rho", "sampling_rate", "noise_multiplier", "mean", "eta"})
_MOST_BYTES = 2**28


def grouped(events: Iterable[tuple[int, Event]]) -> list[tuple[int, Event]]:
    """Equal neighbours as one, so that two spellings of the same list are equal."""
    found: list[tuple[int, Event]] = []
    for times, event in events:
        if found and found[-1][1] == event:
            found[-1] = (found[-1][0] + times, event)
        else:
            found.append((times, event))
    return found


def plan_digests(plan: Mapping[str, Any]) -> frozenset[str]:
    """What the ledger may hold as the digest of a plan: SHA-256 of its JSON, keys sorted, events unfolded.

    Canonical JSON writes 1.0 as 1, so that a whole number may have been either: one digest for each. None if
    the unfolded text would be larger than 256 MiB.
    """
    return frozenset(found for real in (True, False) if (found := _digest(plan, real=real)) is not None)


def _digest(plan: Mapping[str, Any], *, real: bool) -> str | None:
    adaptive, method = json.dumps(plan["adaptive"]), json.dumps(plan["method"])
    events = [(part["times"], _real(part["event"]) if real else part["event"]) for part in plan["events"]]
    texts = [(times, json.dumps(event, sort_keys=True)) for times, event in events]
    if sum(times * (len(text) + 2) for times, text in texts) > _MOST_BYTES:
        return None
    digest = hashlib.sha256(f'{{"adaptive": {adaptive}, "events": ['.encode())
    for place, (times, text) in enumerate(texts):
        digest.update(f"{', ' if place else ''}{text}".encode())
        _update(digest, f", {text}".encode(), times - 1)
    digest.update(f'], "method": {method}}}'.encode())
    return digest.hexdigest()


def _update(digest: Any, piece: bytes, times: int) -> None:
    """Feed `piece` so many times, in blocks."""
    block = max(1, 2**16 // len(piece))
    for _ in range(times // block):
        digest.update(piece * block)
    digest.update(piece * (times % block))


def _real(value: Any) -> Any:
    if isinstance(value, list):
        return [_real(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: float(item) if key in _REAL else _real(item) for key, item in value.items()}
