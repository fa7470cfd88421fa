"""The closest row of another table, for all rows of two tables at once.

The distance of two rows is a sum over columns (Gower, 1971). A number adds the difference of its ranks among
real rows, a category adds 0 or 1. A missing value is as far from all others as two categories are, and equal
to another missing one. Ranks are whole numbers up to 2^14, and sums of these are exact in single precision:
ties are ties, in any order of the columns, on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dpsynth._compiled import kernel
from dpsynth.evaluation.tables import Rows, Tables

__all__ = ["FAR", "closest", "levels"]

Levels = np.ndarray[Any, np.dtype[np.float32]]
Places = np.ndarray[Any, np.dtype[np.int64]]

FAR = np.float32(2**14)
"""What a column adds at most."""

_MISSING, _FOREIGN = 3 * FAR, 5 * FAR
_BLOCK = 64


def levels(tables: Tables, several: Sequence[Rows], ranked: Sequence[Rows]) -> list[Levels]:
    """Each table as whole numbers in floats, an array of shape (columns, rows), for `closest`.

    Args:
        tables: Tells which columns hold numbers.
        several: The tables.
        ranked: Real rows among which numbers are ranked; in all of them together, so that none is favoured.
    """
    found: list[list[Levels]] = [[] for _ in several]
    for place, name in enumerate(tables.columns):
        known = np.sort(np.concatenate([rows.readings[name] for rows in ranked]))
        known = known[np.isfinite(known)]
        for rows, columns in zip(several, found, strict=True):
            columns.append(
                _ranks(rows.readings[name], known)
                if tables.numeric(name)
                else (rows.codes[:, place] * FAR).astype(np.float32)
            )
    return [np.ascontiguousarray(np.stack(columns)) for columns in found]


def _ranks(readings: np.ndarray[Any, Any], known: np.ndarray[Any, Any]) -> Levels:
    """Ranks in the middle of ties, from 0 to `FAR`."""
    below = np.searchsorted(known, readings, side="left") + np.searchsorted(known, readings, side="right")
    ranks = np.rint(below * (FAR / max(2 * len(known), 1)))
    ranks[np.isnan(readings)] = _MISSING
    ranks[np.isinf(readings)] = _FOREIGN
    found: Levels = ranks.astype(np.float32)
    return found


def _closest_by_blocks(left: Levels, right: Levels) -> tuple[Levels, Places, Levels, Places]:
    count, other = left.shape[1], right.shape[1]
    near, where = np.empty(count, np.float32), np.empty(count, np.int64)
    near_back, where_back = np.full(other, np.inf, np.float32), np.zeros(other, np.int64)
    for start in range(0, count, _BLOCK):
        block = left[:, start : start + _BLOCK]
        distances = np.zeros((block.shape[1], other), np.float32)
        for column in range(len(left)):
            gaps = np.abs(block[column][:, None] - right[column])
            distances += np.minimum(gaps, FAR, out=gaps)
        places = distances.argmin(axis=1)
        where[start : start + _BLOCK] = places
        near[start : start + _BLOCK] = distances[np.arange(len(places)), places]
        back = distances.argmin(axis=0)
        least = distances[back, np.arange(other)]
        closer = least < near_back
        near_back[closer], where_back[closer] = least[closer], back[closer] + start
    return near, where, near_back, where_back


@kernel(vectorised=_closest_by_blocks)
def closest(left: Levels, right: Levels) -> tuple[Levels, Places, Levels, Places]:
    """For each row of both tables the distance to the closest row of the other, and its place.

    The first of several closest rows is taken. Rows of both are columns of the arrays, see `levels`.

    Returns:
        Distances and places for the left table, then for the right one.
    """
    columns, count = left.shape
    other = right.shape[1]
    near, where = np.empty(count, np.float32), np.empty(count, np.int64)
    near_back, where_back = np.full(other, np.inf, np.float32), np.zeros(other, np.int64)
    distances = np.empty(other, np.float32)
    for i in range(count):
        for j in range(other):
            distances[j] = np.float32(0)
        for column in range(columns):
            value, row = left[column, i], right[column]
            for j in range(other):
                distances[j] += min(abs(value - row[j]), FAR)
        least, place = distances[0], 0
        for j in range(other):
            if distances[j] < least:
                least, place = distances[j], j
            if distances[j] < near_back[j]:
                near_back[j], where_back[j] = distances[j], i
        near[i], where[i] = least, place
    return near, where, near_back, where_back
