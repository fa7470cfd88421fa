"""The discrete shape of a schema: which columns are modelled, and how many codes each has."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dpsynth.errors import SchemaError

__all__ = ["Domain"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Domain:
    """Names and sizes of the modelled columns, in the order of the schema.

    Attributes:
        columns: Distinct column names.
        sizes: How many codes each column has, missing and "other" included.
    """

    columns: tuple[str, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.columns) != len(self.sizes) or len(set(self.columns)) != len(self.columns):
            raise SchemaError(
                f"Expected one size for each distinct column, got {self.columns} and {self.sizes}."
            )
        if any(size < 1 for size in self.sizes):
            raise SchemaError(f"Expected every size to be at least 1, got {self.sizes}.")

    def size_of(self, name: str) -> int:
        """How many codes the column `name` has."""
        if name not in self.columns:
            raise SchemaError(f"There is no modelled column {name!r}. Expected one of {list(self.columns)}.")
        return self.sizes[self.columns.index(name)]

    def shape(self, names: Iterable[str]) -> tuple[int, ...]:
        """The sizes of the columns `names`, in that order."""
        return tuple(self.size_of(name) for name in names)

    def only(self, names: Iterable[str]) -> Domain:
        """The columns `names`, in that order; all if there are none."""
        kept = tuple(names)
        return Domain(columns=kept, sizes=self.shape(kept)) if kept else self

    def cells(self, names: Iterable[str]) -> int:
        """How many cells the marginal of the columns `names` has."""
        return math.prod(self.shape(names))
