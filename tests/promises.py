"""Guarantees for tests that need one and no run."""

from __future__ import annotations

from typing import Any

from dpsynth import Unit
from dpsynth.privacy import Event, price
from dpsynth.session import Commitment, Guarantee, LedgerPosition, LedgerRecord

PLACE = LedgerPosition(sequence=1, digest="0" * 64)
RECORD = LedgerRecord(ledger="a" * 32, before=PLACE, reserved=PLACE, after=PLACE)


def promise(
    *events: Event, delta: float = 1e-5, adaptive: bool = False, labels: tuple[str, ...] = (), **more: Any
) -> Guarantee:
    """The guarantee of a run that drew `events`, at their own price."""
    cost = price(events, delta=delta, adaptive=adaptive)
    fields = {"epsilon": cost.epsilon, "engine": cost.engine, "unit": Unit(), "dataset": "people"}
    fields["configuration"] = {"type": "MST"}
    method = str(more.setdefault("method", "mst"))
    return Guarantee(
        **{**fields, **more},
        delta=delta,
        events=events,
        labels=labels or tuple("step" for _ in events),
        committed=Commitment(method=method, adaptive=adaptive, events=events),
        ledger=RECORD,
    )
