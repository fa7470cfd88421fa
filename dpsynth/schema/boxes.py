"""Cells of a table as few disjoint boxes: combinations of some codes of each column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["Box", "boxes"]

Box = tuple[np.ndarray[Any, Any], ...]
"""Some codes for each of several columns: all combinations of them."""


def boxes(cells: np.ndarray[Any, Any]) -> Iterator[Box]:
    """Divide the cells that are True into disjoint boxes.

    Codes of the first axis whose slices are equal share their boxes, and so on for the other axes.
    """
    if cells.ndim == 1:
        if cells.any():
            yield (np.flatnonzero(cells),)
        return
    slices, alike = np.unique(cells.reshape(len(cells), -1), axis=0, return_inverse=True)
    for number, part in enumerate(slices):
        codes = np.flatnonzero(alike.ravel() == number)
        for box in boxes(part.reshape(cells.shape[1:])):
            yield (codes, *box)
