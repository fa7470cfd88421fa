"""How far the tables of all pairs of columns are from those of fixed rows, asked of a private table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import MarginalGap, NoisyScores, on_grid

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema

__all__ = ["counted_pairs", "pair_counts", "pair_gaps"]

_MOST_PAIRS, _MOST_CELLS = 500, 2**16


def pair_gaps(
    codes: Mapping[str, np.ndarray[Any, Any]], schema: Schema, *, rows: float, mu: float
) -> NoisyScores:
    """Asks how far the tables of all pairs of columns are from those of fixed rows.

    Args:
        codes: The fixed rows, by column.
        schema: Complete, with two columns at least.
        rows: How many rows the fixed ones stand for: their counts are scaled to so many.
        mu: What all of it may cost.

    Raises:
        ConfigurationError: The schema has no two columns whose pairs can be counted.

    Privacy: see `MarginalGap`; the rows must be public, or follow from paid answers.
    """
    cliques = counted_pairs(schema)
    scale = rows / max(len(next(iter(codes.values()))), 1)
    counts = [pair_counts(codes, clique, schema.domain.shape(clique)) for clique in cliques]
    score = MarginalGap(cliques=cliques, estimates=tuple(on_grid(one * scale, 0) for one in counts))
    return NoisyScores(score=score, mu=mu)


def pair_counts(
    codes: Mapping[str, np.ndarray[Any, Any]], clique: tuple[str, ...], shape: tuple[int, ...]
) -> np.ndarray[Any, Any]:
    """How many rows have each combination of codes, flat."""
    cells = np.ravel_multi_index(tuple(codes[name] for name in clique), shape)
    return np.bincount(cells, minlength=math.prod(shape))


def counted_pairs(schema: Schema) -> tuple[tuple[str, ...], ...]:
    """All pairs whose tables are small; where they are many, every so many of them: a public choice."""
    names = schema.domain.columns
    pairs = [pair for pair in itertools.combinations(names, 2) if schema.domain.cells(pair) <= _MOST_CELLS]
    if not pairs:
        raise ConfigurationError("Expected at least two columns whose pairs of values can be counted.")
    return tuple(pairs[:: math.ceil(len(pairs) / _MOST_PAIRS)])
