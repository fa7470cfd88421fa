"""A tree of columns: the model behind `independent` and `mst`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dpsynth.errors import StorageError
from dpsynth.graphical.chained import ChainedModel
from dpsynth.graphical.conditionals import Conditional, chain_of_network
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.evidence import Given, evidence_weights, impossible
from dpsynth.graphical.sampling import Codes, sample_tree
from dpsynth.schema.schema import Schema

__all__ = ["TreeModel"]

Order = tuple[tuple[str, "str | None"], ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TreeModel(ChainedModel):
    """A distribution over codes in which each column depends on its parent only.

    Attributes:
        schema: The schema whose codes it speaks.
        total: The DP estimate of the number of rows.
        order: Every modelled column with its parent (None for a root), parents first.
        tables: For a root its distribution; for a child one distribution for each code of its parent.
    """

    name: ClassVar[str] = "tree"

    schema: Schema
    total: float
    order: Order
    tables: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        for table in self.tables.values():
            table.setflags(write=False)

    @classmethod
    def from_counts(
        cls,
        schema: Schema,
        total: float,
        order: Order,
        *,
        margins: Mapping[str, FloatArray],
        pairs: Mapping[tuple[str, str], FloatArray],
    ) -> TreeModel:
        """Build the tree from consistent counts.

        Args:
            schema: The schema.
            total: Number of rows.
            order: Columns with their parents.
            margins: Counts of each column.
            pairs: Counts of each pair (parent, child), in that order of axes.
        """
        tables = {
            name: _shares(margins[name])
            if parent is None
            else _rows_to_shares(pairs[parent, name], margins[name])
            for name, parent in order
        }
        return cls(schema=schema, total=total, order=order, tables=tables)

    def sample_codes(
        self, rows: int, rng: np.random.Generator, given: Given | None = None
    ) -> dict[str, Codes]:
        """Draw `rows` records; `given` says which codes columns may have, all else follows exactly."""
        tree = self.condition(given) if given else self
        return sample_tree(tree.order, tree.tables, rows, rng)

    def condition(self, given: Given) -> TreeModel:
        """The exact conditional distribution, again as a tree (one upward pass of messages).

        Raises:
            ConfigurationError: The model gives `given` no probability.
        """
        weights, probability = self._upward(given)
        if probability <= 0:
            raise impossible(given)
        tables = {}
        for name, parent in self.order:
            joint = self.tables[name] * weights[name]
            tables[name] = _shares(joint) if parent is None else _rows_to_shares(joint, weights[name])
        return TreeModel(schema=self.schema, total=self.total, order=self.order, tables=tables)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """Header and arrays; every shape follows from the schema and the tree."""
        header = {"total": self.total, "order": [list(item) for item in self.order]}
        return header, {str(i): self.tables[name] for i, (name, _) in enumerate(self.order)}

    @classmethod
    def from_state(
        cls, schema: Schema, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]
    ) -> TreeModel:
        """Rebuild the model.

        Raises:
            StorageError: Header, arrays and schema do not fit together.
        """
        try:
            order: Order = tuple((str(name), parent) for name, parent in header["order"])
            tables = {name: np.asarray(arrays[str(i)], np.float64) for i, (name, _) in enumerate(order)}
            total = float(header["total"])
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError("The saved tree lacks a field or a table.") from error
        sizes = dict(zip(schema.domain.columns, schema.domain.sizes, strict=True))
        if not np.isfinite(total) or total < 0 or set(tables) != set(sizes) or len(order) != len(sizes):
            raise StorageError("The saved tree does not have the columns of its schema.")
        seen: dict[str, int] = {}
        for name, parent in order:
            if parent is not None and parent not in seen:
                raise StorageError("The saved tree is no tree.")
            shape = (sizes[name],) if parent is None else (seen[parent], sizes[name])
            if not _distributions(tables[name], shape):
                raise StorageError(f"The table of column {name!r} holds no distributions of the right shape.")
            seen[name] = sizes[name]
        return cls(schema=schema, total=total, order=order, tables=tables)

    def _chain(self) -> list[Conditional]:
        order = [(name, () if parent is None else (parent,)) for name, parent in self.order]
        return chain_of_network(self.schema.domain.columns, order, self.tables)

    def _upward(self, given: Given) -> tuple[dict[str, FloatArray], float]:
        """For each column the probability of the evidence at and below it, and of all evidence."""
        known = evidence_weights(self.schema.domain, given)
        weights = {name: known.get(name, np.ones(self.tables[name].shape[-1])) for name, _ in self.order}
        probability = 1.0
        for name, parent in reversed(self.order):
            message = self.tables[name] @ weights[name]
            if parent is None:
                probability *= float(message)
            else:
                weights[parent] = weights[parent] * message
        return weights, probability


def _shares(counts: FloatArray) -> FloatArray:
    shares: FloatArray = counts / counts.sum()
    return shares


def _rows_to_shares(counts: FloatArray, otherwise: FloatArray) -> FloatArray:
    """Each row divided by its sum; a row that no record can reach takes the shares of `otherwise`."""
    sums = counts.sum(axis=1, keepdims=True)
    return np.where(sums > 0, counts / np.where(sums > 0, sums, 1.0), _shares(otherwise))


def _distributions(table: FloatArray, shape: tuple[int, ...]) -> bool:
    return (
        table.shape == shape
        and bool(np.isfinite(table).all())
        and bool((table >= 0).all())
        and np.allclose(table.sum(axis=-1), 1.0, atol=1e-6)
    )
