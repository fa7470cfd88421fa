"""What a run costs and what an account may spend, as integers that are never rounded in our favour.

Binary floating point absorbs a small spend in a large balance (pitfall P19), so that a ledger adds
integers: epsilon in units of 1e-9, delta of 1e-18, rho of 1e-12. A cost is rounded up to the next
unit, a cap down. A float is read as the shortest decimal that names it, the number that a person typed
and that a certificate prints: ten runs of 0.1 fit a cap of 1.0, and any cost above zero is at least
one unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TypeAlias

from dpsynth import _validate
from dpsynth.errors import ConfigurationError

Units: TypeAlias = "dict[str, int]"

SCALES = {"epsilon": 10**9, "delta": 10**18, "rho": 10**12}
# What each rule of an account adds up and limits.
LIMITS: dict[str, tuple[str, ...]] = {"basic": ("epsilon", "delta"), "zcdp": ("rho",)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """A sum or a balance for people to read; None where the account's rule does not add that number."""

    epsilon: float | None = None
    delta: float | None = None
    rho: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Cap:
    """What the runs of one account may spend together: (epsilon, delta) by sums, or rho by its sum.

    Attributes:
        epsilon: Limit of the sum of epsilons; at least 1e-9. Excludes `rho`.
        delta: Limit of the sum of deltas, in [0, 1).
        rho: Limit of the sum of zCDP parameters; at least 1e-12. Excludes `epsilon` and `delta`.
    """

    epsilon: float | None = None
    delta: float = 0.0
    rho: float | None = None

    def __post_init__(self) -> None:
        _delta(self.delta)
        if (self.epsilon is None) == (self.rho is None) or (self.rho is not None and self.delta):
            raise ConfigurationError("Expected a cap of epsilon (with delta), or of rho alone.")
        name = "rho" if self.epsilon is None else "epsilon"
        _validate.positive(f"cap {name}", getattr(self, name))
        if self.units()[name] == 0:
            raise ConfigurationError(f"Expected a cap {name} of at least {1 / SCALES[name]:g}.")

    @property
    def rule(self) -> str:
        """The rule of the accounts that this cap can limit."""
        return "basic" if self.rho is None else "zcdp"

    def units(self) -> Units:
        """The limits that this cap sets, rounded down."""
        return {name: math.floor(_exact(name, getattr(self, name))) for name in LIMITS[self.rule]}


@dataclass(frozen=True, kw_only=True, slots=True)
class Spend:
    """The full price of one run.

    Attributes:
        epsilon: Of (epsilon, delta)-differential privacy; finite and >= 0.
        delta: In [0, 1). Epsilon and delta are not both zero: nothing that reads data is free.
        rho: The zCDP parameter, > 0, or None if the run has none. Accounts under the rule `zcdp` need it.
    """

    epsilon: float
    delta: float = 0.0
    rho: float | None = None

    def __post_init__(self) -> None:
        epsilon = _validate.non_negative("spend epsilon", self.epsilon)
        if _delta(self.delta) == 0 and epsilon == 0:
            raise ConfigurationError("Expected a spend above zero: a run without cost needs no reservation.")
        if self.rho is not None:
            _validate.positive("spend rho", self.rho)

    def units(self) -> Units:
        """The price, rounded up."""
        prices = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: math.ceil(_exact(name, value)) for name, value in prices.items()}


def numbers(units: Mapping[str, int]) -> dict[str, float]:
    """Integer units as the floats nearest to them, for people to read."""
    return {name: units[name] / scale for name, scale in SCALES.items() if name in units}


def describe(units: Mapping[str, int]) -> str:
    """Integer units as text: ``epsilon 0.5, delta 1e-09``."""
    return ", ".join(f"{name} {value:.12g}" for name, value in numbers(units).items())


def _exact(name: str, value: float) -> Fraction:
    return Fraction(repr(float(value))) * SCALES[name]


def _delta(value: float) -> float:
    if not 0 <= _validate.number("delta", value) < 1:
        raise ConfigurationError(f"Expected 0 <= delta < 1, got {value!r}.")
    return value
