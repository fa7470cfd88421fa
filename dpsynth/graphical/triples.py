"""Tables of three columns that rows of a model are to have, beyond what its pairs say.

Each table is coarse: a few groups of buckets for each column. What a table adds to the model is a ratio for
each cell, of the share that is wanted to the share that the model's rows have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dpsynth.graphical.consistency import FloatArray, project_to_simplex
from dpsynth.graphical.junction_tree import Edge
from dpsynth.graphical.polish import polish

__all__ = ["Triple", "Triples", "with_pairs"]

Codes = np.ndarray[Any, np.dtype[np.int32]]
Indices = np.ndarray[Any, np.dtype[np.int64]]
Triple = tuple[int, int, int]

_SWEEPS, _ROUNDS, _RAKES = 3, 2, 30
_FARTHEST = 20.0
_TINY = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Triples:
    """Wanted tables of three columns.

    Attributes:
        groups: For each column the group of each of its buckets.
        wanted: For each three columns the shares of their groups.
        expected: The same of the model's own rows.
    """

    groups: tuple[Indices, ...] = ()
    wanted: Mapping[Triple, FloatArray] = field(default_factory=dict)
    expected: Mapping[Triple, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for array in (*self.groups, *self.wanted.values(), *self.expected.values()):
            array.setflags(write=False)

    def state(self) -> tuple[list[list[int]], dict[str, np.ndarray[Any, Any]]]:
        """The columns of each table, and all arrays."""
        arrays: dict[str, np.ndarray[Any, Any]] = {f"groups.{i}": own for i, own in enumerate(self.groups)}
        for i, triple in enumerate(self.wanted):
            arrays |= {f"wanted.{i}": self.wanted[triple], f"expected.{i}": self.expected[triple]}
        return [list(triple) for triple in self.wanted], arrays

    @classmethod
    def from_state(
        cls, nodes: Sequence[Sequence[int]], arrays: Mapping[str, np.ndarray[Any, Any]]
    ) -> Triples:
        """The tables of a saved model, unchecked.

        Raises:
            KeyError, TypeError, ValueError: A part is missing or of another kind.
        """
        number = sum(name.startswith("groups.") for name in arrays)
        triples = [(int(first), int(second), int(third)) for first, second, third in nodes]
        wanted, expected = (
            {triple: np.asarray(arrays[f"{part}.{i}"], np.float64) for i, triple in enumerate(triples)}
            for part in ("wanted", "expected")
        )
        groups = tuple(arrays[f"groups.{i}"].astype(np.int64, casting="safe") for i in range(number))
        return cls(groups=groups, wanted=wanted, expected=expected)

    def fit(self, sizes: Sequence[int]) -> bool:
        """Whether the tables are of columns with so many buckets."""
        if not self.groups:
            return not self.wanted
        if [own.shape for own in self.groups] != [(size,) for size in sizes]:
            return False
        if any(own.min() < 0 or len(np.unique(own)) != own.max() + 1 for own in self.groups):
            return False
        for triple in self.wanted:
            if not 0 <= triple[0] < triple[1] < triple[2] < len(sizes):
                return False
            shape = tuple(int(self.groups[node].max()) + 1 for node in triple)
            tables = (self.wanted[triple], self.expected[triple])
            if not all(t.shape == shape and np.isfinite(t).all() and (t >= 0).all() for t in tables):
                return False
        return True

    def weights(self, coarse: Codes) -> FloatArray:
        """How much likelier than in the model each row of buckets is."""
        found = np.ones(len(coarse))
        for nodes, wanted in self.wanted.items():
            cells = self._cells(coarse, nodes)
            found *= _ratio(wanted, self.expected[nodes]).ravel()[cells]
        return found

    def impose(
        self,
        coarse: Codes,
        sizes: Sequence[int],
        layers: Sequence[tuple[Indices, Mapping[Edge, FloatArray]]],
        rng: np.random.Generator,
    ) -> None:
        """Exchange buckets between rows, in place, until they have the wanted tables, and keep their pairs.

        Columns take turns. While one exchanges its buckets the two others of a table stand still, so that
        together they are one column, and the table is one more pair for `polish`.

        Args:
            coarse: Rows of buckets.
            sizes: Number of buckets of each column.
            layers: Rows that may exchange with each other, and the pair counts that they should have.
            rng: Chooses exchanges.
        """
        nodes = sorted({node for triple in self.wanted for node in triple})
        for _ in range(_SWEEPS):
            for node in rng.permutation(nodes):
                self._turn(coarse, sizes, layers, int(node), rng)

    def _turn(
        self,
        coarse: Codes,
        sizes: Sequence[int],
        layers: Sequence[tuple[Indices, Mapping[Edge, FloatArray]]],
        node: int,
        rng: np.random.Generator,
    ) -> None:
        mine = [triple for triple in self.wanted if node in triple]
        ratios = {}
        for triple in mine:
            present = np.bincount(self._cells(coarse, triple), minlength=self.wanted[triple].size)
            share = (present / max(len(coarse), 1)).reshape(self.wanted[triple].shape)
            # The own column last: rows of the table are the two others together.
            table = np.moveaxis(_ratio(self.wanted[triple], share), triple.index(node), 2)
            ratios[triple] = table.reshape(-1, table.shape[2])
        for rows, pairs in layers:
            part = coarse[rows]
            wanted = {pair: table for pair, table in pairs.items() if node in pair}
            virtual = []
            for place, triple in enumerate(mine):
                ratio = ratios[triple]
                others = self._others(part, triple, node)
                cells = part[:, node].astype(np.int64) * len(ratio) + others
                present = np.bincount(cells, minlength=sizes[node] * len(ratio)).reshape(sizes[node], -1)
                wanted[node, len(sizes) + place] = _adjusted(present, ratio[:, self.groups[node]].T)
                virtual.append(others)
            widths = [*sizes, *(len(ratios[triple]) for triple in mine)]
            wider = np.column_stack([part, *virtual]).astype(np.int32)
            alone = {node: np.zeros(sizes[node], np.int64)}
            polish(wider, widths, wanted, rng, rounds=_ROUNDS, within=alone)
            coarse[rows, node] = wider[:, node]

    def _others(self, coarse: Codes, triple: Triple, node: int) -> Indices:
        left, right = (other for other in triple if other != node)
        width = int(self.groups[right].max()) + 1
        found: Indices = self.groups[left][coarse[:, left]] * width + self.groups[right][coarse[:, right]]
        return found

    def _cells(self, coarse: Codes, triple: Triple) -> Indices:
        shape = tuple(int(self.groups[node].max()) + 1 for node in triple)
        codes = tuple(self.groups[node][coarse[:, node]] for node in triple)
        return np.ravel_multi_index(codes, shape)


def _ratio(wanted: FloatArray, present: FloatArray) -> FloatArray:
    found: FloatArray = np.clip((wanted + _TINY) / (present + _TINY), 0.0, _FARTHEST)
    return found


def _adjusted(present: Indices, ratio: FloatArray) -> FloatArray:
    """Counts times ratios, with the sums along both axes that the counts have."""
    found = (present + _TINY) * ratio
    for _ in range(_RAKES):
        for axis in (0, 1):
            sums = found.sum(axis=axis, keepdims=True)
            found = found * np.divide(
                present.sum(axis=axis, keepdims=True), sums, out=np.ones_like(sums), where=sums > 0
            )
    adjusted: FloatArray = found
    return adjusted


def with_pairs(noisy: FloatArray, expected: FloatArray) -> FloatArray:
    """Shares near a noisy table of three columns that have the pairs of `expected`."""
    total = max(float(noisy.sum()), 1.0)
    found = project_to_simplex(noisy, total).reshape(noisy.shape) / total + _TINY
    for _ in range(_RAKES):
        for axis in range(3):
            sums = found.sum(axis=axis, keepdims=True)
            found = found * (expected.sum(axis=axis, keepdims=True) + _TINY) / sums
    shares: FloatArray = found / found.sum()
    return shares
