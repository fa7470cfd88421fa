"""The protocol that a generator receives instead of a table, and what a session needs of it in turn.

`Session` runs implement it with data behind it, `Replay` without. Whatever a generator computes, it
computes from the answers of this protocol; that both implementations give the identical model proves
it (tests/contract).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from dpsynth.mechanisms.base import Measurement, Mechanism
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session.plan import Plan

__all__ = ["Door", "Fits", "Judges", "Measurer"]

FittedT_co = TypeVar("FittedT_co", covariant=True)
FittedT_contra = TypeVar("FittedT_contra", contravariant=True)


class Measurer(Protocol):
    """Paid, noisy access to one table."""

    @property
    def schema(self) -> Schema:
        """The public schema, complete: every modelled column has its categories or cells."""
        ...

    @property
    def budget(self) -> Budget:
        """What this run may spend: `generator.plan(measurer.schema, measurer.budget)` is its plan."""
        ...

    def measure(self, mechanism: Mechanism) -> Measurement:
        """Pay for `mechanism`, run it and return its noisy answers.

        Raises:
            BudgetExceededError: The next event of the committed plan is another one, or none is left.
        """
        ...

    def select(self, mechanism: Mechanism) -> int:
        """Pay for a selection mechanism and return the index that it chose."""
        ...


class Door:
    """The measurer of a run. It holds one function; the rows are behind it."""

    __slots__ = ("budget", "measure", "schema")

    def __init__(self, schema: Schema, budget: Budget, measure: Callable[[Mechanism], Measurement]) -> None:
        self.schema = schema
        self.budget = budget
        self.measure = measure

    def select(self, mechanism: Mechanism) -> int:
        """See `Measurer`."""
        return int(self.measure(mechanism).values[0][0])


class Fits(Protocol[FittedT_co]):
    """What a session needs of a generator."""

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """What `fit` will ask."""
        ...

    def fit(self, measurer: Measurer, *, rng: Any = None) -> FittedT_co:
        """Measure and return a model."""
        ...


class Judges(Protocol[FittedT_contra]):
    """What a selection needs to rate a model."""

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """What `score` will ask, whatever the model is. Not adaptive."""
        ...

    def score(self, model: FittedT_contra, measurer: Measurer) -> float:
        """Measure, and rate the model: higher is better. What is no number counts as the lowest."""
        ...
