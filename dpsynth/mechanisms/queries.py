"""Queries: integer-valued questions with a sensitivity that follows from the unit of privacy alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms._outward import norm_up
from dpsynth.mechanisms.base import CodedColumn, Json, Query, Sensitivity

if TYPE_CHECKING:
    from dpsynth.privacy.unit import Unit
    from dpsynth.schema.layout import Domain

__all__ = [
    "CELLS_LIMIT",
    "Marginal",
    "MergedMarginal",
    "Total",
    "check_columns",
    "check_names",
    "described",
    "marginal_sensitivity",
    "numbered_maps",
]

CELLS_LIMIT = 2**27  # one gibibyte of counts


@dataclass(frozen=True, slots=True)
class Marginal:
    """How many rows have each combination of codes of `columns`, over the whole declared domain.

    The answer is flat, in C order over the columns as given.

    Attributes:
        columns: Names of modelled columns, each once.

    Privacy: unit and relation as given to `sensitivity`. A row counts in exactly one cell. Adding or
        removing a unit with at most k rows changes the counts by k at most in L1 and, when all k fall
        into one cell, in L2. Replacing a unit takes up to k from cells and gives up to k to others:
        2k in L1, sqrt(2) k in L2. The event belongs to the mechanism that answers.
    """

    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        names: Sequence[str] = self.columns
        if isinstance(names, str) or not names or len(set(names)) != len(names):
            raise ConfigurationError(f"Expected marginal columns as different names, got {names!r}.")
        object.__setattr__(self, "columns", tuple(names))

    def sensitivity(self, unit: Unit) -> Sensitivity:
        """In L1 and L2: k and k (add or remove), 2k and sqrt(2) k (replace)."""
        return marginal_sensitivity(unit)

    def describe(self) -> Json:
        """Public JSON."""
        return {"type": "marginal/1", "columns": list(self.columns)}

    def check(self, domain: Domain) -> None:
        """Refuse, before anything is spent, columns that `domain` lacks and tables beyond memory."""
        check_columns(self.columns, domain)

    @property
    def counted(self) -> tuple[CodedColumn, ...]:
        """What `EncodedTable.counts_of` is asked."""
        return tuple((name, None) for name in self.columns)


@dataclass(frozen=True, slots=True)
class MergedMarginal(Marginal):
    """How many rows have each combination of *buckets* of `columns`: codes are merged before counting.

    The answer is flat, in C order over the numbers of buckets of the columns as given.

    Attributes:
        columns: Names of modelled columns, each once.
        groups: For each column the bucket of each of its codes. Buckets are numbered from 0 without gaps.

    Privacy: unit and relation as given to `sensitivity`. `groups` is public: it is fixed before the
        rows are looked at, as a function of the schema and of noisy answers that were paid for. A row
        falls into exactly one combination of buckets, the image of its combination of codes, so the
        sensitivities are those of `Marginal`. The event belongs to the mechanism that answers.
    """

    groups: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        Marginal.__post_init__(self)
        groups = tuple(tuple(int(bucket) for bucket in group) for group in self.groups)
        object.__setattr__(self, "groups", groups)
        gapless = all(group and set(group) == set(range(max(group) + 1)) for group in groups)
        if len(groups) != len(self.columns) or not gapless:
            raise ConfigurationError(
                f"Expected buckets, numbered from 0 without gaps, for each of {list(self.columns)}."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of buckets of each column."""
        return tuple(max(group) + 1 for group in self.groups)

    def describe(self) -> Json:
        """Public JSON, with a digest of the buckets."""
        digest = hashlib.sha256(repr(self.groups).encode()).hexdigest()
        shape = list(self.shape)
        return {"type": "merged-marginal/1", "columns": [*self.columns], "shape": shape, "groups": digest}

    def check(self, domain: Domain) -> None:
        """Refuse columns that `domain` lacks, buckets for other codes, and tables beyond memory."""
        check_names(self.columns, domain)
        _check_cells(self.columns, math.prod(self.shape))
        if tuple(map(len, self.groups)) != domain.shape(self.columns):
            raise ConfigurationError(
                f"Expected one bucket for each code of the columns {list(self.columns)}."
            )

    @property
    def counted(self) -> tuple[CodedColumn, ...]:
        """What `EncodedTable.counts_of` is asked."""
        return tuple(zip(self.columns, self.groups, strict=True))


@dataclass(frozen=True, slots=True)
class Total:
    """How many rows there are: an answer of one cell.

    Privacy: adding or removing a unit changes the number by at most k, its number of rows. Replacing
        one changes it by at most k too: the other unit may own fewer rows, or rows that the schema
        drops. The event belongs to the mechanism that answers.
    """

    def sensitivity(self, unit: Unit) -> Sensitivity:
        """In both norms and for both relations k."""
        return Sensitivity(l1=float(unit.contributions), l2=float(unit.contributions))

    def describe(self) -> Json:
        """Public JSON."""
        return {"type": "total/1"}

    def check(self, domain: Domain) -> None:
        """Every domain will do."""

    @property
    def counted(self) -> tuple[CodedColumn, ...]:
        """What `EncodedTable.counts_of` is asked: a marginal of no column has one cell."""
        return ()


def described(queries: Sequence[Query]) -> Json:
    """Some queries as public JSON, with the maps from codes to buckets that they use: see `numbered_maps`."""
    told: Json = {"queries": [query.describe() for query in queries]}
    maps = numbered_maps([query.groups if isinstance(query, MergedMarginal) else () for query in queries])
    return {**told, **maps} if maps["maps"] else told


def numbered_maps(groups: Sequence[Sequence[tuple[int, ...]]]) -> Json:
    """Each distinct map from codes to buckets once, and for each item of `groups` the numbers of its maps."""
    numbers: dict[tuple[int, ...], int] = {}
    used = [[numbers.setdefault(group, len(numbers)) for group in item] for item in groups]
    return {"maps": [list(group) for group in numbers], "groups": used}


def marginal_sensitivity(unit: Unit) -> Sensitivity:
    """How far the counts of one marginal move between neighbours; L2 is rounded up."""
    k = unit.contributions
    moved = (k,) if unit.relation == "add_remove" else (k, k)
    return Sensitivity(l1=float(sum(moved)), l2=norm_up(moved))


def check_columns(columns: tuple[str, ...], domain: Domain) -> None:
    """Refuse columns that `domain` lacks, and tables with more than `CELLS_LIMIT` cells."""
    check_names(columns, domain)
    _check_cells(columns, domain.cells(columns))


def check_names(columns: tuple[str, ...], domain: Domain) -> None:
    """Refuse columns that `domain` lacks."""
    unknown = [name for name in columns if name not in domain.columns]
    if unknown:
        raise ConfigurationError(
            f"Expected modelled columns of the schema, {list(domain.columns)}; it has no {unknown}."
        )


def _check_cells(columns: tuple[str, ...], cells: int) -> None:
    if cells > CELLS_LIMIT:
        raise ConfigurationError(
            f"The marginal of {list(columns)} has {cells} cells; at most {CELLS_LIMIT} fit. "
            "Take fewer columns, or declare coarser cells."
        )
