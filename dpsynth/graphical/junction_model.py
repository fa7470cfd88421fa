"""A junction tree over buckets of codes, with the detail inside each bucket: the model of `allpairs`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.graphical.calibration import conditioned, sum_to
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.expansion import expand
from dpsynth.graphical.junction_tree import Edge, JunctionTree
from dpsynth.graphical.polish import polish
from dpsynth.graphical.sampling import Codes, deal, grouped_order
from dpsynth.schema.schema import Schema

__all__ = ["JunctionModel"]

_ROUNDS = 6
_TINY = float(np.finfo(np.float64).tiny)

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
        classes: The column within whose buckets pairs were fitted; None if in all rows together.
        targets: Probabilities of pairs of columns that sampled rows are polished to, in each class: three
            axes, the classes first (one of them if there are none).
    """

    name: ClassVar[str] = "junction-tree"

    schema: Schema
    total: float
    tree: JunctionTree
    beliefs: tuple[FloatArray, ...]
    buckets: tuple[np.ndarray[Any, Any], ...]
    details: tuple[FloatArray, ...]
    targets: Mapping[Edge, FloatArray]
    classes: int | None = None

    def __post_init__(self) -> None:
        for array in (*self.beliefs, *self.buckets, *self.details, *self.targets.values()):
            array.setflags(write=False)

    def sample_codes(
        self, rows: int, rng: np.random.Generator, given: Mapping[str, int] | None = None
    ) -> dict[str, Codes]:
        """Draw `rows` records; `given` fixes codes and conditions the buckets of all others on theirs."""
        names = self.schema.domain.columns
        fixed = {names.index(name): code for name, code in (given or {}).items()}
        beliefs = self._conditioned(fixed) if fixed else self.beliefs
        drawn = _sample_buckets(self.tree, beliefs, rows, rng)
        expanded = np.empty_like(drawn)
        for chosen, wanted in self._wanted(drawn, polished=not fixed):
            part = drawn[chosen]
            polish(part, self.tree.sizes, wanted, rng, rounds=_ROUNDS)
            expanded[chosen] = expand(part, self.buckets, self.details, wanted, rng, rounds=_ROUNDS)
        codes = {name: expanded[:, node] for node, name in enumerate(names)}
        for node, code in fixed.items():
            codes[names[node]][:] = code
        return codes

    def _wanted(
        self, drawn: Codes, *, polished: bool
    ) -> Iterator[tuple[np.ndarray[Any, Any], dict[Edge, FloatArray]]]:
        """The rows of each class with the pair counts that they should have."""
        if not polished or not self.targets:
            yield np.arange(len(drawn)), {}
            return
        number = len(next(iter(self.targets.values())))
        classes = np.zeros(len(drawn), np.int32) if self.classes is None else drawn[:, self.classes]
        for c in range(number):
            rows = np.flatnonzero(classes == c)
            yield (
                rows,
                {
                    pair: table[c] * (len(rows) / max(float(table[c].sum()), _TINY))
                    for pair, table in self.targets.items()
                },
            )

    def state(self) -> tuple[dict[str, Any], _Arrays]:
        """Header and arrays; every shape follows from the schema, the buckets and the cliques."""
        header = {
            "total": self.total,
            "cliques": [list(clique) for clique in self.tree.cliques],
            "parents": list(self.tree.parents),
            "targets": [list(pair) for pair in self.targets],
            "classes": self.classes,
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
            classes = None if header["classes"] is None else int(header["classes"])
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError("The saved junction tree lacks a field or a table.") from error
        _check_tree(tree)
        if classes is not None and not 0 <= classes < len(sizes):
            raise StorageError("The saved junction tree has no such column of classes.")
        layers = 1 if classes is None else tree.sizes[classes]
        coded = zip(buckets, details, sizes, strict=True)
        if (
            not (np.isfinite(total) and total >= 0)
            or not all(_probabilities(t, tree.shape(c)) for c, t in zip(tree.cliques, beliefs, strict=True))
            or not all(_probabilities(t, (layers, *tree.shape(pair))) for pair, t in targets.items())
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
            classes=classes,
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


def _sample_buckets(
    tree: JunctionTree, beliefs: tuple[FloatArray, ...], rows: int, rng: np.random.Generator
) -> Codes:
    """Clique after clique, what is new in it given what it shares with its parent."""
    drawn = np.zeros((rows, len(tree.sizes)), np.int32)
    for clique, separator, belief in zip(tree.cliques, tree.separators, beliefs, strict=True):
        fresh = [node for node in clique if node not in separator]
        shared, shape = tree.shape(separator), tree.shape(fresh)
        table = sum_to(belief, clique, (*separator, *fresh)).reshape(int(np.prod(shared, dtype=int)), -1)
        sums = table.sum(axis=1, keepdims=True)
        shares = np.where(sums > 0, table / np.where(sums > 0, sums, 1.0), 1 / table.shape[1])
        groups = np.zeros(rows, np.int64)
        for node in separator:
            groups = groups * tree.sizes[node] + drawn[:, node]
        cells = np.empty(rows, np.int32)
        counts = np.bincount(groups, minlength=len(table))
        cells[grouped_order(groups, rng)] = deal(shares, counts, rng)
        for node, codes in zip(fresh, np.unravel_index(cells, shape), strict=True):
            drawn[:, node] = codes
    return drawn


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
