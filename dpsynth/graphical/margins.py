"""Give rows the one-way counts that are wanted, with as few changes as that takes.

`polish` exchanges codes between rows and so keeps all one-way counts. Rows that were chosen by weight have
them only nearly: what is too much of one code is moved to codes of which there are too few. Along the order
of codes nobody moves farther than needed, which matters where codes are a scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.row_rules import RowRules

__all__ = ["move_to_margin", "whole_counts"]

CodeArray = np.ndarray[Any, np.dtype[np.int32]]
IndexArray = np.ndarray[Any, np.dtype[np.int64]]


def whole_counts(shares: FloatArray, rows: int) -> IndexArray:
    """Whole numbers in proportion to `shares` that add up to `rows`, by largest remainders."""
    wanted = shares * (rows / max(float(shares.sum()), 1e-300))
    counts = np.floor(wanted).astype(np.int64)
    most = np.argsort(counts - wanted, kind="stable")[: rows - int(counts.sum())]
    counts[most] += 1
    return counts


def move_to_margin(
    codes: CodeArray, node: int, wanted: IndexArray, rng: np.random.Generator, rules: RowRules
) -> None:
    """Change column `node` of `codes` in place until its counts are `wanted`.

    Args:
        codes: One row for each record, one column for each node.
        node: The column.
        wanted: How often each code is wanted; they add up to the number of rows.
        rng: Chooses among the rows of a code.
        rules: Structural zeros: a row that would break one keeps its code.
    """
    spare = np.bincount(codes[:, node], minlength=len(wanted)) - wanted
    shuffled = rng.permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled, node], kind="stable")]
    mine = codes[order, node]
    starts = np.searchsorted(mine, np.arange(len(wanted)))
    leaving = order[np.arange(len(order)) - starts[mine] < spare[mine]]
    arriving = np.repeat(np.arange(len(wanted)), np.maximum(-spare, 0)).astype(codes.dtype)
    may = rules.may_take(codes, node, leaving, arriving)
    codes[leaving[may], node] = arriving[may]
