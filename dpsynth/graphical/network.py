"""A Bayesian network whose parents share a table: the model behind `privbayes`.

Order the parents of each column as the network orders its columns. If the parents of Y are the last of
them, Z, and some parents of Z, then the families (a column with its parents) form a junction tree: the
message that Y's family sends about Y's parents fits into Z's family (Lauritzen and Spiegelhalter, 1988).
So conditioning is exact, in one pass, and no table is ever larger than a family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.graphical.chained import ChainedModel
from dpsynth.graphical.conditionals import Conditional, chain_of_network
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.evidence import Given, evidence_weights, impossible
from dpsynth.graphical.sampling import Codes, sample_network
from dpsynth.schema.schema import Schema

__all__ = ["BayesianNetwork", "share_a_table"]

Order = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BayesianNetwork(ChainedModel):
    """A distribution over codes in which each column depends on a few columns before it.

    Attributes:
        schema: The schema whose codes it speaks.
        total: The DP estimate of the number of rows.
        order: Every modelled column with its parents. Parents stand before their children, are listed
            in this order, and all but the last are parents of the last.
        tables: For each column its distributions: one axis for each parent, then its own.
    """

    name: ClassVar[str] = "network"

    schema: Schema
    total: float
    order: Order
    tables: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        if not share_a_table(self.order):
            raise ConfigurationError(
                "Expected columns after their parents, and all but the last parent as parents of the last."
            )
        for table in self.tables.values():
            table.setflags(write=False)

    def sample_codes(
        self, rows: int, rng: np.random.Generator, given: Given | None = None
    ) -> dict[str, Codes]:
        """Draw `rows` records; `given` says which codes columns may have, all else follows exactly."""
        network = self.condition(given) if given else self
        return sample_network(network.order, network.tables, rows, rng)

    def condition(self, given: Given) -> BayesianNetwork:
        """The exact conditional distribution, again as a network (one upward pass of messages).

        Raises:
            ConfigurationError: The model gives `given` no probability.
        """
        weighted, probability = self._upward(given)
        if probability <= 0:
            raise impossible(given)
        tables = {name: _to_shares(table, self.tables[name]) for name, table in weighted.items()}
        return BayesianNetwork(schema=self.schema, total=self.total, order=self.order, tables=tables)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """Header and arrays; every shape follows from the schema and the order."""
        header = {"total": self.total, "order": [[name, list(parents)] for name, parents in self.order]}
        return header, {str(i): self.tables[name] for i, (name, _) in enumerate(self.order)}

    @classmethod
    def from_state(
        cls, schema: Schema, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]
    ) -> BayesianNetwork:
        """Rebuild the model.

        Raises:
            StorageError: Header, arrays and schema do not fit together.
        """
        try:
            order: Order = tuple(
                (str(name), tuple(str(parent) for parent in parents)) for name, parents in header["order"]
            )
            tables = {name: np.asarray(arrays[str(i)], np.float64) for i, (name, _) in enumerate(order)}
            total = float(header["total"])
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError("The saved network lacks a field or a table.") from error
        domain = schema.domain
        columns = [name for name, _ in order]
        if not np.isfinite(total) or total < 0 or sorted(columns) != sorted(domain.columns):
            raise StorageError("The saved network does not have the columns of its schema.")
        if not share_a_table(order):
            raise StorageError("The saved network lists parents that do not share a table.")
        for name, parents in order:
            _require_distributions(name, tables[name], domain.shape((*parents, name)))
        return cls(schema=schema, total=total, order=order, tables=tables)

    def _chain(self) -> list[Conditional]:
        return chain_of_network(self.schema.domain.columns, self.order, self.tables)

    def _upward(self, given: Given) -> tuple[dict[str, FloatArray], float]:
        """Each table times the probability of the evidence at and below it, and that of all evidence."""
        known = evidence_weights(self.schema.domain, given)
        weighted = {name: self.tables[name] * known.get(name, 1.0) for name, _ in self.order}
        probability = 1.0
        parents_of = dict(self.order)
        for name, parents in reversed(self.order):
            message = weighted[name].sum(axis=-1)
            if not parents:
                probability *= float(message)
                continue
            last = parents[-1]
            sizes = dict(zip(parents, message.shape, strict=True))
            shape = [sizes.get(other, 1) for other in (*parents_of[last], last)]
            weighted[last] = weighted[last] * message.reshape(shape)
        return weighted, probability


def share_a_table(order: Sequence[tuple[str, tuple[str, ...]]]) -> bool:
    """Whether each column stands once, after its parents, and its parents stand in one family.

    That is: listed in the order of the network, all parents but the last are parents of the last.
    """
    place: dict[str, int] = {}
    parents_of: dict[str, tuple[str, ...]] = {}
    for name, parents in order:
        if name in place or not all(parent in place for parent in parents):
            return False
        places = [place[parent] for parent in parents]
        if places != sorted(set(places)):
            return False
        if parents and not set(parents[:-1]) <= set(parents_of[parents[-1]]):
            return False
        place[name], parents_of[name] = len(place), parents
    return True


def _to_shares(weighted: FloatArray, otherwise: FloatArray) -> FloatArray:
    """Distributions in proportion to `weighted`; where no record can come, those of `otherwise`."""
    sums = weighted.sum(axis=-1, keepdims=True)
    return np.where(sums > 0, weighted / np.where(sums > 0, sums, 1.0), otherwise)


def _require_distributions(name: str, table: FloatArray, shape: tuple[int, ...]) -> None:
    fits = table.shape == shape and bool(np.isfinite(table).all()) and bool((table >= 0).all())
    if not fits or not np.allclose(table.sum(axis=-1), 1.0, atol=1e-6):
        raise StorageError(f"The table of column {name!r} holds no distributions of the right shape.")
