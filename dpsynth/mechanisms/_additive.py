"""What the two mechanisms with additive noise share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms.base import IntArray
from dpsynth.mechanisms.queries import QUERIES, Marginal, MergedMarginal, Total

if TYPE_CHECKING:
    from dpsynth.mechanisms.encoded import EncodedTable

__all__ = ["CountQuery", "check_parameters", "noisy_answers", "rounded_deviation"]

CountQuery: TypeAlias = "Marginal | MergedMarginal | Total"


def check_parameters(name: str, queries: Sequence[CountQuery], parameters: Sequence[float]) -> None:
    """Refuse foreign queries, whose stated sensitivity nobody reviewed, and parameters that are not > 0."""
    if not queries or len(queries) != len(parameters):
        raise ConfigurationError(
            f"Expected one of {name} for each of some queries, got {len(parameters)} for {len(queries)}."
        )
    for query in queries:
        if type(query) not in QUERIES:
            raise ConfigurationError(
                f"Expected queries of dpsynth.mechanisms, got {type(query).__name__}: only reviewed "
                "sensitivities count."
            )
    for parameter in parameters:
        _validate.positive(name, parameter)


def noisy_answers(
    table: EncodedTable,
    queries: Sequence[CountQuery],
    scales: Sequence[float],
    draw: Callable[[float, int], IntArray],
) -> tuple[IntArray, ...]:
    """The exact answer of each query plus fresh noise on every cell, observed or not (pitfall P05)."""
    answers = []
    counts = table.counts_of([query.counted for query in queries])
    for exact, scale in zip(counts, scales, strict=True):
        noisy = exact + draw(scale, exact.size)
        noisy.setflags(write=False)
        answers.append(noisy)
    return tuple(answers)


def rounded_deviation(variance: float) -> float:
    """Standard deviation of continuous noise of this variance after rounding to integers.

    Right to 1e-8 for a variance of 1 or more; an upper bound below that.
    """
    return math.sqrt(variance + 1 / 12)
