"""Delta-aware partition selection: which labels a column holds, when no list of them is public."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, DataError, RawAccessError
from dpsynth.mechanisms._additive import rounded_deviation
from dpsynth.mechanisms._exact import gaussian_tail
from dpsynth.mechanisms._noise import check_scale, rounded_gaussian
from dpsynth.mechanisms._outward import norm_up, quotient_up
from dpsynth.mechanisms.base import Json, Measurement
from dpsynth.mechanisms.contribution import bounded_rows
from dpsynth.privacy.events import ApproximateEvent, ComposedEvent, GaussianEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpsynth.mechanisms.base import IntArray
    from dpsynth.privacy.unit import Unit
    from dpsynth.schema.layout import Domain

__all__ = ["LabelledColumn", "PartitionSelection"]

_LONGEST_LABEL = 1000  # characters
_LEAST_DELTA = 1e-200  # a share of it for each label is still an ordinary double


class LabelledColumn:
    """One text column with the unit of each row. Trusted: for `PartitionSelection` and sessions only.

    Args:
        labels: For each row its canonical text, or None where it is missing.
        units: For each row the number of its unit; None if every row is a unit of its own.

    Privacy: releases nothing. No length, no iteration, no conversion, no pickling, no content in its
        representation. A label that cannot be stored counts as missing, whatever other rows hold.
    """

    __slots__ = ("_codes", "_labels", "_units")

    def __init__(
        self, labels: Sequence[str | None] | np.ndarray[Any, Any], units: IntArray | None = None
    ) -> None:
        import pandas as pd

        raw, found = pd.factorize(np.asarray(labels, dtype=object), use_na_sentinel=True)
        if units is not None and len(units) != len(raw):
            raise DataError("Expected one unit for each label.")
        storable = [label if _is_storable(label) else None for label in found]
        places, kept = pd.factorize(np.array(storable, dtype=object), use_na_sentinel=True)
        codes = np.append(places, -1)[raw].astype(np.int64)
        present = codes >= 0
        self._labels = [str(label) for label in kept]
        self._codes = codes[present]
        self._units = None if units is None else np.unique(units, return_inverse=True)[1][present]

    def counts(self, contributions: int) -> tuple[list[str], IntArray]:
        """The labels, and for each the exact number of units that have it. Called by mechanisms only.

        A unit counts once for a label and for at most `contributions` labels; a surplus is cut at
        random for each unit by itself.
        """
        codes = self._codes
        if self._units is not None:
            width = max(len(self._labels), 1)
            pairs = np.unique(self._units * width + codes)
            codes = (pairs % width)[bounded_rows(pairs // width, contributions)]
        return self._labels, np.bincount(codes, minlength=len(self._labels)).astype(np.int64)

    def __repr__(self) -> str:
        return "LabelledColumn(rows private)"

    def _refuse(self, *_: object) -> NoReturn:
        raise RawAccessError("A labelled column shows nothing. Measure it through a Session.")

    __len__ = __iter__ = __getitem__ = __contains__ = __array__ = _refuse
    __reduce__ = __reduce_ex__ = __copy__ = __deepcopy__ = _refuse


def _is_storable(label: str) -> bool:
    """Whether arrays and JSON can hold `label`: no NUL, no lone surrogate, not huge."""
    return (
        len(label) <= _LONGEST_LABEL
        and "\0" not in label
        and label == label.encode("utf-8", "replace").decode()
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionSelection:
    """Releases the labels of a column that enough units share, with their noisy counts.

    Every label that occurs gets its number of units plus rounded Gaussian noise, and is released if
    that reaches a threshold. Labels are released in alphabetical order.

    Attributes:
        column: Name of the column.
        mu: L2 sensitivity of the counts divided by sigma.
        delta: Largest probability that a label betrays the one unit that has it.

    Privacy: unit as given to `run`, with at most k labels each, so neighbours differ by one in the
        counts of m labels at most: m = k (add or remove) or 2k (replace). L2 sensitivity sqrt(m),
        sigma >= sqrt(m) / mu. Let C be the labels that occur in both neighbours and A those that
        occur in one only; there the count is 1, and A has at most m labels. The output is a function
        of two independent parts. (1) On C: the Gaussian mechanism on integers (rounding and cutting
        off are post-processing), mu-GDP. (2) On A: which labels pass, and how. In the neighbour that
        lacks a label it never passes; in the other it passes if 1 + round(N) >= T, which has
        the probability p = P(N >= T - 3/2). So each neighbour releases nothing of A with probability
        at least 1 - m p, hence the two laws of part (2) are within m p in total variation: (0, m p)-DP,
        in both directions. T is the smallest integer from 2 on with m p <= delta, by tail bounds in
        integer arithmetic. k thus reaches sigma, threshold and delta (pitfall P41). The claim is
        never pure (pitfall P18). Event: `GaussianEvent(mu)` with `ApproximateEvent(0, delta)`.
        (Korolova et al., 2009; Wilson et al., 2020; Desfontaines, Voss, Gipson and Mandayam, 2022.)
    """

    column: str
    mu: float
    delta: float

    def __post_init__(self) -> None:
        _validate.positive("mu", self.mu)
        if _validate.fraction("delta", self.delta) < _LEAST_DELTA:
            raise ConfigurationError(f"Expected delta >= {_LEAST_DELTA}, got {self.delta!r}.")

    def event(self) -> ComposedEvent:
        """The price: a Gaussian mechanism and a probability of failure."""
        return ComposedEvent(
            events=(GaussianEvent(mu=self.mu), ApproximateEvent(epsilon=0.0, delta=self.delta))
        )

    def describe(self) -> Json:
        """Public JSON."""
        return {
            "type": "partition-selection/1",
            "column": self.column,
            "mu": float(self.mu),
            "delta": float(self.delta),
        }

    def check(self, domain: Domain, unit: Unit) -> None:  # noqa: ARG002 - the contract of mechanisms
        """Refuse an encoded table: its categories are known, there is nothing to select."""
        raise ConfigurationError(
            f"The schema has the categories of column {self.column!r}; partition selection is for discovery."
        )

    def sigma(self, unit: Unit) -> float:
        """The sigma of the continuous noise on each count, rounded up; needs no data."""
        l2 = norm_up([1.0] * unit.rows_changed)
        check_scale(l2 / self.mu)
        return quotient_up(l2, self.mu)

    def threshold(self, unit: Unit) -> int:
        """The smallest noisy count that is released; needs no data."""
        sigma, share = self.sigma(unit), self.delta / unit.rows_changed
        bits = 64 + round(Fraction(1) / Fraction(share)).bit_length()

        def safe(threshold: int) -> bool:
            # `gaussian_tail` is two-sided: twice p.
            _, upper = gaussian_tail((threshold - Fraction(3, 2)) / Fraction(sigma), bits)
            return unit.rows_changed * upper <= Fraction(self.delta) * (2 << bits)

        threshold = max(2, int(-NormalDist().inv_cdf(share) * sigma))  # at most one below the answer
        while not safe(threshold):
            threshold += 1
        return threshold

    def run(self, table: LabelledColumn, unit: Unit) -> Measurement:
        """Count, add noise and cut. Called by a session only, after the price is reserved."""
        sigma = self.sigma(unit)
        labels, exact = table.counts(unit.contributions)
        noisy = exact + rounded_gaussian(sigma, exact.size)
        passed = sorted(
            (labels[code], int(noisy[code])) for code in np.flatnonzero(noisy >= self.threshold(unit))
        )
        counts = np.array([count for _, count in passed], dtype=np.int64)
        names = np.array([label for label, _ in passed], dtype=np.str_)
        for array in (counts, names):
            array.setflags(write=False)
        return Measurement(
            mechanism=self.describe(),
            event=self.event(),
            values=(counts, names),
            sigmas=(rounded_deviation(sigma**2), 0.0),
        )
