"""Rows of a model of counts, weighted by a critic: the model of `hybrid`.

The critic's output carries noise of every order, and of single columns and pairs the counts know more. So
the weights are raked to the measured pairs (Deming and Stephan, 1940): among all weights that keep these,
they are the nearest to the critic's in relative entropy (Csiszár, 1975).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from dpsynth.errors import StorageError
from dpsynth.generators.deep import CodeTable, as_columns, as_table
from dpsynth.generators.rating import Rating
from dpsynth.graphical.evidence import Given
from dpsynth.graphical.junction_model import JunctionModel
from dpsynth.graphical.triples import Triples
from dpsynth.mechanisms import Critic, parameter_count
from dpsynth.schema.schema import Schema

__all__ = ["HybridModel"]

_SWEEPS = 5
_FARTHEST = 50.0
_ARRAYS, _TRIPLES = "counts.", "triples."


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HybridModel:
    """Draws more rows than are wanted, keeps them by weight, and polishes them to the measured pairs.

    Attributes:
        counts: The model of the counts.
        triples: Tables of three columns that rows get beyond the pairs.
        rating: Says how much likelier each row is among private ones.
        candidates: Rows drawn for each that is kept.
    """

    name: ClassVar[str] = "hybrid"

    counts: JunctionModel
    rating: Rating
    candidates: int
    triples: Triples = field(default_factory=Triples)

    @property
    def schema(self) -> Schema:
        """The schema whose codes it speaks."""
        return self.counts.schema

    @property
    def total(self) -> float:
        """The DP estimate of the number of rows."""
        return self.counts.total

    def sample_codes(
        self, rows: int, rng: np.random.Generator, given: Given | None = None
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Draw `rows` records; those under `given` are weighted, not polished.

        If the critic makes no difference they are those of the counts, as they are.
        """
        if self.rating.flat and not (given and self.triples.wanted):
            return self.counts.sample_codes(rows, rng, given, self.triples)
        counted = self.counts.sample_codes(self.candidates * rows, rng, given, self.triples)
        drawn = as_table(self.schema, counted)
        weights = self.rating.weights(self.schema.domain, drawn)
        weights = (
            weights * self.triples.weights(self._coarse(drawn)) if given else self._raked(weights, drawn)
        )
        kept = drawn[_resampled(weights, drawn, rows, rng)]
        found = as_columns(self.schema, kept)
        return found if given else self.counts.polished(found, rng, self.triples)

    def _coarse(self, rows: CodeTable) -> np.ndarray[Any, Any]:
        """The buckets of rows of codes."""
        named = zip(self.counts.buckets, rows.T, strict=True)
        return np.stack([own[codes] for own, codes in named], axis=1).astype(np.int32)

    def probability(self, given: Given) -> float:
        """The share of records that have `given` in the model of the counts, without the critic."""
        return self.counts.probability(given)

    def _raked(self, weights: np.ndarray[Any, Any], rows: CodeTable) -> np.ndarray[Any, Any]:
        """The nearest weights under which the rows have the measured pairs, after some sweeps."""
        coarse = self._coarse(rows).T.astype(np.int64)
        classes = self.counts.classes
        layer = np.zeros(len(rows), np.int64) if classes is None else coarse[classes]
        cells = []
        for (left, right), table in self.counts.targets.items():
            _, height, width = table.shape
            cells.append(((layer * height + coarse[left]) * width + coarse[right], table.ravel()))
        floor, ceiling = weights / _FARTHEST, weights * _FARTHEST
        for _ in range(_SWEEPS if len(rows) else 0):
            for cell, wanted in cells:
                found = np.bincount(cell, weights, len(wanted))
                factor = np.divide(wanted, found, out=np.ones(len(wanted)), where=found > 0)
                weights = weights * (factor * (found.sum() / max(float(wanted.sum()), 1e-300)))[cell]
            weights = np.clip(weights, floor, ceiling)
        return weights

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """Header and arrays of both parts."""
        header, arrays = self.counts.state()
        hidden = list(self.rating.critic.hidden)
        triples, tables = self.triples.state()
        told = {"counts": header, "hidden": hidden, "candidates": self.candidates, "triples": triples}
        return told, {
            "critic": self.rating.parameters,
            "edges": self.rating.edges,
            "ratios": self.rating.ratios,
            **{_ARRAYS + name: array for name, array in arrays.items()},
            **{_TRIPLES + name: array for name, array in tables.items()},
        }

    @classmethod
    def from_state(
        cls, schema: Schema, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]
    ) -> HybridModel:
        """Rebuild the model.

        Raises:
            StorageError: Header, arrays and schema do not fit together.
        """
        own = {n.removeprefix(_ARRAYS): array for n, array in arrays.items() if n.startswith(_ARRAYS)}
        try:
            counts = JunctionModel.from_state(schema, header["counts"], own)
            critic = Critic(hidden=tuple(header["hidden"]))
            parameters = np.asarray(arrays["critic"], np.float32)
            edges, ratios = (np.asarray(arrays[name], np.float64) for name in ("edges", "ratios"))
            candidates = int(header["candidates"])
            tables = {n.removeprefix(_TRIPLES): a for n, a in arrays.items() if n.startswith(_TRIPLES)}
            triples = Triples.from_state(header["triples"], tables)
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError("The saved model lacks a field or a table.") from error
        fitting = (
            parameters.shape == (parameter_count(critic, schema.domain),)
            and edges.ndim == 1
            and ratios.shape == (len(edges) + 1,)
            and all(bool(np.isfinite(array).all()) for array in (parameters, edges, ratios))
            and bool((ratios >= 0).all())
            and bool((np.diff(edges) > 0).all())
        )
        if not triples.fit(counts.tree.sizes):
            raise StorageError("The tables of three columns of the saved model do not fit its schema.")
        if not fitting or candidates < 1:
            raise StorageError("The critic of the saved model does not fit its schema.")
        rating = Rating(critic=critic, parameters=parameters, edges=edges, ratios=ratios)
        return cls(counts=counts, triples=triples, rating=rating, candidates=candidates)


def _resampled(
    weights: np.ndarray[Any, Any], candidates: CodeTable, rows: int, rng: np.random.Generator
) -> np.ndarray[Any, Any]:
    """Places of `rows` candidates, in proportion to weight; counts are those expected, rounded up or down.

    Candidates stand in the order of their codes, so the same holds for all that begin alike: what is kept has
    nearly the weighted counts of columns and pairs, not those of a random sample.
    """
    order = np.lexsort(candidates.T[::-1])
    edges = np.cumsum(weights[order]) * (rows / max(float(weights.sum()), 1e-300))
    places = np.searchsorted(edges, np.arange(rows) + rng.random(), side="right")
    return rng.permutation(order[np.minimum(places, max(len(weights) - 1, 0))])
