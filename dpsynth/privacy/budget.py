"""A budget: what a run may spend at most."""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth import _validate
from dpsynth.errors import ConfigurationError

NEEDS_DELTA = (
    "A Gaussian method needs delta > 0; choose for example 1e-9, far below one over the number of people."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """An upper limit, stated as (epsilon, delta) or as rho with the delta at which it is reported.

    Exactly one of `epsilon` and `rho` is given. There is no value that means "no privacy".

    Attributes:
        epsilon: The epsilon of (epsilon, delta)-differential privacy; > 0 and finite.
        delta: In [0, 1). Zero allows pure mechanisms only.
        rho: The parameter of zero-concentrated differential privacy (Bun and Steinke, 2016).
    """

    epsilon: float | None = None
    delta: float = 0.0
    rho: float | None = None

    def __post_init__(self) -> None:
        if (self.epsilon is None) == (self.rho is None):
            raise ConfigurationError("Expected exactly one of epsilon and rho.")
        if self.epsilon is not None:
            _validate.positive("epsilon", self.epsilon)
        if self.rho is not None:
            _validate.positive("rho", self.rho)
        if not 0 <= _validate.number("delta", self.delta) < 1:
            raise ConfigurationError(
                f"Expected 0 <= delta < 1, got {self.delta!r}; far below 1 / (number of people) is usual."
            )
        if self.rho is not None and self.delta == 0:
            raise ConfigurationError("A rho budget needs the delta > 0 at which its epsilon is reported.")
