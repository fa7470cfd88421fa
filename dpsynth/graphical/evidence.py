"""What is known about a record: for each column a code, several codes, or a weight for each code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dpsynth.errors import ConfigurationError
from dpsynth.graphical.consistency import FloatArray

if TYPE_CHECKING:
    from dpsynth.schema.layout import Domain

__all__ = ["Given", "evidence_weights", "impossible"]

Given = Mapping[str, "int | Sequence[int] | FloatArray"]
"""By column: one code, the codes that are possible, or an array of floats with a weight for each code."""


def evidence_weights(domain: Domain, given: Given) -> dict[str, FloatArray]:
    """For each column of `given` one weight for each code: 0 rules a code out.

    Raises:
        ConfigurationError: A column is not modelled, or codes or weights do not fit it.
    """
    unknown = sorted(set(given) - set(domain.columns))
    if unknown:
        raise ConfigurationError(
            f"Expected modelled columns, got {unknown}; they are {list(domain.columns)}."
        )
    return {name: _weights(name, domain.size_of(name), known) for name, known in given.items()}


def impossible(given: Given) -> ConfigurationError:
    """The error for evidence that has no probability."""
    return ConfigurationError(
        f"The model holds no records with these values of {sorted(given)} together. Fix fewer columns."
    )


def _weights(name: str, size: int, known: int | Sequence[int] | FloatArray) -> FloatArray:
    values = np.asarray(known)
    if values.dtype.kind == "f":
        if values.shape != (size,) or not (np.isfinite(values) & (values >= 0)).all():
            raise ConfigurationError(f"Column {name!r}: expected {size} weights that are finite and >= 0.")
        return values.astype(np.float64)
    if values.dtype.kind not in "iu" or not values.size or not (0 <= values.min() <= values.max() < size):
        raise ConfigurationError(f"Column {name!r}: expected one or more codes from 0 to {size - 1}.")
    weights = np.zeros(size)
    weights[values] = 1.0
    return weights
