"""The contract of a generator: a frozen configuration with `plan` and `fit`.

A new generator is one file with a `Generator`, a `Model` and one line in `registry.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np

from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer
from dpsynth.session.plan import Plan, Step

__all__ = ["Generator", "Model", "Plan", "Rng", "Step", "holds_zeros", "random_generator"]

Rng = int | np.random.Generator | None


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
    """A frozen, keyword-only configuration of one method.

    A class that sets `holds_zeros = True` promises that its models hold every constraint of a schema. All
    others are refused for schemas with constraints that have to be modelled (see `with_constraints`).
    """

    @property
    def name(self) -> str:
        """What the registry and the plan call the method."""
        ...

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """What `fit` will ask under this budget. Uses no data; deterministic."""
        ...

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> Model:
        """Measure what the plan says and return the model. Sees noisy answers only."""
        ...


def holds_zeros(generator: Generator) -> bool:
    """Whether the models of `generator` hold the constraints of their schema."""
    return bool(getattr(generator, "holds_zeros", False))


def random_generator(rng: Rng) -> np.random.Generator:
    """The post-processing generator for a seed, a generator or nothing."""
    return rng if isinstance(rng, np.random.Generator) else np.random.default_rng(rng)
