"""Contribution bounding: at most k rows of each unit reach any query."""

from __future__ import annotations

from typing import Any

import numpy as np

from dpsynth.mechanisms._keystream import random_words

__all__ = ["bounded_rows"]


def bounded_rows(units: np.ndarray[Any, Any], contributions: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows stay when each unit keeps at most `contributions` of its rows, chosen at random.

    Args:
        units: One integer for each row; equal integers mean the same unit.
        contributions: The bound k.

    Returns:
        A mask over the rows.

    Privacy: every row draws its own key, and a unit keeps the rows with its smallest keys. Which rows
        of a unit stay depends on that unit's rows and keys alone, so adding or removing one unit
        changes nothing for the others: neighbours before the cut are neighbours after it, at
        distance k. The choice costs nothing.
    """
    order = np.lexsort((random_words(len(units)), units))
    grouped = units[order]
    rank = np.arange(len(units)) - np.searchsorted(grouped, grouped)
    mask = np.zeros(len(units), dtype=bool)
    mask[order[rank < contributions]] = True
    return mask
