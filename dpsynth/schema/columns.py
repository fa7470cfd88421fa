"""The kinds of columns: what each may hold, declared in public and never read from the data.

A modelled column turns values into codes: `0 .. cell_count - 1` are its cells, then comes "other" if
the column has that code, and last "missing" unless a value is required. Missing is always a code of
its own (pitfall U02).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from dpsynth.schema.canonical import Lookup, text_of
from dpsynth.schema.column import (
    MOST_CELLS,
    Column,
    ModelledColumn,
    Origin,
    OutOfDomain,
    check_cell_count,
    plain_tuple,
    refuse,
    require_one_of,
    set_field,
)
from dpsynth.schema.numeric import Datetime, Integer, NumericColumn, Real, Resolution

__all__ = [
    "MOST_CELLS",
    "Boolean",
    "Categorical",
    "Category",
    "Column",
    "Datetime",
    "Identifier",
    "Integer",
    "ModelledColumn",
    "NumericColumn",
    "Origin",
    "OutOfDomain",
    "Real",
    "Resolution",
    "Text",
]

Category = str | int | float | bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Categorical(ModelledColumn):
    """A value from a declared list.

    Attributes:
        categories: Distinct texts, numbers or truth values; None while they are unknown.
        labels: A text for people for each category.
        ordered: The categories have the given order.
        other_label: What the code "other" is written as.
    """

    kind: ClassVar[str] = "categorical"
    rules: ClassVar[tuple[OutOfDomain, ...]] = ("missing", "other", "drop")
    categories: tuple[Category, ...] | None = None
    labels: tuple[str, ...] | None = None
    ordered: bool = False
    other_label: str = "other"

    def __post_init__(self) -> None:
        ModelledColumn.__post_init__(self)
        if not isinstance(self.other_label, str) or not self.other_label.strip():
            refuse(self, f"expected other_label to be a text that is not blank, got {self.other_label!r}")
        if self.categories is not None:
            set_field(self, "categories", plain_tuple(self, "categories", self.categories))
            self._check_categories(self.categories)
        if self.labels is not None:
            set_field(self, "labels", plain_tuple(self, "labels", self.labels))
            if len(self.labels) != len(self.categories or ()):
                refuse(self, "expected one label for each category")

    def _check_categories(self, categories: tuple[Category, ...]) -> None:
        if categories or self.out_of_domain != "other":  # discovery may find that no category is frequent
            check_cell_count(self, len(categories))
        if any(isinstance(category, int) and not -(2**63) <= category < 2**63 for category in categories):
            refuse(self, "expected whole-number categories of at most 64 bits; declare longer ones as texts")
        texts = [text_of(category) for category in categories]
        if not all(isinstance(category, (str, int, float)) for category in categories) or None in texts:
            refuse(self, "expected categories that are texts, numbers or truth values, none of them blank")
        if min(len(set(texts)), len(set(categories))) < len(texts):  # True equals 1 in Python
            refuse(self, "expected distinct categories; give each one once")
        if self.out_of_domain == "other" and self.lookup().find(self.other_label.strip()) is not None:
            refuse(self, f"other_label {self.other_label!r} is also a category; choose another")

    @property
    def complete(self) -> bool:
        """Whether the categories are known."""
        return self.categories is not None

    @property
    def cell_count(self) -> int:
        """How many categories there are."""
        return len(self.known_categories)

    @property
    def known_categories(self) -> tuple[Category, ...]:
        """The categories.

        Raises:
            SchemaError: They are not known yet.
        """
        if self.categories is None:
            refuse(self, "its categories are not known yet; declare them or buy them by discovery")
        return self.categories

    def lookup(self, missing: Iterable[str] = ()) -> Lookup:
        """Finds the code of a canonical text; NaN for the texts in `missing`."""
        texts = {text_of(category) or "": float(code) for code, category in enumerate(self.known_categories)}
        entries = dict.fromkeys(missing, math.nan)
        for category in self.known_categories:
            if isinstance(category, bool):  # files spell truth in several ways
                code = texts[str(category)]
                entries |= {str(category).lower(): code, str(category).upper(): code}
        return Lookup((entries | texts).items())


@dataclass(frozen=True, kw_only=True, slots=True)
class Boolean(ModelledColumn):
    """Truth values: code 0 is false, code 1 is true.

    Attributes:
        true_values: Texts that mean true, besides real truth values and numbers equal to one of them.
        false_values: Texts that mean false.
    """

    kind: ClassVar[str] = "boolean"
    true_values: tuple[str, ...] = ("true", "True", "TRUE", "1")
    false_values: tuple[str, ...] = ("false", "False", "FALSE", "0")

    def __post_init__(self) -> None:
        ModelledColumn.__post_init__(self)
        for field in ("true_values", "false_values"):
            set_field(
                self, field, tuple(str(v).strip() for v in plain_tuple(self, field, getattr(self, field)))
            )
        if not self.true_values or not self.false_values or {*self.true_values} & {*self.false_values}:
            refuse(self, "expected true_values and false_values that are not empty and share no text")

    @property
    def cell_count(self) -> int:
        """Two: false and true."""
        return 2

    def lookup(self, missing: Iterable[str] = ()) -> Lookup:
        """Finds the code of a canonical text; NaN for the texts in `missing`."""
        codes = {"True": 1.0, "False": 0.0} | dict.fromkeys(missing, math.nan)
        return Lookup(
            (codes | dict.fromkeys(self.false_values, 0.0) | dict.fromkeys(self.true_values, 1.0)).items()
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Identifier(Column):
    """A name of a row or a person. Never modelled: synthetic rows get fresh surrogates.

    Attributes:
        pattern: None for 1, 2, 3, ...; otherwise a text whose one run of `#` becomes that number,
            padded with zeros to the length of the run: "P####" gives "P0001".
    """

    kind: ClassVar[str] = "identifier"
    pattern: str | None = None

    def __post_init__(self) -> None:
        Column.__post_init__(self)
        if self.pattern is not None and not re.fullmatch(r"[^#]*#+[^#]*", self.pattern):
            refuse(self, f"expected a pattern with one run of '#', such as 'P####', got {self.pattern!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Text(Column):
    """Free text. Never modelled.

    Attributes:
        rule: `drop` leaves the column out of synthetic tables, `regenerate` fills it with `filler`.
        filler: What every synthetic row holds under `regenerate`.
    """

    kind: ClassVar[str] = "text"
    rule: Literal["drop", "regenerate"] = "drop"
    filler: str = "text"

    def __post_init__(self) -> None:
        Column.__post_init__(self)
        require_one_of(self, "rule", self.rule, ("drop", "regenerate"))
