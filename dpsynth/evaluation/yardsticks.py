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
    order = _order(codes)
    if size < len(order):
        order = order[np.sort(rng.choice(len(order), size, replace=False))]
    return codes[order]


def halves(tables: Tables) -> Tables:
    """The real rows split in two: a ceiling for metrics that rows drawn twice would mislead.

    A classifier recognises a row that it has seen before, and a test of independence takes repeated rows for
    an association. The two samples of `Tables.ceiling` are drawn with replacement and have such rows.
    """
    rng = generator(tables, "halves")
    real: Rows = tables.real
    drawn = _order(real.codes)[rng.permutation(len(real))]
    middle = (len(real) + 1) // 2
    second = drawn[middle:] if len(real) > 1 else drawn
    return replace(tables, real=real.take(drawn[:middle]), synthetic=real.take(second))


def _order(codes: CodeArray) -> CodeArray:
    """An order of rows that depends on what is in them alone.

    They are sorted by one number each, a sum of codes with fixed random factors modulo 2^64: many columns are
    slow to sort by. That two different rows get the same number happens about once in 10^10 tables.
    """
    factors = np.random.default_rng(0).integers(1, 1 << 62, codes.shape[1]) * 2 + 1
    return np.argsort((codes * factors).sum(axis=1), kind="stable")


def without_floor(result: Result) -> Result:
    """A result without its floor, where independent columns are no bad case: each is right by itself."""
    parts = tuple(replace(part, floor=None) for part in result.parts)
    return replace(result, floor=None, parts=parts)
