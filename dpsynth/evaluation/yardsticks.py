"""Yardsticks for metrics that the anchors do not suit, and draws that the order of rows does not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dpsynth.evaluation.results import Result
from dpsynth.evaluation.tables import CodeArray, Rows, Tables, generator

__all__ = ["halves", "sample", "without_floor"]


def sample(codes: CodeArray, size: int, rng: np.random.Generator) -> CodeArray:
    """At most so many rows without replacement, the same ones in whatever order the rows come.

    Rows are sorted first. Rows with the same codes are the same row here, so it does not matter which of
    them is drawn.
    """
    ordered = codes[np.lexsort(codes.T[::-1])]
    if size >= len(ordered):
        return ordered
    return ordered[np.sort(rng.choice(len(ordered), size, replace=False))]


def halves(tables: Tables) -> Tables:
    """The real rows split in two: a ceiling for metrics that rows drawn twice would mislead.

    A classifier recognises a row that it has seen before, and a test of independence takes repeated rows for
    an association. The two samples of `Tables.ceiling` are drawn with replacement and have such rows.
    """
    rng = generator(tables, "halves")
    real: Rows = tables.real
    ordered = np.lexsort(real.codes.T[::-1])
    drawn = ordered[rng.permutation(len(real))]
    middle = (len(real) + 1) // 2
    second = drawn[middle:] if len(real) > 1 else drawn
    return replace(tables, real=real.take(drawn[:middle]), synthetic=real.take(second))


def without_floor(result: Result) -> Result:
    """A result without its floor, where independent columns are no bad case: each is right by itself."""
    parts = tuple(replace(part, floor=None) for part in result.parts)
    return replace(result, floor=None, parts=parts)
