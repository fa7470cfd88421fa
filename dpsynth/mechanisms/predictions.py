"""How often a public classifier is right about rows: what tells the accuracy of a model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms.base import IntArray, Json, Sensitivity
from dpsynth.mechanisms.queries import check_names, marginal_sensitivity

if TYPE_CHECKING:
    from dpsynth.mechanisms.encoded import EncodedTable
    from dpsynth.privacy.unit import Unit
    from dpsynth.schema.layout import Domain

__all__ = ["WEIGHT_LIMIT", "PredictionHits"]

WEIGHT_LIMIT = 2**31  # the sum over fewer than 2^31 columns fits 64 bits, whatever the row
_BLOCK = 2**13


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PredictionHits:
    """In how many rows a linear classifier says the code of `target`, and in how many another one: two cells.

    Each code of each column has a whole number for each code of the target. The classifier adds up those of
    a row and says the code with the largest sum; of several the smallest code.

    Attributes:
        target: The column that is predicted.
        columns: What the classifier reads, each once, without the target.
        weights: For each column whole numbers of shape (its codes, codes of `target`), at most 2^31 in size.

    Privacy: unit and relation as given to `sensitivity`. `weights` is public: it is fixed before the
        rows are looked at. What is said of a row is a function of that row and public numbers, in whole
        numbers that cannot overflow, so a row counts in exactly one cell whatever the other rows are: the
        sensitivities are those of `Marginal`. The event belongs to the mechanism that answers.
    """

    target: str
    columns: tuple[str, ...]
    weights: tuple[IntArray, ...] = field(repr=False)

    def __post_init__(self) -> None:
        names = (self.target, *self.columns)
        if not self.columns or len(set(names)) != len(names) or len(self.weights) != len(self.columns):
            raise ConfigurationError("Expected a target, other columns, each once, and weights for each.")
        object.__setattr__(self, "weights", tuple(_whole(one) for one in self.weights))

    def sensitivity(self, unit: Unit) -> Sensitivity:
        """That of a marginal."""
        return marginal_sensitivity(unit)

    def describe(self) -> Json:
        """Public JSON, with a digest of the weights."""
        digest = hashlib.sha256()
        for one in self.weights:
            digest.update(repr(one.shape).encode() + one.astype("<i8").tobytes())
        return {
            "type": "prediction-hits/1",
            "target": self.target,
            "columns": list(self.columns),
            "weights": digest.hexdigest(),
        }

    def check(self, domain: Domain) -> None:
        """Refuse, before anything is spent, columns that `domain` lacks and weights for other codes."""
        check_names((self.target, *self.columns), domain)
        classes = domain.size_of(self.target)
        if [one.shape for one in self.weights] != [(domain.size_of(name), classes) for name in self.columns]:
            raise ConfigurationError(
                f"Expected a weight for each code of the columns {list(self.columns)} and of {self.target!r}."
            )

    def answer(self, table: EncodedTable) -> IntArray:
        """The two exact counts, hits first. Private."""
        hits, truth = 0, table.codes(self.target)
        for start in range(0, table.private_rows, _BLOCK):
            block = slice(start, start + _BLOCK)
            sums = np.zeros((len(truth[block]), self.weights[0].shape[1]), np.int64)
            for name, weights in zip(self.columns, self.weights, strict=True):
                sums += weights.take(table.codes(name)[block], axis=0)
            hits += int(np.count_nonzero(sums.argmax(axis=1) == truth[block]))
        return np.array([hits, table.private_rows - hits], np.int64)


def _whole(weights: IntArray) -> IntArray:
    """A read-only 64-bit copy of whole numbers within the limit."""
    if not np.issubdtype(weights.dtype, np.integer) or not weights.size:
        raise ConfigurationError("Expected weights as integers on a grid. `on_grid` makes them.")
    if weights.min() < -WEIGHT_LIMIT or weights.max() > WEIGHT_LIMIT:
        raise ConfigurationError("Expected weights of at most 2^31 in size. Take a coarser grid.")
    copy = weights.astype(np.int64)
    copy.setflags(write=False)
    return copy
