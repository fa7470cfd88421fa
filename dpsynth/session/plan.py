"""What a run commits before the first draw."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dpsynth.privacy.events import Event, event_from_json

__all__ = ["Commitment", "Plan", "Step"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One line of a plan: what is asked, what it costs, and how noisy it will be."""

    label: str
    event: Event
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Commitment:
    """What the ledger is told of a plan before the first draw: enough to price it, and to recognise it.

    Attributes:
        method: What will run.
        adaptive: Whether the events are a whole that a filter keeps to, instead of the draws themselves.
        events: What is paid.
    """

    method: str
    adaptive: bool
    events: tuple[Event, ...]

    def digest(self) -> str:
        """SHA-256 over the commitment as JSON with sorted keys."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` reads them back."""
        events = [event.to_json() for event in self.events]
        return {"method": self.method, "adaptive": self.adaptive, "events": events}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Commitment:
        """Read a commitment back.

        Raises:
            KeyError: A field is missing.
            TypeError: A field is unknown, or of another type.
            UnsupportedEventError: This version does not know an event.
        """
        if not isinstance(data["adaptive"], bool):
            raise TypeError("adaptive is a truth value")
        return cls(**{**data, "events": tuple(event_from_json(event) for event in data["events"])})


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a fit will ask, in order, fixed before the first draw.

    Attributes:
        method: Name of the generator.
        steps: One for each paid access, in the order in which `fit` makes them. An adaptive plan has
            one step whose event (zCDP, or a Gaussian) is the whole.
        adaptive: Whether `fit` chooses noise levels from earlier answers. Then every draw has to pass
            a filter over the whole, and the whole is what the run costs (pitfall P16).
        expected_error: Public forecasts, for example the expected noise of a marginal in rows.
        memory_bytes: Upper bound on the size of the model and its largest tables.
        seconds: Rough time that training takes for 100,000 rows on two processor cores; 0 where nothing is
            trained. The number of rows is private, so a plan cannot say more.
        thorough: Whether the plan counts on the price of privacy loss distributions (extra `pld`), which
            takes seconds. For fixed plans only.
    """

    method: str
    steps: tuple[Step, ...]
    adaptive: bool = False
    expected_error: Mapping[str, float] = field(default_factory=dict)
    memory_bytes: int = 0
    seconds: float = 0.0
    thorough: bool = False

    @property
    def events(self) -> tuple[Event, ...]:
        """The events of all steps, in order."""
        return tuple(step.event for step in self.steps)

    @property
    def commitment(self) -> Commitment:
        """What a session commits to the ledger before drawing."""
        return Commitment(method=self.method, adaptive=self.adaptive, events=self.events)

    def digest(self) -> str:
        """SHA-256 over method, mode and events."""
        return self.commitment.digest()
