"""Polish sampled rows: exchange single codes between rows until their pair counts meet the targets.

An exchange leaves every one-way count as it is. It is accepted only if the squared distance of all pair
counts to their targets falls, so rounding and sampling noise go, and pairs for which the sampled model
had no room move towards what was measured about them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_tree import Edge

__all__ = ["polish"]

IntArray = np.ndarray[Any, np.dtype[np.int64]]

_LARGEST_BATCH = 4096
_SMALLEST_BATCH = 512
_SETTLED = 1e-3


def polish(
    codes: IntArray,
    sizes: Sequence[int],
    targets: Mapping[Edge, FloatArray],
    rng: np.random.Generator,
    *,
    proposals: int,
) -> None:
    """Improve `codes` in place.

    Args:
        codes: One row for each record, one column for each node.
        sizes: Number of codes of each node.
        targets: Wanted counts of pairs (i, j), i < j.
        rng: Chooses rows and proposals.
        proposals: How many exchanges are looked at, at most; it stops when they hardly help any more.
    """
    if len(codes) < 2 or not targets:
        return
    state = _State(codes, sizes, targets)
    columns = sorted({node for pair in targets for node in pair})
    batch, seen = min(_LARGEST_BATCH, len(codes) // 2), 0
    while seen < proposals:
        before = state.distance()
        kept = []
        for column in rng.permutation(columns):
            rows = rng.integers(0, len(codes), 2 * batch)
            kept.append(state.exchange(int(column), _distinct(rows, len(codes)), rng))
            seen += batch
        if state.distance() > (1 - _SETTLED) * before:
            return
        batch = _next_batch(batch, float(np.mean(kept)), len(codes) // 2)


class _State:
    """Current minus wanted counts of all pairs, in one flat array.

    The cell of codes (u, x) of columns (c, b) is at `start[c, b] + u step[c, b] + x step[b, c]`.
    """

    def __init__(self, codes: IntArray, sizes: Sequence[int], targets: Mapping[Edge, FloatArray]) -> None:
        self.codes = codes
        nodes = len(sizes)
        self.start = np.zeros((nodes, nodes), np.int64)
        self.step = np.zeros((nodes, nodes), np.int64)
        self.others: list[list[int]] = [[] for _ in range(nodes)]
        parts, offset = [], 0
        for (left, right), target in targets.items():
            self.start[left, right] = self.start[right, left] = offset
            self.step[left, right], self.step[right, left] = sizes[right], 1
            self.others[left].append(right)
            self.others[right].append(left)
            cells = codes[:, left] * sizes[right] + codes[:, right]
            parts.append(np.bincount(cells, minlength=target.size) - target.ravel())
            offset += target.size
        self.residuals: FloatArray = np.concatenate(parts).astype(np.float64)

    def distance(self) -> float:
        """Squared distance of all pair counts to their targets."""
        return float(np.square(self.residuals).sum())

    def exchange(self, column: int, rows: IntArray, rng: np.random.Generator) -> float:
        """Exchange the codes of `column` between pairs of different rows where that helps.

        Two exchanges that help alone may hurt together. With a the sum of what each gains alone and
        b what they lose by acting on the same cells, keeping each with probability f changes the
        distance by f a + f² b on average, so f = -a / 2b is best. Returns that share.
        """
        ours, theirs = rows.reshape(2, -1)
        ours, theirs = self._differing(column, ours, theirs)
        cells = self._cells(column, ours, theirs)
        values = self.residuals[cells]
        apart = (cells[0] != cells[3]).sum(axis=1)
        change = 2 * (values[1] - values[0] + values[3] - values[2]).sum(axis=1) + 4 * apart
        helps = change < 0
        if not helps.any():
            return 1.0
        moves = self._moves(cells[:, helps])
        alone = float(change[helps].sum())
        # Not a dot product: waking the threads of a linear algebra library takes longer than the sum.
        together = float(((2 * self.residuals + moves) * moves).sum())
        crossing = together - alone
        share = min(1.0, -alone / (2 * crossing)) if crossing > 0 else 1.0
        if share < 1.0:
            helps[helps] = rng.random(int(helps.sum())) < share
            moves = self._moves(cells[:, helps])
        self.residuals += moves
        left, right = ours[helps], theirs[helps]
        self.codes[left, column], self.codes[right, column] = (
            self.codes[right, column],
            self.codes[left, column],
        )
        return share

    def _differing(self, column: int, ours: IntArray, theirs: IntArray) -> tuple[IntArray, IntArray]:
        different = self.codes[ours, column] != self.codes[theirs, column]
        return ours[different], theirs[different]

    def _cells(self, column: int, ours: IntArray, theirs: IntArray) -> IntArray:
        """Four cells for each other column: ours leaves, ours arrives, theirs leaves, theirs arrives."""
        others = self.others[column]
        step, start = self.step[column, others], self.start[column, others]
        back = self.step[others, column]
        here, there = (self.codes[rows][:, others] * back + start for rows in (ours, theirs))
        own, foreign = (self.codes[rows, column][:, None] * step for rows in (ours, theirs))
        return np.stack([here + own, here + foreign, there + foreign, there + own])

    def _moves(self, cells: IntArray) -> FloatArray:
        size = len(self.residuals)
        arriving = np.bincount(cells[[1, 3]].ravel(), minlength=size)
        leaving = np.bincount(cells[[0, 2]].ravel(), minlength=size)
        return (arriving - leaving).astype(np.float64)


def _distinct(rows: IntArray, total: int) -> IntArray:
    """An even number of different rows out of `rows`."""
    first = np.full(total, -1, np.int64)
    first[rows] = np.arange(len(rows))
    kept = rows[first[rows] == np.arange(len(rows))]
    even: IntArray = kept[: len(kept) // 2 * 2]
    return even


def _next_batch(batch: int, share: float, most: int) -> int:
    """Larger batches while nearly everything that helps may be kept, smaller ones otherwise."""
    if share < 0.2:
        return min(max(batch // 2, _SMALLEST_BATCH), batch)
    return min(2 * batch, _LARGEST_BATCH, most) if share > 0.5 else batch
