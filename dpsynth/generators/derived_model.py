"""A model of some columns, and others that follow from them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dpsynth.errors import ConfigurationError, DpsynthError, StorageError
from dpsynth.generators.base import ExactModel, Model
from dpsynth.generators.derivations import Derivation, reduced
from dpsynth.generators.derived_completion import completed_codes
from dpsynth.generators.registry import model_class
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.elimination import nodes_of
from dpsynth.graphical.evidence import Given, evidence_weights, impossible
from dpsynth.schema.boxes import Box, boxes
from dpsynth.schema.constraint_tables import MOST_COMBINATIONS
from dpsynth.schema.schema import Schema

__all__ = ["DerivedModel"]

_MOST_BOXES = 4096

_Codes = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DerivedModel:
    """A model of some columns, with others that follow from them.

    Attributes:
        schema: The whole schema.
        inner: The model of the columns that do not follow.
        derivations: How the others follow.
    """

    name: ClassVar[str] = "derived"

    schema: Schema
    inner: Model
    derivations: tuple[Derivation, ...]

    @property
    def total(self) -> float:
        """The DP estimate of the number of rows."""
        return self.inner.total

    def sample_codes(self, rows: int, rng: np.random.Generator, given: Given | None = None) -> _Codes:
        """Draw `rows` records; what is `given` about a column that follows is turned to its bases.

        Raises:
            ConfigurationError: The model gives `given` no probability, or it is too scattered.
        """
        parts = self._parts(given or {})
        if len(parts) == 1:
            codes = dict(self.inner.sample_codes(rows, rng, parts[0][1] or None))
        else:
            codes = self._mixed(parts, rows, rng, given or {})
        return self._whole(codes)

    def marginal(self, columns: Sequence[str]) -> FloatArray:
        """The exact probabilities of columns over their codes, axes in the order of `columns`.

        Raises:
            ConfigurationError: No different modelled columns, a table that is too large, or a model
                inside that does not answer exactly.
        """
        names, domain = tuple(columns), self.schema.domain
        nodes_of(columns, domain)  # refuses other columns, and tables that are too large
        known = {derivation.column: derivation for derivation in self.derivations}
        needed = {b for name in names for b in (known[name].bases if name in known else (name,))}
        axes = [name for name in domain.columns if name in needed]
        joint: FloatArray = self._exact.marginal(axes)
        codes = [known[n].along(axes) if n in known else _ladder(joint.shape, axes.index(n)) for n in names]
        shape = domain.shape(names)
        cells = np.broadcast_to(np.ravel_multi_index(np.broadcast_arrays(*codes), shape), joint.shape)
        shares = np.bincount(cells.ravel(), weights=joint.ravel(), minlength=math.prod(shape))
        return shares.reshape(shape).astype(np.float64)

    def probability(self, given: Given) -> float:
        """The share of records that have the codes `given`; with weights, their mean product."""
        return math.fsum(weight * self._exact.probability(inner) for weight, inner in self._parts(given))

    def complete_codes(
        self, rows: int, known: Mapping[str, np.ndarray[Any, Any]], rng: np.random.Generator
    ) -> _Codes:
        """Records with the codes `known`, all else drawn given them; -1 asks for any code but "missing".

        A record that breaks a constraint in what is known of it keeps what is known.
        """
        inside = completed_codes(self._exact, self.derivations, self.schema, known, rows=rows, rng=rng)
        codes = self._whole(inside)
        for name in set(known) & set(_names(self.derivations)):
            codes[name] = np.where(known[name] < 0, codes[name], known[name]).astype(np.int32)
        return codes

    def state(self) -> tuple[dict[str, Any], _Codes]:
        """Those of the model inside; what follows is in the schema."""
        header, arrays = self.inner.state()
        return {"model": self.inner.name, "state": header}, arrays

    @classmethod
    def from_state(
        cls, schema: Schema, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]
    ) -> DerivedModel:
        """Rebuild the model.

        Raises:
            StorageError: Header, arrays and schema do not fit together.
        """
        try:
            reduction = reduced(schema)
            if not reduction.derivations:
                raise StorageError("No column of the saved model's schema follows from others.")
            kind = model_class(header["model"])
            inner = kind.from_state(reduction.schema, header["state"], arrays)
        except (KeyError, TypeError, DpsynthError) as error:
            raise StorageError(f"The saved model of the other columns cannot be read: {error}") from error
        return cls(schema=schema, inner=inner, derivations=reduction.derivations)

    def _whole(self, codes: _Codes) -> _Codes:
        """`codes` of the columns inside, and those that follow, in the order of the schema."""
        follow = {d.column: d.codes[tuple(codes[name] for name in d.bases)] for d in self.derivations}
        return {name: (codes | follow)[name] for name in self.schema.domain.columns}

    def _parts(self, given: Given) -> list[tuple[float, dict[str, Any]]]:
        """`given` as disjoint pieces of evidence about the model inside, with a weight for each.

        Evidence about columns that follow becomes a table of weights over their bases; cells of equal
        weight are divided into boxes, and a box is evidence about single columns.
        """
        domain = self.schema.domain
        known = evidence_weights(domain, given)
        told = [derivation for derivation in self.derivations if derivation.column in known]
        if not told:
            return [(1.0, dict(given))]
        others = {name: w for name, w in known.items() if name not in _names(self.derivations)}
        found = {base for derivation in told for base in derivation.bases}
        axes = [name for name in domain.columns if name in found]
        if domain.cells(axes) > MOST_COMBINATIONS:
            raise ConfigurationError(f"{_names(told)} follow from too many columns together. Fix fewer.")
        table = np.ones(domain.shape(axes))
        for derivation in told:
            table = table * known[derivation.column][derivation.along(axes)]
        for axis, name in enumerate(axes):
            table = table * (others[name] > 0)[_ladder(table.shape, axis)] if name in others else table
        found_boxes = ((w, box) for w in np.unique(table[table > 0]) for box in boxes(table == w))
        parts = list(itertools.islice(found_boxes, _MOST_BOXES + 1))
        if len(parts) > _MOST_BOXES:
            raise ConfigurationError(f"What {_names(told)} follow from is scattered. Fix {axes} instead.")
        return [(float(weight), _narrowed(others, axes, box, table.shape)) for weight, box in parts]

    def _mixed(
        self, parts: Sequence[tuple[float, dict[str, Any]]], rows: int, rng: np.random.Generator, given: Given
    ) -> _Codes:
        """Rows of each piece of evidence in proportion to its probability, in random order."""
        share = getattr(self.inner, "probability", None) or self._exact.probability
        weights = np.array([weight * share(inner) for weight, inner in parts])
        if not weights.sum() > 0:
            raise impossible(given)
        counts = rng.multinomial(rows, weights / weights.sum())
        counts_of = [(count, inner) for count, (_, inner) in zip(counts, parts, strict=True) if count]
        drawn = [self.inner.sample_codes(int(count), rng, inner) for count, inner in counts_of]
        order = rng.permutation(rows)
        return {
            name: np.concatenate([np.zeros(0, np.int32), *(codes[name] for codes in drawn)])[order]
            for name in self.inner.schema.domain.columns
        }

    @property
    def _exact(self) -> ExactModel:
        if not isinstance(self.inner, ExactModel):
            raise ConfigurationError(
                f"Models of the kind {self.inner.name!r} give no exact answers. Draw rows and count."
            )
        return self.inner


def _narrowed(
    others: Mapping[str, FloatArray], axes: Sequence[str], box: Box, sizes: Sequence[int]
) -> dict[str, Any]:
    """Evidence about single columns: what was given of them, within a box."""
    narrowed = dict(others)
    for name, codes, size in zip(axes, box, sizes, strict=True):
        inside = np.zeros(size)
        inside[codes] = 1.0
        narrowed[name] = inside * others.get(name, 1.0)
    return {name: _plain(weights) for name, weights in narrowed.items() if not (weights == 1).all()}


def _plain(weights: FloatArray) -> int | tuple[int, ...] | FloatArray:
    """Weights of zero and one as the code, or the codes, that they leave possible."""
    codes = tuple(np.flatnonzero(weights).tolist())
    if not codes or not ((weights == 0) | (weights == 1)).all():
        return weights
    return codes if len(codes) > 1 else codes[0]


def _ladder(shape: Sequence[int], axis: int) -> np.ndarray[Any, Any]:
    """The codes of one axis of a table, to be broadcast along the others."""
    return np.arange(shape[axis]).reshape([-1 if a == axis else 1 for a in range(len(shape))])


def _names(derivations: Sequence[Derivation]) -> list[str]:
    return [derivation.column for derivation in derivations]
