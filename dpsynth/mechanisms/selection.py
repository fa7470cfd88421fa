"""Choosing one of several public candidates: the exponential mechanism on integer scores."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms._gumbel import EPSILON_LIMIT, choose
from dpsynth.mechanisms.base import IntArray, Json, Measurement
from dpsynth.mechanisms.encoded import ROWS_LIMIT
from dpsynth.mechanisms.queries import Marginal, MergedMarginal, marginal_sensitivity, numbered_maps
from dpsynth.privacy.events import ExponentialEvent

if TYPE_CHECKING:
    from dpsynth.mechanisms.encoded import EncodedTable
    from dpsynth.privacy.unit import Unit
    from dpsynth.schema.layout import Domain

__all__ = ["SCORES", "ExponentialMechanism", "MarginalGap", "on_grid"]

_SCORE_LIMIT = 2**61


def on_grid(values: np.ndarray[Any, Any], bits: int) -> IntArray:
    """Model estimates on the grid of multiples of 2^-bits, as the integers that `MarginalGap` takes."""
    scaled = np.asarray(values, dtype=np.float64) * 2.0**bits
    if not np.all(np.abs(scaled) < _SCORE_LIMIT):
        raise ConfigurationError("Expected finite estimates that fit 64-bit integers on their grid.")
    return np.rint(scaled).astype(np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class MarginalGap:
    """How badly a model fits each candidate marginal, in whole numbers.

    The score of candidate i is `weights[i] * (sum over cells |2^bits counts - estimate| - penalty)`:
    the entrywise L1 distance (pitfall U01), in integers, so that no order of summation matters
    (pitfall P25). Weights are integers by type; a fractional weight is put on a grid by its owner
    *before* the sensitivity is derived from it, never after (pitfall P42).

    Attributes:
        cliques: The candidates: column names, each once.
        estimates: For each candidate the model's counts as multiples of 2^-bits (see `on_grid`).
        bits: Resolution of the estimates.
        weights: For each candidate a whole number >= 1. Empty: all 1.
        penalties: For each candidate a whole number in units of 2^-bits, for example the expected L1
            norm of the noise that measuring it would add. Empty: all 0.
        groups: For each candidate the buckets of its columns, as in `MergedMarginal`: counts and
            estimate are over buckets. Empty: over codes.

    Privacy: unit and relation as given to `sensitivity`. Estimates, weights, penalties and buckets are
        public; merging codes leaves the sensitivity of counts as it is (see `MergedMarginal`).
        The L1 distance moves no further than the counts do: k (add or remove) or 2k (replace), times
        2^bits times the weight. It can rise and fall, so it is not monotone (pitfall P40).
    """

    cliques: tuple[tuple[str, ...], ...]
    estimates: tuple[IntArray, ...] = field(compare=False, repr=False)
    bits: int = 0
    weights: tuple[int, ...] = ()
    penalties: tuple[int, ...] = ()
    groups: tuple[tuple[tuple[int, ...], ...], ...] = ()
    digests: tuple[str, ...] = field(init=False)
    queries: tuple[Marginal, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        candidates = len(self.cliques)
        object.__setattr__(self, "weights", tuple(self.weights) or (1,) * candidates)
        object.__setattr__(self, "penalties", tuple(self.penalties) or (0,) * candidates)
        if not candidates or {len(self.estimates), len(self.weights), len(self.penalties)} != {candidates}:
            raise ConfigurationError(
                "Expected at least one candidate, with one estimate, weight and penalty for each."
            )
        if self.groups and len(self.groups) != candidates:
            raise ConfigurationError("Expected buckets for every candidate or for none.")
        if _validate.count("bits", self.bits, least=0) > 20:
            raise ConfigurationError(f"Expected bits <= 20, got {self.bits}.")
        estimates = tuple(_frozen(estimate) for estimate in self.estimates)
        object.__setattr__(self, "estimates", estimates)
        object.__setattr__(self, "digests", tuple(_digest(estimate) for estimate in estimates))
        object.__setattr__(self, "queries", _queries(self.cliques, self.groups))
        for estimate, weight, penalty in zip(estimates, self.weights, self.penalties, strict=True):
            _require_room(estimate, _validate.count("weight", weight), penalty, self.bits)

    def sensitivity(self, unit: Unit) -> int:
        """How far any one score can move between neighbours."""
        return max(self.weights) * int(marginal_sensitivity(unit).l1) << self.bits

    def describe(self) -> Json:
        """Public JSON; estimates by one SHA-256 together, each distinct map from codes to buckets once."""
        told: Json = {
            "type": "marginal-gap/1",
            "cliques": [list(clique) for clique in self.cliques],
            "estimates": hashlib.sha256("".join(self.digests).encode()).hexdigest(),
            "bits": self.bits,
            "weights": list(self.weights),
            "penalties": list(self.penalties),
        }
        merged = [query.groups for query in self.queries if isinstance(query, MergedMarginal)]
        return told | numbered_maps(merged) if merged else told

    def check(self, domain: Domain) -> None:
        """Refuse, before anything is spent, candidates and estimates that do not fit `domain`."""
        for query, estimate in zip(self.queries, self.estimates, strict=True):
            query.check(domain)
            cells = (
                math.prod(query.shape) if isinstance(query, MergedMarginal) else domain.cells(query.columns)
            )
            if estimate.size != cells:
                raise ConfigurationError(
                    f"Expected an estimate of {list(query.columns)} with {cells} cells, got {estimate.size}."
                )

    def evaluate(self, table: EncodedTable) -> IntArray:
        """The exact scores. Called by mechanisms only."""
        scores = np.empty(len(self.cliques), dtype=np.int64)
        exact = table.counts_of([query.counted for query in self.queries])
        rows = zip(exact, self.estimates, self.weights, self.penalties, strict=True)
        for index, (counts, estimate, weight, penalty) in enumerate(rows):
            gap = np.abs((counts << self.bits) - estimate).sum(dtype=np.int64)
            scores[index] = weight * (int(gap) - penalty)
        return scores


SCORES: tuple[type[MarginalGap], ...] = (MarginalGap,)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExponentialMechanism:
    """Draws candidate i with probability proportional to exp(epsilon * score_i / (2 * sensitivity)).

    Attributes:
        score: Rates the candidates.
        epsilon: Length of the range of the log-probability ratios.

    Privacy: unit as given to `run`. The score may move both ways, so the divisor is *twice* its
        sensitivity under the unit (McSherry and Talwar, 2007); the log-ratio of any candidate then
        lies in a window of length epsilon (Durfee and Rogers, 2019). Sampling is exact (see `_gumbel`).
        Event: `ExponentialEvent(epsilon)`.
    """

    score: MarginalGap
    epsilon: float

    def __post_init__(self) -> None:
        if type(self.score) not in SCORES:
            raise ConfigurationError(
                f"Expected a score of dpsynth.mechanisms, got {type(self.score).__name__}: only reviewed "
                "sensitivities count."
            )
        if _validate.positive("epsilon", self.epsilon) >= EPSILON_LIMIT:
            raise ConfigurationError(f"Expected epsilon < 2^40, got {self.epsilon!r}.")

    def event(self) -> ExponentialEvent:
        """The price."""
        return ExponentialEvent(epsilon=self.epsilon)

    def describe(self) -> Json:
        """Public JSON."""
        score = self.score.describe()
        return {"type": "exponential-mechanism/1", "score": score, "epsilon": float(self.epsilon)}

    def check(self, domain: Domain, unit: Unit) -> None:  # noqa: ARG002 - one signature for all mechanisms
        """Refuse what cannot run, before anything is spent; needs no data."""
        self.score.check(domain)

    def run(self, table: EncodedTable, unit: Unit) -> Measurement:
        """Choose. The measurement holds one index. Called by a session only, after the price is reserved."""
        self.check(table.domain, unit)
        chosen = choose(self.score.evaluate(table), self.epsilon, self.score.sensitivity(unit))
        return Measurement(
            mechanism=self.describe(),
            event=self.event(),
            values=(_frozen(np.array([chosen], dtype=np.int64)),),
            sigmas=(0.0,),
        )


def _queries(
    cliques: tuple[tuple[str, ...], ...], groups: tuple[tuple[tuple[int, ...], ...], ...]
) -> tuple[Marginal, ...]:
    """What each candidate counts."""
    if not groups:
        return tuple(Marginal(columns=clique) for clique in cliques)
    pairs = zip(cliques, groups, strict=True)
    return tuple(MergedMarginal(columns=clique, groups=buckets) for clique, buckets in pairs)


def _frozen(values: IntArray) -> IntArray:
    """A flat, read-only 64-bit copy of whole numbers."""
    if not np.issubdtype(values.dtype, np.integer):
        raise ConfigurationError("Expected estimates as integers on a grid. `on_grid` makes them.")
    copy = values.astype(np.int64).ravel()
    copy.setflags(write=False)
    return copy


def _digest(values: IntArray) -> str:
    return hashlib.sha256(values.astype("<i8").tobytes()).hexdigest()


def _require_room(estimate: IntArray, weight: int, penalty: int, bits: int) -> None:
    """Refuse a score that could leave 64 bits for *some* table, so that no table decides."""
    size = float(np.abs(estimate.astype(np.float64)).sum())
    if isinstance(penalty, bool) or not isinstance(penalty, int):
        raise ConfigurationError(f"Expected penalties as integers, got {penalty!r}.")
    if weight * (float(ROWS_LIMIT << bits) + size + abs(penalty)) >= _SCORE_LIMIT:
        raise ConfigurationError(
            f"At weight {weight} and {bits} bits scores could exceed 64-bit integers. Take less of either."
        )
