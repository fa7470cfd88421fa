"""What an adaptive run may still spend, whatever filter admits its steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import mu_of, rho_of
from dpsynth.privacy.events import Event, GaussianEvent, ZCDPEvent
from dpsynth.privacy.filters import Filter, GDPFilter, ZCDPFilter

__all__ = ["UNDER", "Allowance"]

UNDER = 1 - 1e-9
"""More than rounding can add to what a step costs."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A filter, with amounts in one currency: rho for zCDP, half of mu squared for GDP.

    In both a Gaussian costs mu² / 2. A choice by the exponential mechanism costs epsilon² / 8 in zCDP and
    pi / 16 epsilon² in GDP, which in turn grants more for the same (epsilon, delta).

    Privacy: every step passes the filter, so the whole costs at most `whole`, wherever it stops
        (pitfall P16). Which filter it is follows from the budget and from public shares.
    """

    room: Filter

    @classmethod
    def of(cls, budget: Budget, *, choices: float) -> Allowance:
        """The filter under which a run goes further that spends the part `choices` on choices."""
        mu, rho = mu_of(budget), rho_of(budget)
        dearer = 1 + (math.pi / 2 - 1) * choices
        return cls(GDPFilter(mu=mu) if mu * mu / 2 > dearer * rho else ZCDPFilter(rho=rho))

    @property
    def whole(self) -> Event:
        """The event that stands for the run."""
        room = self.room
        return GaussianEvent(mu=room.mu) if isinstance(room, GDPFilter) else ZCDPEvent(rho=float(room.limit))

    @property
    def left(self) -> float:
        """What remains."""
        remaining = self.room.remaining
        return remaining**2 / 2 if isinstance(self.room, GDPFilter) else remaining

    def mu(self, amount: float) -> float:
        """The precision of a Gaussian for `amount`."""
        return UNDER * math.sqrt(2 * amount)

    def epsilon(self, amount: float) -> float:
        """The parameter of a choice for `amount`."""
        share = 16 / math.pi if isinstance(self.room, GDPFilter) else 8.0
        return UNDER * math.sqrt(share * amount)

    def spend(self, event: Event) -> Allowance:
        """The allowance after `event`."""
        return replace(self, room=self.room.spend(event))
