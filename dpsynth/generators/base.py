"""The contract of a generator: a frozen configuration with `plan` and `fit`.

A new generator is one file with a `Generator`, a `Model` and one line in `registry.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd

from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import Event
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

Rng = int | np.random.Generator | None


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
        steps: One for each paid access, in the order in which `fit` makes them.
        expected_error: Public forecasts, for example the expected noise of a marginal in rows.
        memory_bytes: Upper bound on the size of the model and its largest tables.
    """

    method: str
    steps: tuple[Step, ...]
    expected_error: Mapping[str, float] = field(default_factory=dict)
    memory_bytes: int = 0

    @property
    def events(self) -> tuple[Event, ...]:
        """The events of all steps, in order."""
        return tuple(step.event for step in self.steps)

    def digest(self) -> str:
        """SHA-256 over method and events: what a session commits to the ledger before drawing."""
        body = {"method": self.method, "events": [e.to_json() for e in self.events]}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


class Model(Protocol):
    """A fitted, data-free model over the codes of a schema."""

    name: ClassVar[str]

    @property
    def schema(self) -> Schema:
        """The schema whose codes the model speaks."""
        ...

    @property
    def total(self) -> float:
        """The DP estimate of the number of rows (never the count itself)."""
        ...

    def sample_codes(
        self, rows: int, rng: np.random.Generator, given: Mapping[str, int] | None = None
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Draw `rows` records as codes, one array for each modelled column; `given` fixes codes."""
        ...

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """JSON-able header and arrays: everything that `from_state` needs."""
        ...

    @classmethod
    def from_state(
        cls, schema: Schema, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]
    ) -> Model:
        """Rebuild the model; refuses what does not fit with `StorageError`."""
        ...


class Generator(Protocol):
    """A frozen, keyword-only configuration of one method."""

    name: ClassVar[str]

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """What `fit` will ask under this budget. Uses no data; deterministic."""
        ...

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> Model:
        """Measure what the plan says and return the model. Sees noisy answers only."""
        ...


def random_generator(rng: Rng) -> np.random.Generator:
    """The post-processing generator for a seed, a generator or nothing."""
    return rng if isinstance(rng, np.random.Generator) else np.random.default_rng(rng)
