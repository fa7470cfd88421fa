"""The contract of a generator: a frozen configuration with `plan` and `fit`.

A new generator is one file with a `Generator`, a `Model` and one line in `registry.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer
from dpsynth.session.plan import Plan, Step

__all__ = [
    "ExactModel",
    "Generator",
    "Model",
    "Plan",
    "Rng",
    "Step",
    "holds_zeros",
    "random_generator",
]

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
        self, rows: int, rng: np.random.Generator, given: Mapping[str, int | Sequence[int]] | None = None
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Draw `rows` records as codes, one array for each modelled column.

        Args:
            rows: How many.
            rng: Source of the draws.
            given: By column the code that every record has, or the codes among which it has one.
        """
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


@runtime_checkable
class ExactModel(Model, Protocol):
    """A model that also answers exactly; all shipped ones do. What needs more than rows asks for this."""

    def marginal(self, columns: Sequence[str]) -> np.ndarray[Any, Any]:
        """The probabilities of any columns over their codes, axes in the order of `columns`.

        Raises:
            ConfigurationError: No different modelled columns, or a table that is too large.
        """
        ...

    def probability(self, given: Mapping[str, Any]) -> float:
        """The share of records that have `given`: by column a code, several codes, or a weight for each.

        The records are those of the model, before rows that break a rule of the schema are drawn again.
        """
        ...

    def complete_codes(
        self, rows: int, known: Mapping[str, np.ndarray[Any, Any]], rng: np.random.Generator
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Records of which something is known.

        Args:
            rows: How many.
            known: By column the code of each record; -1 where any code but "missing" is to be drawn.
                Columns that are not listed are drawn, "missing" included.
            rng: Source of the draws.

        Returns:
            For each modelled column the known codes, and where there were none draws given all others.
        """
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
