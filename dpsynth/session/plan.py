"""What a run commits before the first draw."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from dpsynth.privacy.events import Event

__all__ = ["Plan", "Step"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One line of a plan: what is asked, what it costs, and how noisy it will be."""

    label: str
    event: Event
    detail: str = ""


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

    def digest(self) -> str:
        """SHA-256 over method, mode and events: what a session commits to the ledger before drawing."""
        events = [event.to_json() for event in self.events]
        body = {"method": self.method, "adaptive": self.adaptive, "events": events}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
