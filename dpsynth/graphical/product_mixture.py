"""A mixture of products: in each component all columns are independent. The model behind `dpvae` and `dpgan`.

A decoder that is asked at fixed latent points gives one distribution of each column for each point. So what
a network learned can be answered from exactly, without the network: any marginal, condition or completion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.graphical.completion import FREE, PRESENT, present_codes, records
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.elimination import nodes_of
from dpsynth.graphical.evidence import Given, evidence_weights, impossible
from dpsynth.graphical.sampling import Codes
from dpsynth.schema.schema import Schema

__all__ = ["ProductMixture"]

_CELLS = 2**24  # of a table over components and codes
_SWEEPS = 50
_CLOSE = 1e-6
_LEAST = 1e-12

Tables = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ProductMixture:
    """A distribution over codes.

    Attributes:
        schema: The schema whose codes it speaks.
        total: The DP estimate of the number of rows.
        weights: The probability of each component.
        tables: One row for each component: the probabilities of all codes, column after column.
    """

    name: ClassVar[str] = "product-mixture"

    schema: Schema
    total: float
    weights: FloatArray
    tables: Tables

    def __post_init__(self) -> None:
        self.weights.setflags(write=False)
        self.tables.setflags(write=False)

    def calibrated(self, margins: Mapping[str, FloatArray]) -> ProductMixture:
        """The mixture with the `margins` (probabilities of the codes of each column).

        Each code of a column is made likelier by the same factor in all components, which changes least of
        how columns go together.
        """
        tables = self.tables.astype(np.float64)
        for name, part in self._parts():
            wanted, own = margins[name] / margins[name].sum(), np.maximum(tables[:, part], _LEAST)
            for _ in range(_SWEEPS):
                found = self.weights @ own
                if np.abs(found - wanted).sum() < _CLOSE:
                    break
                own *= wanted / np.maximum(found, _LEAST)
                own /= np.maximum(own.sum(axis=1, keepdims=True), _LEAST)
            tables[:, part] = own
        return ProductMixture(
            schema=self.schema, total=self.total, weights=self.weights, tables=tables.astype(np.float32)
        )

    def sample_codes(
        self, rows: int, rng: np.random.Generator, given: Given | None = None
    ) -> dict[str, Codes]:
        """Draw `rows` records; `given` says which codes columns may have, all else follows exactly."""
        known = evidence_weights(self.schema.domain, given or {})
        weights = self._likely(known)
        if weights.sum() <= 0:
            raise impossible(given or {})
        chosen = _systematic(weights, rows, rng)
        return {
            name: _drawn(self.tables[:, part] * known.get(name, np.ones(1)), chosen, rng)
            for name, part in self._parts()
        }

    def probability(self, given: Given) -> float:
        """The share of records that have the codes `given`; with weights, their mean product."""
        return float(self._likely(evidence_weights(self.schema.domain, given)).sum())

    def marginal(self, columns: Sequence[str]) -> FloatArray:
        """The exact probabilities of any columns over their codes, axes in the order of `columns`.

        Raises:
            ConfigurationError: No different modelled columns, or a table that is too large.
        """
        domain = self.schema.domain
        nodes_of(columns, domain, limit=_CELLS)
        parts = dict(self._parts())
        shape = domain.shape(columns)
        found = np.zeros((int(np.prod(shape[:-1])), shape[-1]))
        step = max(_CELLS // len(found), 1)
        for start in range(0, len(self.weights), step):
            block = slice(start, start + step)
            joint = self.weights[block, None]
            for name in columns[:-1]:
                own = self.tables[block, parts[name]]
                joint = (joint[:, :, None] * own[:, None, :]).reshape(len(joint), -1)
            found += joint.T @ self.tables[block, parts[columns[-1]]]
        shares: FloatArray = (found / found.sum()).reshape(shape)
        return shares

    def complete_codes(
        self, rows: int, known: Mapping[str, Codes], rng: np.random.Generator
    ) -> dict[str, Codes]:
        """Records with the codes `known`, all else drawn given them; -1 asks for any code but "missing"."""
        given, present = records(self.schema, rows, known), present_codes(self.schema)
        logs = np.log(np.maximum(self.tables, _LEAST))
        step = max(_CELLS // len(self.weights), 1)
        drawn = [
            self._completed(given[start : start + step], present, logs, rng) for start in range(0, rows, step)
        ]
        whole = np.concatenate(drawn) if drawn else given
        return dict(zip(self.schema.domain.columns, whole.T.astype(np.int32), strict=True))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """Header and arrays."""
        return {"total": self.total}, {"weights": self.weights, "tables": self.tables}

    @classmethod
    def from_state(
        cls, schema: Schema, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]
    ) -> ProductMixture:
        """Rebuild the model.

        Raises:
            StorageError: Header, arrays and schema do not fit together.
        """
        try:
            total = float(header["total"])
            weights = np.asarray(arrays["weights"], np.float64)
            tables = np.asarray(arrays["tables"], np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError("The saved mixture lacks a field or a table.") from error
        model = cls(schema=schema, total=total, weights=weights, tables=tables)
        if (
            weights.ndim != 1
            or tables.shape != (len(weights), sum(schema.domain.sizes))
            or not (
                np.isfinite(total)
                and total >= 0
                and _distributions(weights[None])
                and all(_distributions(tables[:, part]) for _, part in model._parts())
            )
        ):
            raise StorageError("The tables of the saved mixture do not fit its schema.")
        return model

    def _parts(self) -> Iterator[tuple[str, slice]]:
        """Each column with the places of its codes in `tables`."""
        start = 0
        for name, size in zip(self.schema.domain.columns, self.schema.domain.sizes, strict=True):
            yield name, slice(start, start + size)
            start += size

    def _likely(self, known: Mapping[str, FloatArray]) -> FloatArray:
        """The weight of each component times the probability of what is known in it."""
        weights = self.weights
        for name, part in self._parts():
            if name in known:
                weights = weights * (self.tables[:, part] @ known[name])
        return weights

    def _completed(
        self,
        given: np.ndarray[Any, np.dtype[np.int64]],
        present: Mapping[int, FloatArray],
        logs: Tables,
        rng: np.random.Generator,
    ) -> np.ndarray[Any, np.dtype[np.int64]]:
        """A component for each record, given what is known of it; then the open columns."""
        scores = np.repeat(np.log(np.maximum(self.weights, _LEAST))[None], len(given), axis=0)
        parts = [part for _, part in self._parts()]
        for node, part in enumerate(parts):
            codes = given[:, node]
            fixed, asked = codes >= 0, codes == PRESENT
            scores[fixed] += logs[:, part].T[codes[fixed]]
            if asked.any():
                allowed = self.tables[:, part] @ present[node]
                scores[asked] += np.log(np.maximum(allowed, _LEAST))
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        chosen = _places(shares, rng)
        found = given.copy()
        for node, part in enumerate(parts):
            for kind, kept, least in ((FREE, np.ones(1), 0.0), (PRESENT, present[node], _LEAST)):
                rows = np.flatnonzero(given[:, node] == kind)
                found[rows, node] = _places((self.tables[chosen[rows], part] + least) * kept, rng)
        return found


def _systematic(weights: FloatArray, rows: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """A component for each row, in random order; counts are those expected, rounded up or down."""
    edges = np.cumsum(weights / weights.sum()) * rows
    chosen = np.searchsorted(edges, np.arange(rows) + rng.random(), side="right")
    return rng.permutation(np.minimum(chosen, np.flatnonzero(weights)[-1]))


def _drawn(table: np.ndarray[Any, Any], chosen: np.ndarray[Any, Any], rng: np.random.Generator) -> Codes:
    """A code for each row from the distribution of its component."""
    cumulative = np.cumsum(table, axis=1, dtype=np.float64)
    points = rng.random(len(chosen)) * cumulative[chosen, -1]
    found, step = np.empty(len(chosen), np.int32), max(_CELLS // table.shape[1], 1)
    for start in range(0, len(chosen), step):
        block = slice(start, start + step)
        found[block] = _below(cumulative[chosen[block]], points[block])
    return found


def _places(shares: np.ndarray[Any, Any], rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
    """For each row of `shares` a place, drawn in proportion."""
    cumulative = np.cumsum(shares, axis=1, dtype=np.float64)
    return _below(cumulative, rng.random(len(shares)) * cumulative[:, -1])


def _below(
    cumulative: np.ndarray[Any, Any], points: np.ndarray[Any, Any]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How many sums are at most each point: never a place without probability."""
    found = (cumulative <= points[:, None]).sum(axis=1)
    last = (cumulative < cumulative[:, -1:]).sum(axis=1)  # the first place that reaches the whole sum
    places: np.ndarray[Any, np.dtype[np.int64]] = np.minimum(found, last)
    return places


def _distributions(tables: np.ndarray[Any, Any]) -> bool:
    """Whether each row is a distribution, to single precision."""
    finite = bool(np.isfinite(tables).all() and (tables >= 0).all())
    return finite and np.allclose(tables.sum(axis=1), 1.0, atol=1e-4)


def require_width(schema: Schema, components: int, limit: int) -> None:
    """Refuse tables beyond `limit` bytes, before anything is spent."""
    needed = 4 * components * sum(schema.domain.sizes)
    if needed > limit:
        raise ConfigurationError(
            f"{components} components over {sum(schema.domain.sizes)} codes need {needed / 2**20:,.0f} MB, "
            "more than the memory limit. Take fewer components, or declare coarser cells."
        )
