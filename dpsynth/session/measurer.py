"""The protocol that a generator receives instead of a table.

`Session` runs implement it with data behind it, `Replay` without. Whatever a generator computes, it
computes from the answers of this protocol; that both implementations give the identical model proves
it (tests/contract).
"""

from __future__ import annotations

from typing import Protocol

from dpsynth.mechanisms.base import Measurement, Mechanism
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema


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
