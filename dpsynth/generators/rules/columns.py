"""Rules of single columns: numbers, categories, keys, texts. All that is wrong is refused before a draw."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from dpsynth import _validate
from dpsynth.generators.rules.distributions import Distribution
from dpsynth.generators.rules.parts import Given, Missing, condition, listed, refuse, weights_of
from dpsynth.generators.rules.patterns import choices_of
from dpsynth.schema.columns import Categorical, Identifier
from dpsynth.schema.formulas.facts import Facts

__all__ = [
    "MOST_DECIMALS",
    "CategoryRule",
    "ColumnRule",
    "FakerRule",
    "KeyRule",
    "NumberRule",
    "TextRule",
]

_LARGEST_UNITS = 2.0**50
MOST_DECIMALS = 12
_PROVIDER = re.compile(r"[a-z][a-z0-9_]{0,60}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnRule:
    """What every rule has.

    Attributes:
        name: Name of the column.
        missing: How often values are missing: a share, or a `Missing`; None means never.
    """

    kind: ClassVar[str] = ""
    name: str
    missing: Missing | float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            refuse(str(self.name), "expected a name that is not empty")
        if self.missing is not None and not isinstance(self.missing, Missing):
            share = _validate.number(f"missing of column {self.name!r}", self.missing)
            object.__setattr__(self, "missing", Missing(share=share))

    @property
    def gaps(self) -> Missing | None:
        """How often values are missing, in its long form; None if never."""
        return self.missing if isinstance(self.missing, Missing) and self.missing.possible else None

    def facts(self, known: Mapping[str, Facts]) -> Facts:
        """Check the rule against the columns before it, and say what it gives.

        Raises:
            ConfigurationError: Something does not fit.
        """
        found = self._facts(known)
        if isinstance(self.missing, Missing) and self.missing.when is not None:
            condition(self.name, self.missing.when, {**known, self.name: found})
        return replace(found, gaps=found.gaps or self.gaps is not None)

    @abstractmethod
    def _facts(self, known: Mapping[str, Facts]) -> Facts: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberRule(ColumnRule):
    """Numbers of a distribution, truncated to bounds and then rounded.

    Attributes:
        distribution: A distribution of scipy; None is even over all values between the bounds.
        minimum: No value is below; None where the distribution alone decides.
        maximum: No value is above.
        decimals: Digits after the point; None is 0 for a discrete distribution, else 2.
        step: Values are the minimum (or 0) and whole steps from there.
        given: Other parameters for some values of earlier columns.
    """

    kind: ClassVar[str] = "number"
    distribution: Distribution | None = None
    minimum: float | None = None
    maximum: float | None = None
    decimals: int | None = None
    step: float | None = None
    given: Given | None = None

    def __post_init__(self) -> None:
        ColumnRule.__post_init__(self)
        if self.decimals is not None and self.decimals not in range(MOST_DECIMALS + 1):
            refuse(self.name, f"expected decimals from 0 to {MOST_DECIMALS}, got {self.decimals!r}")
        for field in ("minimum", "maximum", "step"):
            if getattr(self, field) is not None:
                _validate.number(f"{field} of column {self.name!r}", getattr(self, field))
        if self.distribution is None and (self.minimum is None or self.maximum is None):
            refuse(self.name, "expected a distribution, or a minimum and a maximum for even numbers")

    @property
    def places(self) -> int:
        """Digits after the point."""
        if self.decimals is not None:
            return self.decimals
        return 0 if self.distribution is not None and self.distribution.discrete else 2

    @property
    def scale(self) -> float:
        """How many units are 1."""
        return 10.0**self.places

    @property
    def stride(self) -> float:
        """A step in units."""
        return 1.0 if self.step is None else float(np.rint(self.step * self.scale))

    def distributions(self) -> tuple[Distribution, ...]:
        """The distribution of each case, and last the default."""
        if self.distribution is None:
            return ()
        cases = self.given.cases if self.given is not None else ()
        return (*(self.distribution.changed(case.parameters or ()) for case in cases), self.distribution)

    @property
    def bounds(self) -> tuple[float, float]:
        """Where draws are truncated: exact in floats in any case."""
        most = _LARGEST_UNITS / self.scale
        return (-most if self.minimum is None else self.minimum), (
            most if self.maximum is None else self.maximum
        )

    def _facts(self, known: Mapping[str, Facts]) -> Facts:
        low, high = self.bounds
        self._check_lattice(low, high)
        if self.given is not None:
            if self.distribution is None or any(case.parameters is None for case in self.given.cases):
                refuse(self.name, "expected a distribution, and `parameters` in each case of `given`")
            self.given.check(self.name, known)
        laws = self.distributions()
        for law in laws:
            law.check()
            law.quantiles(np.array([0.5]), low, high)
        if laws:  # rounding keeps the order, so that rounded supports are bounds of rounded values
            lowest, highest = (min(law.support()[0] for law in laws), max(law.support()[1] for law in laws))
            low = lowest if self.minimum is None else max(low, lowest)
            high = highest if self.maximum is None else min(high, highest)
        return Facts(kind="number", low=self._whole(low, math.floor), high=self._whole(high, math.ceil))

    def _whole(self, end: float, turn: Any) -> float:
        """A bound moved outwards to a value that can be written."""
        if not math.isfinite(end):
            return end
        origin = 0.0 if self.minimum is None else float(np.rint(self.minimum * self.scale))
        steps = turn(round((end * self.scale - origin) / self.stride, 6))
        return float((origin + self.stride * steps) / self.scale)

    def _check_lattice(self, low: float, high: float) -> None:
        if low > high:
            refuse(self.name, f"expected minimum <= maximum, got {low} and {high}")
        exact = {"minimum": self.minimum, "maximum": self.maximum, "step": self.step}
        for field, value in exact.items():
            if value is not None and (
                round(value, self.places) != value or abs(value) * self.scale > _LARGEST_UNITS
            ):
                refuse(
                    self.name,
                    f"expected a {field} with at most {self.places} decimals, got {value}; set decimals",
                )
        if self.step is not None and self.step <= 0:
            refuse(self.name, f"expected step > 0, got {self.step}")
        for bound in (self.minimum, self.maximum):
            origin = 0.0 if self.minimum is None else self.minimum
            if bound is not None and np.rint((bound - origin) * self.scale) % self.stride:
                refuse(
                    self.name,
                    f"expected bounds that are whole steps of {self.step} apart, got {low} and {high}",
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class CategoryRule(ColumnRule):
    """A value from a list.

    Attributes:
        categories: Texts, numbers, or (false, true); or a mapping from categories to their weights.
        weights: One for each category, in any unit; None weighs all alike.
        ordered: The categories have the given order.
        given: Other weights for some values of earlier columns.
    """

    kind: ClassVar[str] = "category"
    categories: tuple[Any, ...] | Mapping[Any, float]
    weights: tuple[float, ...] | None = None
    ordered: bool = False
    given: Given | None = None

    def __post_init__(self) -> None:
        ColumnRule.__post_init__(self)
        if isinstance(self.categories, Mapping):
            if self.weights is not None:
                refuse(self.name, "expected weights once: with the categories, or in `weights`")
            object.__setattr__(self, "weights", tuple(self.categories.values()))
            object.__setattr__(self, "categories", tuple(self.categories))
        object.__setattr__(self, "categories", listed(self.name, "categories", self.categories))
        kinds = {
            "text" if isinstance(c, str) else "truth" if isinstance(c, bool) else "number"
            for c in self.values
        }
        if len(kinds) != 1:
            refuse(
                self.name,
                f"expected categories that are all texts, all numbers or all truth values, got {kinds}",
            )
        Categorical(name=self.name, categories=self.values)  # has the checks of a schema
        if kinds == {"number"} and len({float(value) for value in self.values}) < len(self.values):
            refuse(self.name, "its categories are too long for numbers; write them as texts")
        if self.weights is not None:
            object.__setattr__(self, "weights", weights_of(self.name, self.weights, len(self.values)))
        for case in self.given.cases if self.given is not None else ():
            if case.weights is None:
                refuse(self.name, "expected `weights` in each case of `given`")
            weights_of(self.name, case.weights, len(self.values))

    @property
    def values(self) -> tuple[Any, ...]:
        """The categories."""
        return tuple(self.categories)

    def tables(self) -> tuple[tuple[float, ...], ...]:
        """The weights of each case, and last the default."""
        cases = self.given.cases if self.given is not None else ()
        own = tuple(self.weights) if self.weights is not None else (1.0,) * len(self.values)
        return (*(tuple(case.weights or ()) for case in cases), own)

    def _facts(self, known: Mapping[str, Facts]) -> Facts:
        if self.given is not None:
            self.given.check(self.name, known)
        first = self.values[0]
        if isinstance(first, str):
            return Facts(kind="text", texts=self.values)
        if isinstance(first, bool):
            return Facts(kind="truth")
        return Facts(kind="number", low=float(min(self.values)), high=float(max(self.values)))


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRule(ColumnRule):
    """A different value in each row, in the order of the rows.

    Attributes:
        pattern: None for 1, 2, 3, ...; otherwise a text whose one run of `#` becomes that number: "C-####".
    """

    kind: ClassVar[str] = "key"
    pattern: str | None = None

    def __post_init__(self) -> None:
        ColumnRule.__post_init__(self)
        Identifier(name=self.name, pattern=self.pattern)  # has the check of a schema
        if self.gaps is not None:
            refuse(self.name, "a key is never missing; remove `missing`, or use a text")

    def _facts(self, known: Mapping[str, Facts]) -> Facts:  # noqa: ARG002 - needs no other column
        return Facts(kind="free")


@dataclass(frozen=True, kw_only=True, slots=True)
class TextRule(ColumnRule):
    r"""Texts by a pattern.

    Attributes:
        pattern: `#` is a digit, `?` a letter from A to Z, `[abc]` one of these, `\#` the sign itself.
    """

    kind: ClassVar[str] = "text"
    pattern: str

    def __post_init__(self) -> None:
        ColumnRule.__post_init__(self)
        choices_of(self.pattern, where=f"Column {self.name!r}")

    def _facts(self, known: Mapping[str, Facts]) -> Facts:  # noqa: ARG002 - needs no other column
        return Facts(kind="free")


@dataclass(frozen=True, kw_only=True, slots=True)
class FakerRule(ColumnRule):
    """Names, addresses and other texts that the package faker makes up (extra `rules`).

    Attributes:
        provider: For example `name`, `city`, `company`, `email`.
        locale: For example `en_US`, `de_DE`.
    """

    kind: ClassVar[str] = "faker"
    provider: str
    locale: str = "en_US"

    def __post_init__(self) -> None:
        ColumnRule.__post_init__(self)
        if not isinstance(self.provider, str) or not _PROVIDER.fullmatch(self.provider):
            refuse(
                self.name, f"expected the name of a provider of faker, such as 'city', got {self.provider!r}"
            )
        if not isinstance(self.locale, str) or not re.fullmatch(
            r"[A-Za-z]{2,3}(_[A-Za-z]{2,4})?", self.locale
        ):
            refuse(self.name, f"expected a locale such as 'en_US', got {self.locale!r}")

    def _facts(self, known: Mapping[str, Facts]) -> Facts:  # noqa: ARG002 - needs no other column
        return Facts(kind="free")
