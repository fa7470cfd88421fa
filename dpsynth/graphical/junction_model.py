"""A junction tree over buckets of codes, with the detail inside each bucket: the model of `allpairs`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.graphical.calibration import conditioned, marginal
from dpsynth.graphical.clique_sampling import sample_cliques
from dpsynth.graphical.completion import FREE, PRESENT, completed, present_codes, records
from dpsynth.graphical.conditionals import chain_of_tree, needed
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.elimination import chain_marginal, eliminated, expanded, nodes_of
from dpsynth.graphical.evidence import Given, evidence_weights, impossible
from dpsynth.graphical.expansion import Expansion, parts
from dpsynth.graphical.junction_tree import Edge, JunctionTree
from dpsynth.graphical.margins import move_to_margin, whole_counts
from dpsynth.graphical.polish import polish
from dpsynth.graphical.reconciled import zero_factors
from dpsynth.graphical.row_rules import RowRules
from dpsynth.graphical.sampling import Codes, RowSampler
from dpsynth.graphical.triples import Triples
from dpsynth.graphical.zeros import AllowedTable, allowed_tables, bucket_allowed, possible_cells
from dpsynth.schema.schema import Schema

__all__ = ["JunctionModel"]

_ROUNDS = 6
_PROPOSALS = 24_000_000  # beyond so many a round brings little for the time that it takes
_TINY = 1e-12  # a bucket whose codes but "missing" are never drawn can still be asked for one of them

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
        fine: For each column a finer bucket of each code; nothing stands for the buckets themselves.
        refined: Probabilities of pairs over the finer buckets, where they are known.
    """

    name: ClassVar[str] = "junction-tree"

    schema: Schema
    total: float
    tree: JunctionTree
    beliefs: tuple[FloatArray, ...]
    buckets: tuple[np.ndarray[Any, Any], ...]
    details: tuple[FloatArray, ...]
    targets: Mapping[Edge, FloatArray]
    fine: tuple[np.ndarray[Any, Any], ...] = ()
    refined: Mapping[Edge, FloatArray] = field(default_factory=dict)
    classes: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fine", self.fine or self.buckets)
        tables = (*self.beliefs, *self.targets.values(), *self.refined.values())
        for array in (*tables, *self.buckets, *self.details, *self.fine):
            array.setflags(write=False)

    def sample_codes(
        self,
        rows: int,
        rng: np.random.Generator,
        given: Given | None = None,
        triples: Triples | None = None,
    ) -> dict[str, Codes]:
        """Draw `rows` records; `given` says which codes columns may have, all else follows.

        Without `given` they also get the tables of `triples`.
        """
        known = self._known(given or {})
        if known:
            drawn = sample_cliques(self.tree, self._conditioned(given or {}, known), rows, rng)
            details, sampler = (
                [known.get(i, detail) for i, detail in enumerate(self.details)],
                RowSampler(rows, rng),
            )
            return {
                name: parts(drawn[:, node], self.buckets[node], details[node], sampler)
                for node, name in enumerate(self.schema.domain.columns)
            }
        return self._expanded(sample_cliques(self.tree, self.beliefs, rows, rng), rng, triples)

    def polished(
        self, codes: Mapping[str, Codes], rng: np.random.Generator, triples: Triples | None = None
    ) -> dict[str, Codes]:
        """Rows like `codes`, with as few changes as give them the columns and pairs that were measured.

        Within a bucket codes are drawn anew.
        """
        named = zip(self.schema.domain.columns, self.buckets, strict=True)
        coarse = np.stack([own[codes[name]] for name, own in named], axis=1).astype(np.int32)
        return self._expanded(coarse, rng, triples)

    def _move_to_margins(self, drawn: Codes, rng: np.random.Generator) -> None:
        """Give rows of buckets the measured counts of the classes, then of each column in each class."""
        rules = self._rules
        if self.classes is not None and self.targets:
            sizes = whole_counts(next(iter(self.targets.values())).sum(axis=(1, 2)), len(drawn))
            move_to_margin(drawn, self.classes, sizes, rng, rules)
        for rows, wanted in self._wanted(drawn):
            part = drawn[rows]
            margins: dict[int, FloatArray] = {}
            for (left, right), table in wanted.items():
                margins |= {left: table.sum(axis=1), right: table.sum(axis=0)}
            for node, margin in margins.items():
                move_to_margin(part, node, whole_counts(margin, len(rows)), rng, rules)
            drawn[rows] = part

    def _expanded(
        self, drawn: Codes, rng: np.random.Generator, triples: Triples | None = None
    ) -> dict[str, Codes]:
        """Rows of buckets, polished, with a code for each bucket."""
        self._move_to_margins(drawn, rng)
        codes, rules = np.empty_like(drawn), self._rules
        rounds = min(_ROUNDS, max(2, _PROPOSALS // max(drawn.size, 1)))
        layers = list(self._wanted(drawn))
        for chosen, wanted in layers:
            part = drawn[chosen]
            polish(part, self.tree.sizes, wanted, rng, rounds=rounds, rules=rules)
            drawn[chosen] = part
        if triples is not None:
            triples.impose(drawn, self.tree.sizes, layers, rng)
        for chosen, wanted in layers:
            codes[chosen] = self._inside.expand(drawn[chosen], wanted, rng, rounds=rounds)
        return {name: codes[:, node] for node, name in enumerate(self.schema.domain.columns)}

    def marginal(self, columns: Sequence[str]) -> FloatArray:
        """The probabilities of any columns over their codes, axes in the order of `columns`.

        A pair that was measured is what rows are polished to; all else is exact in the tree.

        Raises:
            ConfigurationError: No different modelled columns, or a table that is too large.
        """
        nodes = nodes_of(columns, self.schema.domain)
        if len(nodes) == 2 and tuple(sorted(nodes)) in self.targets:
            left, right = sorted(nodes)
            pair = self._inside.pair((left, right), self.targets[left, right].sum(axis=0))
            return pair if nodes[0] == left else pair.T
        coarse = chain_marginal(chain_of_tree(self.tree, self.beliefs), nodes)
        return expanded(coarse, [self.buckets[i] for i in nodes], [self.details[i] for i in nodes])

    def probability(self, given: Given) -> float:
        """The share of records that have the codes `given`; with weights, their mean product."""
        known = {node: self._in_buckets(node, weights) for node, weights in self._known(given).items()}
        chain = needed(chain_of_tree(self.tree, self.beliefs), known)
        factors = [(conditional.nodes, conditional.table) for conditional in chain]
        return float(eliminated([*factors, *(((node,), weights) for node, weights in known.items())], ()))

    def complete_codes(
        self, rows: int, known: Mapping[str, Codes], rng: np.random.Generator
    ) -> dict[str, Codes]:
        """Records with the codes `known`, all else drawn given them; -1 asks for any code but "missing"."""
        given, allowed = records(self.schema, rows, known), present_codes(self.schema)
        coarse = np.full((rows, len(self.tree.sizes)), FREE, np.int64)
        for node, codes in enumerate(given.T):
            coarse[:, node] = np.where(codes < 0, codes, self.buckets[node][codes])
        details = [(detail + _TINY) * allowed[node] for node, detail in enumerate(self.details)]
        present = {node: self._in_buckets(node, detail) for node, detail in enumerate(details)}
        strict = bool(self.schema.constraints)
        drawn = completed(chain_of_tree(self.tree, self.beliefs), coarse, present, rng, strict=strict)
        for node, codes in enumerate(given.T):
            for kind, shares in ((FREE, self.details[node]), (PRESENT, details[node])):
                places = np.flatnonzero(codes == kind)
                sampler = RowSampler(len(places), rng)
                codes[places] = parts(drawn[places, node], self.buckets[node], shares, sampler)
        return dict(zip(self.schema.domain.columns, given.T.astype(np.int32), strict=True))

    @property
    def _zeros(self) -> tuple[AllowedTable, ...]:
        """The constraints of the schema over buckets."""
        groups: Sequence[Sequence[int]] = [own.tolist() for own in self.buckets]
        return tuple(bucket_allowed(table, groups) for table in allowed_tables(self.schema))

    @property
    def _rules(self) -> RowRules:
        """What rows that are polished have to keep."""
        return RowRules.of_tables(self._zeros, len(self.buckets))

    @property
    def _inside(self) -> Expansion:
        """What is inside the buckets."""
        return Expansion(buckets=self.buckets, details=self.details, fine=self.fine, refined=self.refined)

    def _wanted(self, drawn: Codes) -> Iterator[tuple[np.ndarray[Any, Any], dict[Edge, FloatArray]]]:
        """The rows of each class with the pair counts that they should have."""
        if not self.targets:
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
            "refined": [list(pair) for pair in self.refined],
        }
        parts: dict[str, tuple[np.ndarray[Any, Any], ...]] = {
            "belief": self.beliefs,
            "buckets": self.buckets,
            "detail": self.details,
            "target": tuple(self.targets.values()),
            "fine": self.fine,
            "refined": tuple(self.refined.values()),
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
            buckets = tuple(
                arrays[f"buckets.{i}"].astype(np.int64, casting="safe") for i in range(len(sizes))
            )
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
            fine = tuple(arrays[f"fine.{i}"].astype(np.int64, casting="safe") for i in range(len(sizes)))
            refined = {
                (int(left), int(right)): np.asarray(arrays[f"refined.{i}"], np.float64)
                for i, (left, right) in enumerate(header["refined"])
            }
            classes = None if header["classes"] is None else int(header["classes"])
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError("The saved junction tree lacks a field or a table.") from error
        _check_tree(tree)
        if classes is not None and not 0 <= classes < len(sizes):
            raise StorageError("The saved junction tree has no such column of classes.")
        if not all(0 <= left < right < len(sizes) for left, right in (*targets, *refined)):
            raise StorageError("The saved junction tree has no such pairs of columns.")
        layers = 1 if classes is None else tree.sizes[classes]
        coded = zip(buckets, details, sizes, strict=True)
        if (
            not (np.isfinite(total) and total >= 0)
            or not all(_probabilities(t, tree.shape(c)) for c, t in zip(tree.cliques, beliefs, strict=True))
            or not all(_probabilities(t, (layers, *tree.shape(pair))) for pair, t in targets.items())
            or not all(_expansion(bucket, detail, size) for bucket, detail, size in coded)
            or not all(_refinement(*groups) for groups in zip(fine, buckets, strict=True))
            or not all(_probabilities(t, _shape(fine, pair)) for pair, t in refined.items())
        ):
            raise StorageError("The tables of the saved junction tree do not fit its schema.")
        model = cls(
            schema=schema,
            total=total,
            tree=tree,
            beliefs=beliefs,
            buckets=buckets,
            details=details,
            classes=classes,
            targets=targets,
            fine=fine,
            refined=refined,
        )
        if schema.constraints and not model._keeps_zeros():
            raise StorageError("The saved junction tree does not hold the constraints of its schema.")
        return model

    def _keeps_zeros(self) -> bool:
        """Whether cliques and targets rule out what the constraints do."""
        try:
            zeros = self._zeros
        except ConfigurationError:
            return False
        for nodes, factor in zero_factors(zeros).items():
            shares = marginal(self.tree, list(self.beliefs), nodes)
            if shares is None or shares[factor == 0].any():
                return False
        return not any(
            table.sum(axis=0)[~possible_cells(pair, self.tree.sizes, zeros)].any()
            for pair, table in self.targets.items()
        )

    def _known(self, given: Given) -> dict[int, FloatArray]:
        """For each column of `given` what its details become: each code counts by its weight."""
        names = self.schema.domain.columns
        weights = evidence_weights(self.schema.domain, given)
        return {names.index(name): self.details[names.index(name)] * each for name, each in weights.items()}

    def _in_buckets(self, node: int, details: FloatArray) -> FloatArray:
        sums = np.bincount(self.buckets[node], weights=details, minlength=self.tree.sizes[node])
        return sums.astype(np.float64)

    def _conditioned(self, given: Given, known: Mapping[int, FloatArray]) -> tuple[FloatArray, ...]:
        weights = {node: self._in_buckets(node, details) for node, details in known.items()}
        beliefs = conditioned(self.tree, self.beliefs, weights)
        if beliefs is None:
            raise impossible(given)
        return tuple(beliefs)


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


def _refinement(fine: np.ndarray[Any, Any], buckets: np.ndarray[Any, Any]) -> bool:
    """Whether the finer buckets are numbered from 0 without gaps, and none spans two buckets."""
    if fine.shape != buckets.shape or fine.min() < 0 or len(np.unique(fine)) != fine.max() + 1:
        return False
    return bool(np.unique(np.stack([fine, buckets]), axis=1).shape[1] == fine.max() + 1)


def _shape(fine: Sequence[np.ndarray[Any, Any]], pair: Edge) -> tuple[int, ...]:
    return tuple(int(fine[node].max()) + 1 for node in pair)
