"""A recorded noisy table as a store of precision, from which noisier answers are taken one after the other.

A table of counts x was paid for once: y = x + N(0, v I). Whoever asks for x at a larger variance w gets
z = y + N(0, (w - v) I), which has the law of a fresh answer. Asked again, the store must not answer with the
same noise. What is left of y once z is known is

    y' = (y / v - z / w) / (1 / v - 1 / w)  =  x + N(0, v'),   1 / v' = 1 / v - 1 / w.

**Lemma.** z and y' are independent. *Proof.* With e = y - x and a = z - y they are jointly Gaussian, and
Cov(z - x, y' - x) is in proportion to Cov(e + a, e / v - (e + a) / w) = v / v - w / w = 0.  ∎

So precision, one over the variance, is what the store holds: every answer takes its own away, and answers are
independent for as long as there is some. (Koufogiannis, Han and Pappas, 2015, release gradually by the same
split, in the other direction.)

*Coarser buckets.* An asked table is W y, where a column of W says to which asked cell a recorded one belongs.
If every recorded cell belongs to one, W x is what is asked. Its noise is v W W', made up to w I exactly by
independent noise of covariance w I - v W W', which exists if v times the largest eigenvalue of W W' (for
whole cells: the largest number that is summed) is at most w. W is a product of one map for each axis, and so
are its eigenvectors. Where a recorded bucket lies in several asked ones it is divided by the noisy counts of
its codes: the noise is still w I exactly, but the mean is that of codes that are independent within buckets.

*Whole numbers.* Recorded answers are rounded, and so are these. Rounding adds 1/12 to the variance and leaves
the odd cumulants as they are, up to terms of exp(-2 pi² v) (Sheppard's corrections). So the recorded 1/12 is
counted as noise, and the last rounding adds its own, as that of a fresh run does: the first three moments
agree. The fourth cumulant differs by at most 1/120 for each cell that is summed. By the first term of the
Edgeworth expansion that moves the law of an answer by less than 0.001 / (v w) in total variation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from dpsynth.generators.buckets import within_buckets
from dpsynth.generators.measured import measured_tables
from dpsynth.graphical.consistency import FloatArray, combine
from dpsynth.session import Transcript

__all__ = ["Fold", "Reservoir", "fold", "folded", "inside_buckets", "reservoirs"]

Codes = np.ndarray[Any, np.dtype[np.int64]]

_ROUNDING = 1e-9  # relative: less precision than this is none


@dataclass(kw_only=True, slots=True, eq=False)
class Reservoir:
    """What is left of a recorded table.

    Attributes:
        columns: Of its axes.
        groups: The bucket of each code, for each axis.
        values: Noisy counts that are independent of every answer so far.
        variance: Of each; infinite if nothing is left.
    """

    columns: tuple[str, ...]
    groups: tuple[Codes, ...]
    values: FloatArray
    variance: float
    _paid: tuple[FloatArray, float] = field(init=False)

    def __post_init__(self) -> None:
        self._paid = (self.values, self.variance)

    @property
    def paid(self) -> FloatArray:
        """The noisy counts as they were recorded."""
        return self._paid[0]

    def take(self, variance: float, rng: np.random.Generator) -> tuple[FloatArray, float]:
        """The table at about `variance` per cell, and the variance that it has.

        That is more precise than what is left only where nothing else can be said: then all that is left is
        given. Where nothing is left, what was paid is given again, with noise that is not new.
        """
        if math.isinf(self.variance):
            return self._paid
        if variance <= self.variance * (1 + _ROUNDING):
            taken = self.values, self.variance
            self.variance = math.inf
            return taken
        values, left = self.values, 1 / self.variance - 1 / variance
        noisier = values + math.sqrt(variance - self.variance) * rng.standard_normal(values.shape)
        self.values = (values / self.variance - noisier / variance) / left
        self.variance = 1 / left if left > _ROUNDING / self.variance else math.inf
        return noisier, variance


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fold:
    """From the recorded buckets of one axis to the asked ones.

    Attributes:
        places: The asked bucket of each recorded one, where each lies in one.
        factors: Eigenvalues of the map times its transpose; for whole buckets how many are summed.
        squares: For each asked bucket the sum of squares of its shares; for whole ones likewise.
        weights: The share of each recorded bucket (columns) in each asked one (rows), where one is divided.
        turns: Eigenvectors as columns, where one is divided.
    """

    places: Codes
    factors: FloatArray
    squares: FloatArray
    weights: FloatArray | None = None
    turns: FloatArray | None = None

    @property
    def divided(self) -> bool:
        """Whether a recorded bucket lies in several asked ones."""
        return self.weights is not None

    def counts(self, values: FloatArray, axis: int) -> FloatArray:
        """A recorded table with this axis over asked buckets."""
        if self.weights is not None:
            return _along(self.weights, values, axis)
        rows = np.moveaxis(values, axis, 0)
        sums = np.zeros((len(self.factors), *rows.shape[1:]))
        np.add.at(sums, self.places, rows)
        return np.moveaxis(sums, 0, axis)

    def turned(self, noise: FloatArray, axis: int) -> FloatArray:
        """Noise along eigenvectors as noise of asked buckets."""
        return noise if self.turns is None else _along(self.turns, noise, axis)


def fold(recorded: Codes, asked: Codes | None, inside: FloatArray) -> Fold:
    """The map of one axis.

    Args:
        recorded: The recorded bucket of each code.
        asked: The asked bucket of each code; None sums the axis out.
        inside: The probability of each code within its recorded bucket; used where a bucket is divided.
    """
    wanted = np.zeros_like(recorded) if asked is None else asked
    size, number = int(recorded.max()) + 1, int(wanted.max()) + 1
    if len(np.unique(recorded * number + wanted)) == size:
        places = np.zeros(size, np.int64)
        places[recorded] = wanted
        summed = np.bincount(places, minlength=number).astype(np.float64)
        return Fold(places=places, factors=summed, squares=summed)
    weights = np.zeros((number, size))
    np.add.at(weights, (wanted, recorded), inside)
    factors, turns = np.linalg.eigh(weights @ weights.T)
    return Fold(
        places=recorded[:0],
        factors=np.maximum(factors, 0.0),
        squares=np.square(weights).sum(axis=1),
        weights=weights,
        turns=turns,
    )


def folded(
    table: Reservoir, folds: list[Fold], *, variance: float, rng: np.random.Generator
) -> tuple[FloatArray, float]:
    """The asked table, one axis for each of the recorded one, and the largest variance of a cell.

    That is `variance`, unless less precision is left than this takes; then no noise is added where there is
    too much already.
    """
    factors = reduce(np.multiply.outer, [one.factors for one in folds], np.ones(()))
    taken, has = table.take(variance / float(factors.max()), rng)
    noise = np.sqrt(np.maximum(variance - has * factors, 0.0)) * rng.standard_normal(factors.shape)
    for axis, one in enumerate(folds):
        taken, noise = one.counts(taken, axis), one.turned(noise, axis)
    squares = reduce(np.multiply.outer, [one.squares for one in folds], np.ones(()))
    return taken + noise, max(variance, has * float(squares.max()))


def reservoirs(transcript: Transcript) -> list[Reservoir]:
    """All tables of a run; what was counted twice over the same buckets is one, by inverse variance."""
    same: dict[tuple[Any, ...], list[tuple[FloatArray, float]]] = {}
    for table in measured_tables(transcript):
        key = (table.columns, tuple(tuple(group.tolist()) for group in table.groups))
        same.setdefault(key, []).append((np.asarray(table.values, np.float64), table.sigma**2))
    found = []
    for (columns, groups), several in same.items():
        values, variance = combine(several)
        own = tuple(np.array(group, np.int64) for group in groups)
        found.append(Reservoir(columns=columns, groups=own, values=values, variance=float(variance)))
    return found


def inside_buckets(tables: list[Reservoir], name: str, recorded: Codes) -> FloatArray:
    """The probability of each code of a column within its bucket, by the recorded column itself."""
    whole = [table for table in tables if table.columns == (name,) and len(table.values) == len(recorded)]
    counts = np.maximum(whole[0].paid, 0.0) if whole else np.zeros(len(recorded))
    return within_buckets(counts, tuple(recorded.tolist()))


def _along(matrix: FloatArray, values: FloatArray, axis: int) -> FloatArray:
    moved: FloatArray = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return moved
