"""Named distributions of scipy, truncated by the inverse of their distribution function.

A uniform number u between F(low) and F(high) becomes F^-1(u): exact truncation, with no draw thrown
away, and one uniform number for each value, so that a copula can supply it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError

__all__ = ["Distribution"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Parameters = tuple[tuple[str, float], ...]
_LONGEST_TABLE = 500_000
_SPREADS = 40  # standard deviations that a table reaches to either side where no bound ends it before
_LEFT_OUT = 1e-9  # the most that such a table may leave out
_SMALLEST = 2.0**-53


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """A distribution of `scipy.stats` by name.

    Attributes:
        name: For example `norm`, `lognorm`, `gamma`, `poisson`, `randint`.
        parameters: The shapes of the distribution, `loc` and `scale` (discrete ones have no scale).

    Example:
        Amounts around 20, skewed: `Distribution(name="lognorm", parameters={"s": 0.6, "scale": 20})`
    """

    name: str
    parameters: Mapping[str, float] | Parameters = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier() or self.name.startswith("_"):
            raise ConfigurationError(
                f"Expected the name of a distribution, such as 'norm', got {self.name!r}."
            )
        given = dict(self.parameters)
        pairs = tuple(
            sorted((key, _validate.number(f"{self.name}: {key}", value)) for key, value in given.items())
        )
        object.__setattr__(self, "parameters", pairs)

    def changed(self, parameters: Mapping[str, float] | Parameters) -> Distribution:
        """The distribution with some parameters replaced."""
        return Distribution(name=self.name, parameters=dict(self.parameters) | dict(parameters))

    @property
    def discrete(self) -> bool:
        """Whether it has whole numbers only."""
        return _is_discrete(_law(self.name))

    def check(self) -> None:
        """Refuse a name that scipy does not have, and parameters that do not fit it.

        Raises:
            ConfigurationError: With the parameters that the distribution has.
        """
        law, given = _law(self.name), dict(self.parameters)
        shapes = [shape.strip() for shape in (law.shapes or "").split(",") if shape.strip()]
        known = [*shapes, "loc", *([] if _is_discrete(law) else ["scale"])]
        lacking, unknown = sorted({*shapes} - {*given}), sorted({*given} - {*known})
        if lacking or unknown:
            wrong = f"it lacks {lacking}" if lacking else f"it does not have {unknown}"
            raise ConfigurationError(f"The distribution {self.name!r} has the parameters {known}; {wrong}.")
        low, high = law.support(**given)
        if math.isnan(low) or math.isnan(high):
            raise ConfigurationError(
                f"The distribution {self.name!r} does not exist for {given}; see scipy.stats.{self.name}."
            )

    def support(self) -> tuple[float, float]:
        """The least and the largest value that can occur; infinite where there is none."""
        low, high = _law(self.name).support(**dict(self.parameters))
        return float(low), float(high)

    def quantiles(self, uniforms: Floats, low: float, high: float) -> Floats:
        """Values between `low` and `high`, both included, for uniform numbers between 0 and 1.

        Raises:
            ConfigurationError: The distribution has no mass between the two.
        """
        inverse = _inverse(self.name, tuple(self.parameters), low, high)
        return inverse(np.clip(uniforms, _SMALLEST, 1.0 - _SMALLEST))


def _law(name: str) -> Any:
    """The distribution of scipy; nothing else that lives in that module."""
    from scipy import stats

    law = getattr(stats, name, None)
    if not isinstance(law, (stats.rv_continuous, stats.rv_discrete)):
        known = [
            n for n in dir(stats) if isinstance(getattr(stats, n), (stats.rv_continuous, stats.rv_discrete))
        ]
        near = difflib.get_close_matches(name, known, n=3) or ["norm", "lognorm", "gamma", "poisson"]
        raise ConfigurationError(f"scipy has no distribution {name!r}. Did you mean one of {near}?")
    return law


def _is_discrete(law: Any) -> bool:
    from scipy import stats

    return isinstance(law, stats.rv_discrete)


@lru_cache(maxsize=128)
def _inverse(name: str, parameters: Parameters, low: float, high: float) -> Callable[[Floats], Floats]:
    law = _law(name)(**dict(parameters))
    with np.errstate(all="ignore"):
        inverse = _of_discrete(law, low, high) if _is_discrete(_law(name)) else _of_continuous(law, low, high)
    if inverse is None:
        raise ConfigurationError(
            f"The distribution {name!r} with {dict(parameters)} has no mass between {low} and {high}. "
            "Change its parameters or the bounds."
        )
    return inverse


def _of_continuous(law: Any, low: float, high: float) -> Callable[[Floats], Floats] | None:
    # In the upper half the survival function is used: near 1 the distribution function has no digits left.
    upper = float(law.cdf(low)) > 0.5
    first, last = (
        (float(law.sf(high)), float(law.sf(low))) if upper else (float(law.cdf(low)), float(law.cdf(high)))
    )
    if not last > first:
        return None

    def inverse(uniforms: Floats) -> Floats:
        shares = (1.0 - uniforms) if upper else uniforms
        turn = law.isf if upper else law.ppf
        with np.errstate(all="ignore"):
            found: Floats = np.asarray(turn(first + shares * (last - first)), dtype=np.float64)
        return np.clip(found, low, high)

    return inverse


def _of_discrete(law: Any, low: float, high: float) -> Callable[[Floats], Floats] | None:
    """By a table of all values: scipy's own inverse may sum a billion of them for each."""
    start, end = law.support()
    first, last = max(math.ceil(low), start), min(math.floor(high), end)
    if first > last:
        return None
    wide = last - first > _LONGEST_TABLE
    if wide:
        center, spread = law.mean(), law.std()
        if math.isfinite(center) and math.isfinite(spread):
            first = max(first, math.floor(center - _SPREADS * spread))
            last = min(last, math.ceil(center + _SPREADS * spread))
    short = last - first <= _LONGEST_TABLE
    values: Floats = np.arange(first, last + 1.0 if short else first + 1.0)
    steps: Floats = np.cumsum(law.pmf(values))
    if not short or (wide and steps[-1] < 1.0 - _LEFT_OUT):
        raise ConfigurationError(
            f"Discrete distributions are drawn from a table of values, and {law.dist.name!r} has too many. "
            "Give closer bounds, or take a continuous distribution with decimals: 0."
        )
    if not steps[-1] > 0:
        return None
    steps = steps / steps[-1]
    return lambda uniforms: values[np.searchsorted(steps, uniforms, side="right")]
