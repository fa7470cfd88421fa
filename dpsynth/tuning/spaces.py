"""What a search may try: for each method the settings that matter, and the law by which they are drawn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.generators.registry import get

if TYPE_CHECKING:
    from dpsynth.generators.base import Generator

__all__ = ["DEFAULTS", "LogRange", "OneOf", "Parameter", "Range", "Space", "space"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OneOf:
    """One of some values, all alike.

    Attributes:
        values: Plain values: text, numbers, or truth values.
    """

    values: tuple[str | int | float | bool, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ConfigurationError("Expected at least one value to choose from.")

    def draw(self, rng: np.random.Generator) -> Any:
        """One value."""
        return self.values[int(rng.integers(len(self.values)))]


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """A number between two, all alike.

    Attributes:
        low: The least.
        high: The largest.
        whole: Whether it is a whole number.
    """

    low: float
    high: float
    whole: bool = False

    def __post_init__(self) -> None:
        if not _validate.number("low", self.low) < _validate.number("high", self.high):
            raise ConfigurationError(f"Expected low < high, got {self.low!r} and {self.high!r}.")

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        if self.whole:
            return int(rng.integers(math.ceil(self.low), math.floor(self.high) + 1))
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True, kw_only=True, slots=True)
class LogRange:
    """A positive number between two; every factor has the same chance.

    Attributes:
        low: The least.
        high: The largest.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not _validate.positive("low", self.low) < _validate.positive("high", self.high):
            raise ConfigurationError(f"Expected low < high, got {self.low!r} and {self.high!r}.")

    def draw(self, rng: np.random.Generator) -> float:
        """One value."""
        drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return float(min(max(drawn, self.low), self.high))


Parameter: TypeAlias = OneOf | Range | LogRange

_TRAINING: Mapping[str, Parameter] = {
    "training_share": LogRange(low=0.03, high=0.4),
    "schedule.learning_rate": LogRange(low=5e-4, high=2e-2),
    "schedule.clip": LogRange(low=0.3, high=6.0),
}

DEFAULTS: Mapping[str, Mapping[str, Parameter]] = {
    "aim": {
        "degree": OneOf(values=(2, 3)),
        "select_share": LogRange(low=0.03, high=0.3),
        "rounds_per_column": OneOf(values=(4, 8, 16, 32)),
    },
    "allpairs": {
        "refine_share": LogRange(low=0.01, high=0.3),
        "screen_share": LogRange(low=0.02, high=0.3),
        "least_deviations": Range(low=2.0, high=8.0),
    },
    "auto": {},
    "dpgan": {**_TRAINING, "anchor": LogRange(low=0.1, high=10.0)},
    "dpvae": {**_TRAINING, "prior_weight": LogRange(low=0.1, high=2.0)},
    "hybrid": {**_TRAINING, "training_share": LogRange(low=0.02, high=0.2)},
    "independent": {},
    "mst": {
        "one_way_share": Range(low=0.15, high=0.6),
        "select_share": LogRange(low=0.02, high=0.2),
        "noise_weight": LogRange(low=0.5, high=8.0),
    },
    "privbayes": {
        "degree": OneOf(values=(1, 2, 3)),
        "one_way_share": Range(low=0.15, high=0.5),
        "select_share": LogRange(low=0.02, high=0.2),
        "usefulness": LogRange(low=2.0, high=12.0),
    },
}
"""The settings of each built-in method that move its quality most. A dot leads into a part of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """One method and the settings that a search varies.

    Attributes:
        method: Its name.
        parameters: By setting its law; `schedule.clip` is the setting `clip` of the setting `schedule`.
        fixed: Settings that are the same for every draw.
    """

    method: str
    parameters: Mapping[str, Parameter]
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        both = sorted(set(self.parameters) & set(self.fixed))
        if both:
            raise ConfigurationError(f"Expected settings that are fixed or searched, not both: {both}.")
        self.valid(np.random.default_rng(0))  # a setting that does not exist is told here

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """Values of all settings, each by its law. Uses no data."""
        return {name: law.draw(rng) for name, law in self.parameters.items()}

    def valid(self, rng: np.random.Generator) -> dict[str, Any]:
        """Values that the method takes together: draws until it does, fifty times at most.

        Raises:
            ConfigurationError: It takes none of them.
        """
        for _ in range(49):
            values = self.draw(rng)
            with suppress(ConfigurationError):
                self.generator(values)
                return values
        values = self.draw(rng)
        self.generator(values)
        return values

    def generator(self, values: Mapping[str, Any]) -> Generator:
        """The method with these values.

        Raises:
            ConfigurationError: It has no such setting, or not with this value.
        """
        plain = {name: value for name, value in values.items() if "." not in name}
        made = get(self.method, **self.fixed, **plain)
        for name, value in values.items():
            if "." in name:
                made = _with(made, name.split("."), value)
        return made


def space(method: str, **fixed: Any) -> Space:
    """The default space of a method; what is `fixed` is not searched.

    Args:
        method: Its name. A method of an installed package has no default space: state one.
        fixed: Settings by name.

    Raises:
        ConfigurationError: There is no such method or setting.
    """
    laws = {name: law for name, law in DEFAULTS.get(method, {}).items() if name.split(".")[0] not in fixed}
    return Space(method=method, parameters=laws, fixed=fixed)


def _with(part: Any, path: Sequence[str], value: Any) -> Any:
    """A frozen configuration in which the setting at the end of `path` has another value."""
    name, *rest = path
    if not dataclasses.is_dataclass(part) or not hasattr(part, name):
        raise ConfigurationError(f"{type(part).__name__} has no setting {name!r}.")
    inner = value if not rest else _with(getattr(part, name), rest, value)
    return dataclasses.replace(part, **{name: inner})  # type: ignore[type-var]
