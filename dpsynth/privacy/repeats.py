"""How often a run is repeated before the best is kept, and what each run may then spend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import calibrate
from dpsynth.privacy.events import Event, RepeatSelectEvent, ZCDPEvent

__all__ = ["Repetitions", "base_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Repetitions:
    """The law of a random number of runs (Papernot and Steinke, 2022).

    The logarithmic law, the default, is the cheapest for its mean. Its tail is long: half of the time there
    are far fewer runs than the mean, and now and then several times as many.

    Attributes:
        mean: Expected number of runs.
        eta: 0 is the logarithmic law, 1 the geometric one; a larger eta costs more and spreads less.
        distribution: "negative-binomial", or "poisson", under which there may be no run at all.
    """

    mean: float = 10.0
    eta: float = 0.0
    distribution: str = "negative-binomial"

    def __post_init__(self) -> None:
        self.event((ZCDPEvent(rho=1.0),))  # an impossible law is told here

    def event(self, runs: Sequence[Event]) -> RepeatSelectEvent:
        """What selection costs if a run spends one of `runs`."""
        return RepeatSelectEvent(
            events=tuple(runs), distribution=self.distribution, mean=self.mean, eta=self.eta
        )


def base_of(budget: Budget, repetitions: Repetitions) -> Budget:
    """What each run may spend, as rho, if `budget` pays for the selection among all.

    Raises:
        BudgetExceededError: The number of runs alone costs more than the budget.
        UnsupportedEventError: The budget is stated as rho: selection has no rho.
    """
    rho = calibrate(lambda size: [repetitions.event((ZCDPEvent(rho=size),))], budget)
    return Budget(rho=rho, delta=budget.delta)
