"""The structural zeros of a schema for a method that merges codes into buckets: what is public about them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dpsynth.errors import ConfigurationError
from dpsynth.generators.buckets import MOST_CLASSES, Groups
from dpsynth.generators.memory import MemoryPlan
from dpsynth.graphical.junction_tree import total_cells
from dpsynth.graphical.reconciled import constraint_edges, evenly
from dpsynth.graphical.zeros import AllowedTable, allowed_tables, bucket_allowed, distinct_codes
from dpsynth.schema.schema import Schema

__all__ = ["CodeZeros"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CodeZeros:
    """Which codes have to stay apart, and what that takes.

    Attributes:
        names: All columns, in the order of their numbers.
        tables: What is possible, over codes.
        alike: For each column in a constraint the class of each code: buckets do not mix classes.
    """

    names: tuple[str, ...]
    tables: tuple[AllowedTable, ...]
    alike: Mapping[str, Groups]

    @classmethod
    def of(cls, schema: Schema) -> CodeZeros:
        """The zeros of all constraints of `schema`, functional dependencies included."""
        names, tables = schema.domain.columns, allowed_tables(schema)
        bound = {node for table in tables for node in table.nodes}
        classes = distinct_codes(tables, schema.domain.sizes)
        alike = {names[node]: tuple(classes[node].tolist()) for node in sorted(bound)}
        return cls(names=names, tables=tables, alike=alike)

    def require_room(self, memory: MemoryPlan, target: str | None) -> None:
        """Refuse, by public sizes, constraints that no model within `memory` can hold.

        Raises:
            ConfigurationError: They tell too many codes apart, or no row can meet them.
        """
        if not self.tables:
            return
        groups = {name: self.alike.get(name, (0,)) for name in self.names}
        layers = 1 if target is None else max(MOST_CLASSES, _count(groups[target]))
        sizes = [_count(groups[name]) for name in self.names if name in self.alike and name != target]
        pairs = sum(left * right for left, right in itertools.combinations(sizes, 2))
        if self._cells(groups, target) * layers > memory.clique_cells or pairs * layers > memory.pair_cells:
            raise ConfigurationError(
                f"The constraints on {list(self.alike)} tell so many codes apart that they need more "
                "cells than fit. Raise most_cells and memory_limit, declare coarser cells, "
                "or take a constraint out."
            )
        if evenly([_count(groups[name]) for name in self.names], self.over(groups)) is None:
            raise ConfigurationError(
                f"The constraints on {list(self.alike)} contradict each other: no row can meet them."
            )

    def fits(self, groups: Mapping[str, Groups], memory: MemoryPlan, target: str | None) -> bool:
        """Whether cliques that hold the constraints over these buckets fit, in every class of `target`."""
        layers = 1 if target is None else _count(groups[target])
        return self._cells(groups, target) * layers <= memory.clique_cells

    def over(self, groups: Mapping[str, Groups]) -> tuple[AllowedTable, ...]:
        """The same over buckets that mix no classes."""
        listed: Sequence[Groups] = [groups[name] for name in self.names]
        return tuple(bucket_allowed(table, listed) for table in self.tables)

    def _cells(self, groups: Mapping[str, Groups], target: str | None) -> int:
        sizes = [1 if name == target else _count(groups[name]) for name in self.names]
        bound = {self.names.index(name) for name in self.alike}
        sizes = [size if node in bound else 1 for node, size in enumerate(sizes)]
        return total_cells(sizes, constraint_edges(self.tables))


def _count(groups: Groups) -> int:
    return max(groups) + 1
