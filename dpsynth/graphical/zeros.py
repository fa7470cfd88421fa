"""Structural zeros: combinations of codes that no row may have, in every form that a model needs.

A constraint of the schema becomes a table of truth values over a few columns. Codes that all tables treat
alike may share a bucket, so zeros over codes are exactly zeros over buckets (`distinct_codes`, `refine`,
`bucket_allowed`). A clique of a model is masked by what the tables leave possible (`possible_cells`), and
rows that exchange codes are held to `RowRules`.

Columns are numbered as in the domain of the schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.errors import ConfigurationError
from dpsynth.schema.constraint_tables import allowed_table
from dpsynth.schema.schema import Schema

__all__ = [
    "AllowedTable",
    "allowed_rows",
    "allowed_tables",
    "bucket_allowed",
    "distinct_codes",
    "possible_cells",
    "propagate",
    "refine",
]

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
IndexArray = np.ndarray[Any, np.dtype[np.int64]]
CodeArray = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AllowedTable:
    """Which combinations of codes (or of buckets) of some columns are possible.

    Attributes:
        nodes: The columns, each once.
        allowed: One axis for each column; True where rows may be. Read-only.
    """

    nodes: tuple[int, ...]
    allowed: BoolArray

    def __post_init__(self) -> None:
        if len(set(self.nodes)) != len(self.nodes) or len(self.nodes) != self.allowed.ndim:
            raise ConfigurationError(f"Expected one axis for each of the different columns {self.nodes}.")
        self.allowed.setflags(write=False)


def allowed_tables(schema: Schema) -> tuple[AllowedTable, ...]:
    """One table for each constraint of `schema`, functional dependencies included.

    Raises:
        SchemaError: A constraint has too many combinations for a table.
    """
    place = schema.domain.columns.index
    return tuple(
        AllowedTable(nodes=tuple(map(place, constraint.columns)), allowed=allowed_table(schema, constraint))
        for constraint in schema.constraints
    )


def distinct_codes(tables: Iterable[AllowedTable], sizes: Sequence[int]) -> tuple[IndexArray, ...]:
    """For each column the class of each code: codes are in one class if every table treats them alike.

    Args:
        tables: Over codes.
        sizes: Number of codes of each column.

    Returns:
        Classes, numbered from 0 in the order of their first codes. A column in no table has one class.
    """
    classes = [np.zeros(size, np.int64) for size in sizes]
    for table in tables:
        for axis, node in enumerate(table.nodes):
            slices = np.moveaxis(table.allowed, axis, 0).reshape(sizes[node], -1)
            _, alike = np.unique(np.packbits(slices, axis=1), axis=0, return_inverse=True)
            classes[node] = _by_first(classes[node] * sizes[node] + alike.ravel())
    return tuple(classes)


def refine(groups: Sequence[int], classes: IndexArray) -> tuple[int, ...]:
    """Split buckets that mix classes.

    Args:
        groups: The bucket of each code, numbered from 0 without gaps.
        classes: The class of each code, as `distinct_codes` numbers them.

    Returns:
        The same buckets in the same order, each split into one for each class in it; numbered from 0
        without gaps.
    """
    keys = np.asarray(groups, np.int64) * (int(classes.max()) + 1) + classes
    _, refined = np.unique(keys, return_inverse=True)
    return tuple(refined.tolist())


def bucket_allowed(table: AllowedTable, groups: Sequence[Sequence[int]]) -> AllowedTable:
    """The same table over buckets of codes.

    Args:
        table: Over codes.
        groups: For each column (of the whole domain) the bucket of each code, without gaps.

    Raises:
        ConfigurationError: A bucket mixes codes that the table treats differently; `refine` them first.
    """
    firsts = [np.unique(np.asarray(groups[node]), return_index=True)[1] for node in table.nodes]
    coarse = table.allowed[np.ix_(*firsts)]
    buckets = np.ix_(*(np.asarray(groups[node], np.int64) for node in table.nodes))
    if not (coarse[buckets] == table.allowed).all():
        raise ConfigurationError("Expected buckets that mix no codes which a constraint treats differently.")
    return AllowedTable(nodes=table.nodes, allowed=coarse)


def possible_cells(nodes: Sequence[int], sizes: Sequence[int], tables: Iterable[AllowedTable]) -> BoolArray:
    """Which cells of a table over `nodes` no constraint rules out by itself.

    A constraint that lies within `nodes` counts in full. Of another one counts what it says about the
    columns that it shares: a cell is out if every completion is.

    Args:
        nodes: The axes of the result, each once.
        sizes: Number of codes (or buckets) of each column of the domain.
        tables: Over the same codes or buckets.
    """
    cells = np.ones([sizes[node] for node in nodes], dtype=bool)
    for table in tables:
        shared = [node for node in nodes if node in table.nodes]
        others = tuple(axis for axis, node in enumerate(table.nodes) if node not in shared)
        left = [node for node in table.nodes if node in shared]
        met: BoolArray = np.asarray(table.allowed.any(axis=others))
        turned = met.transpose([left.index(node) for node in shared])
        cells &= turned.reshape([sizes[node] if node in shared else 1 for node in nodes])
    return cells


def propagate(tables: Sequence[AllowedTable], sizes: Sequence[int]) -> tuple[BoolArray, ...]:
    """For each column the codes that the constraints together leave possible.

    A code goes if a table has no possible combination with it whose other codes are all left, until
    nothing changes (generalised arc consistency; Mackworth, 1977). It never drops a code that some
    admissible row has; it may keep one that no row can have.

    Raises:
        ConfigurationError: Nothing is left: the constraints contradict each other.
    """
    left = [np.ones(size, dtype=bool) for size in sizes]
    changed = True
    while changed:
        changed = False
        for table in tables:
            open_cells = table.allowed
            for axis, node in enumerate(table.nodes):
                open_cells = open_cells & _along(left[node], axis, open_cells.ndim)
            for axis, node in enumerate(table.nodes):
                others = tuple(a for a in range(open_cells.ndim) if a != axis)
                kept = left[node] & open_cells.any(axis=others)
                changed = changed or bool((kept != left[node]).any())
                left[node] = kept
    if not all(codes.any() for codes in left):
        raise ConfigurationError("The constraints of the schema contradict each other: no row can meet them.")
    return tuple(left)


def allowed_rows(codes: CodeArray, tables: Iterable[AllowedTable]) -> BoolArray:
    """Which rows no table rules out.

    Args:
        codes: One row for each record, one column for each column of the domain.
        tables: Over the same codes.
    """
    rows = np.ones(len(codes), dtype=bool)
    for table in tables:
        rows &= table.allowed[tuple(codes[:, node] for node in table.nodes)]
    return rows


def _along(mask: BoolArray, axis: int, axes: int) -> BoolArray:
    """`mask` with its axis at `axis`, to be multiplied with a table of so many axes."""
    return mask.reshape([-1 if a == axis else 1 for a in range(axes)])


def _by_first(keys: IndexArray) -> IndexArray:
    """Equal keys get equal numbers, from 0 in the order of their first places."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), np.int64)
    numbers[np.argsort(first)] = np.arange(len(first))
    return numbers[inverse]
