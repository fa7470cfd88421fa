"""A junction tree over buckets of codes, with the detail inside each bucket: the model of `allpairs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.graphical.calibration import conditioned
from dpsynth.graphical.clique_sampling import sample_cliques
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_tree import Edge, JunctionTree
from dpsynth.graphical.polish import polish
from dpsynth.graphical.sampling import Codes, RowSampler
from dpsynth.schema.schema import Schema

__all__ = ["JunctionModel"]

_PROPOSALS_PER_ROW = 100
_MOST_PROPOSALS = 8_000_000

_Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class JunctionModel:
    """A distribution over buckets; inside a bucket the codes of a column are independent of all else.

    Attributes:
        schema: The schema whose codes it speaks.
        total: The DP estimate of the number of rows.
        tree: Cliques of columns, numbered as in the domain of the schema.
        beliefs: For each clique the probabilities of its combinations of buckets.
        buckets: For each column the bucket of each code.
        details: For each column the probability of each code within its bucket.
        targets: Probabilities of pairs of columns that sampled rows are polished to.
    """

    name: ClassVar[str] = "junction-tree"

    schema: Schema
    total: float
    tree: JunctionTree
    beliefs: tuple[FloatArray, ...]
    buckets: tuple[np.ndarray[Any, Any], ...]
    details: tuple[FloatArray, ...]
    targets: Mapping[Edge, FloatArray]

    def __post_init__(self) -> None:
        for array in (*self.beliefs, *self.buckets, *self.details, *self.targets.values()):
            array.setflags(write=False)

    def sample_codes(
        self, rows: int, rng: np.random.Generator, given: Mapping[str, int] | None = None
    ) -> dict[str, Codes]:
        """Draw `rows` records; `given` fixes codes and conditions the buckets of all others on theirs."""
        names = self.schema.domain.columns
        fixed = {names.index(name): code for name, code in (given or {}).items()}
        if fixed:
            drawn = sample_cliques(self.tree, self._conditioned(fixed), rows, rng)
        else:
            drawn = sample_cliques(self.tree, self.beliefs, rows, rng)
            wanted = {pair: rows * table for pair, table in self.targets.items()}
            effort = min(_PROPOSALS_PER_ROW * rows, _MOST_PROPOSALS)
            polish(drawn, self.tree.sizes, wanted, rng, proposals=effort)
        codes, sampler = {}, RowSampler(rows, rng)
        for node, name in enumerate(names):
            codes[name] = self._expanded(node, drawn[:, node], sampler)
            if node in fixed:
                codes[name][:] = fixed[node]
        return codes

    def state(self) -> tuple[dict[str, Any], _Arrays]:
        """Header and arrays; every shape follows from the schema, the buckets and the cliques."""
        header = {
            "total": self.total,
            "cliques": [list(clique) for clique in self.tree.cliques],
            "parents": list(self.tree.parents),
            "targets": [list(pair) for pair in self.targets],
        }
        parts: dict[str, tuple[np.ndarray[Any, Any], ...]] = {
            "belief": self.beliefs,
            "buckets": self.buckets,
            "detail": self.details,
            "target": tuple(self.targets.values()),
        }
        return header, {
            f"{part}.{i}": array for part, arrays in parts.items() for i, array in enumerate(arrays)
        }

    @classmethod
    def from_state(
        cls, schema: Schema, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]
    ) -> JunctionModel:
        """Rebuild the model.

        Raises:
            StorageError: Header, arrays and schema do not fit together.
        """
        sizes = schema.domain.sizes
        try:
            total = float(header["total"])
            buckets = tuple(np.asarray(arrays[f"buckets.{i}"], np.int64) for i in range(len(sizes)))
            details = tuple(np.asarray(arrays[f"detail.{i}"], np.float64) for i in range(len(sizes)))
            tree = JunctionTree(
                sizes=tuple(int(bucket.max()) + 1 for bucket in buckets),
                cliques=tuple(tuple(int(node) for node in clique) for clique in header["cliques"]),
                parents=tuple(int(parent) for parent in header["parents"]),
            )
            beliefs = tuple(np.asarray(arrays[f"belief.{i}"], np.float64) for i in range(len(tree.cliques)))
            targets = {
                (int(left), int(right)): np.asarray(arrays[f"target.{i}"], np.float64)
                for i, (left, right) in enumerate(header["targets"])
            }
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError("The saved junction tree lacks a field or a table.") from error
        _check_tree(tree)
        tables = [*zip(tree.cliques, beliefs, strict=True), *targets.items()]
        coded = zip(buckets, details, sizes, strict=True)
        if (
            not (np.isfinite(total) and total >= 0)
            or not all(_probabilities(table, tree.shape(nodes)) for nodes, table in tables)
            or not all(_expansion(bucket, detail, size) for bucket, detail, size in coded)
        ):
            raise StorageError("The tables of the saved junction tree do not fit its schema.")
        return cls(
            schema=schema,
            total=total,
            tree=tree,
            beliefs=beliefs,
            buckets=buckets,
            details=details,
            targets=targets,
        )

    def _conditioned(self, fixed: Mapping[int, int]) -> tuple[FloatArray, ...]:
        possible = all(self.details[node][code] > 0 for node, code in fixed.items())
        buckets = {node: int(self.buckets[node][code]) for node, code in fixed.items()}
        beliefs = conditioned(self.tree, self.beliefs, buckets) if possible else None
        if beliefs is None:
            names = sorted(self.schema.domain.columns[node] for node in fixed)
            raise ConfigurationError(
                f"The model holds no records with these values of {names} together. Fix fewer columns."
            )
        return tuple(beliefs)

    def _expanded(self, node: int, drawn: np.ndarray[Any, Any], sampler: RowSampler) -> Codes:
        """A code for each bucket, drawn from the codes in it."""
        inside = np.arange(self.tree.sizes[node])[:, None] == self.buckets[node]
        if inside.shape[0] == inside.shape[1]:  # each bucket is one code
            codes: Codes = inside.argmax(axis=1).astype(np.int32)[drawn]
            return codes
        return sampler.draw(drawn, inside * self.details[node]).astype(np.int32)


def _check_tree(tree: JunctionTree) -> None:
    """Refuse what is no junction tree over all nodes: parents first, running intersection."""
    seen: set[int] = set()
    for i, (clique, parent) in enumerate(zip(tree.cliques, tree.parents, strict=False)):
        known = set(tree.cliques[parent]) if 0 <= parent < i else set()
        joined = (parent == -1) if i == 0 else (0 <= parent < i)
        if not joined or list(clique) != sorted(set(clique)) or set(clique) & seen != set(clique) & known:
            raise StorageError("The saved junction tree is none.")
        seen |= set(clique)
    if len(tree.parents) != len(tree.cliques) or seen != set(range(len(tree.sizes))):
        raise StorageError("The saved junction tree does not have the columns of its schema.")


def _probabilities(table: FloatArray, shape: tuple[int, ...]) -> bool:
    return (
        table.shape == shape
        and bool(np.isfinite(table).all())
        and bool((table >= 0).all())
        and bool(np.isclose(table.sum(), 1.0, atol=1e-6))
    )


def _expansion(buckets: np.ndarray[Any, Any], detail: FloatArray, size: int) -> bool:
    """Whether every bucket from 0 on has codes, with probabilities that add up to one."""
    if buckets.shape != (size,) or detail.shape != (size,) or buckets.min() < 0:
        return False
    if not (np.isfinite(detail).all() and (detail >= 0).all()):
        return False
    return np.allclose(np.bincount(buckets, weights=detail), 1.0, atol=1e-6)
