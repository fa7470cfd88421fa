"""What the two mechanisms with additive noise share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms.base import IntArray
from dpsynth.mechanisms.predictions import PredictionHits
from dpsynth.mechanisms.queries import Marginal, MergedMarginal, Total

if TYPE_CHECKING:
    from dpsynth.mechanisms.encoded import EncodedTable

__all__ = [
    "QUERIES",
    "CountQuery",
    "check_parameters",
    "exact_answers",
    "noisy_answers",
    "rounded_deviation",
]

CountQuery: TypeAlias = "Marginal | MergedMarginal | Total | PredictionHits"
QUERIES: tuple[type[CountQuery], ...] = (Marginal, MergedMarginal, Total, PredictionHits)


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
    for exact, scale in zip(exact_answers(table, queries), scales, strict=True):
        noisy = exact + draw(scale, exact.size)
        noisy.setflags(write=False)
        answers.append(noisy)
    return tuple(answers)


def exact_answers(table: EncodedTable, queries: Sequence[CountQuery]) -> list[IntArray]:
    """What is true of the rows, and private; all tables of counts from as few passes as there need be."""
    counted = [query.counted for query in queries if not isinstance(query, PredictionHits)]
    counts = iter(table.counts_of(counted))
    return [query.answer(table) if isinstance(query, PredictionHits) else next(counts) for query in queries]


def rounded_deviation(variance: float) -> float:
    """Standard deviation of continuous noise of this variance after rounding to integers.

    Right to 1e-8 for a variance of 1 or more; an upper bound below that.
    """
    return math.sqrt(variance + 1 / 12)
