"""How far a run is, and what it has cost so far."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from dpsynth.errors import PrivacyError
from dpsynth.privacy.accountant import Price, price
from dpsynth.privacy.events import Event

__all__ = ["Progress"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a run is. Holds nothing that the guarantee does not cover.

    Attributes:
        label: What was measured last.
        done: Paid steps that are finished.
        steps: Paid steps in all.
        epsilon: What the finished steps cost together, at most, at the delta of the run. It is asked of all
            engines but privacy loss distributions, which take seconds, and is never more than `reserved`;
            that from the first step on where later steps follow earlier answers.
        reserved: What the whole run costs, however far it comes.
    """

    label: str
    done: int
    steps: int
    epsilon: float
    reserved: float

    @classmethod
    def after(
        cls, events: Sequence[Event], label: str, *, steps: int, whole: Price, adaptive: bool
    ) -> Progress:
        """After these events of a run that costs `whole`. Uses no data."""
        epsilon = whole.epsilon
        if not adaptive:
            with suppress(PrivacyError):  # where no quick engine knows a finite price
                epsilon = min(epsilon, price(events, delta=whole.delta).epsilon)
        return cls(label=label, done=len(events), steps=steps, epsilon=epsilon, reserved=whole.epsilon)
