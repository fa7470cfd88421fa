"""Exchange codes between sampled rows so that their pair counts come closer to wanted ones.

Two rows exchange their codes of one column: all one-way counts stay, and so do all counts of pairs
without that column. An exchange is kept only if the squared distance of all pair counts to their targets
falls, so rounding and sampling noise go, and pairs for which the sampled model had no room move towards
what was measured about them.

With numba one exchange after the other is looked at. Without it many are looked at together and a share
of those that help is kept, which ends at nearly the same distance but not at the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from dpsynth._compiled import compiled
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_tree import Edge
from dpsynth.graphical.row_rules import RowRules

__all__ = ["polish"]

CodeArray = np.ndarray[Any, np.dtype[np.int32]]
IndexArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

_SETTLED = 0.03
_BATCH = 2048


def polish(
    codes: CodeArray,
    sizes: Sequence[int],
    targets: Mapping[Edge, FloatArray],
    rng: np.random.Generator,
    *,
    rounds: int,
    within: Mapping[int, IndexArray] | None = None,
    rules: RowRules | None = None,
) -> None:
    """Improve `codes` in place.

    Args:
        codes: One row for each record, one column for each node.
        sizes: Number of codes of each node.
        targets: Wanted counts of pairs (i, j), i < j.
        rng: Chooses rows and proposals.
        rounds: In one round each column sees about one proposal for each row. It stops earlier when a
            round takes less than three parts in a hundred off the distance.
        within: If given, only these nodes exchange codes, and only inside a group: for each node the
            group of each of its codes. Counts of groups stay as they are.
        rules: Structural zeros over the same codes. Rows that keep them at first keep them.
    """
    nodes = sorted({node for pair in targets for node in pair} if within is None else within)
    if len(codes) < 2 or not targets or not nodes:
        return
    state = _State(codes, sizes, targets, rules)
    partners = {node: _Partners(codes, node, None if within is None else within[node]) for node in nodes}
    before = state.distance()
    for _ in range(rounds):
        for node in rng.permutation(nodes):
            state.exchange(int(node), *partners[int(node)].draw(rng), rng)
        after = state.distance()
        if after > (1 - _SETTLED) * before:
            break
        before = after
    codes[:] = state.codes


class _Partners:
    """Draws pairs of rows that may exchange their codes of one node."""

    def __init__(self, codes: CodeArray, node: int, groups: IndexArray | None) -> None:
        self._rows = len(codes)
        self._order: IndexArray | None = None
        if groups is not None:
            mine = groups[codes[:, node]]
            self._order = np.argsort(mine, kind="stable")
            counts = np.bincount(mine)
            self._lengths = np.repeat(counts, counts)  # of the group at each place of the order
            self._starts = np.repeat(np.cumsum(counts) - counts, counts)

    def draw(self, rng: np.random.Generator) -> tuple[IndexArray, IndexArray]:
        """One pair for each row."""
        places = rng.integers(0, self._rows, self._rows)
        if self._order is None:
            return places, rng.integers(0, self._rows, self._rows)
        other = self._starts[places] + (rng.random(self._rows) * self._lengths[places]).astype(np.int64)
        return self._order[places], self._order[other]


class _State:
    """Current minus wanted counts of all pairs, in one flat array.

    The cell of codes (u, x) of columns (c, b) is at `start[c, b] + u step[c, b] + x step[b, c]`.
    """

    def __init__(
        self,
        codes: CodeArray,
        sizes: Sequence[int],
        targets: Mapping[Edge, FloatArray],
        rules: RowRules | None = None,
    ) -> None:
        # Narrow types: a proposal costs what it takes to fetch two rows and a few cells from memory.
        self.codes = codes.astype(np.int16 if max(sizes) < 2**15 else np.int32)
        self.rules = rules or RowRules.of_tables((), len(sizes))
        nodes = len(sizes)
        self.start = np.zeros((nodes, nodes), np.int64)
        self.step = np.zeros((nodes, nodes), np.int64)
        others: list[list[int]] = [[] for _ in range(nodes)]
        parts, offset = [], 0
        for (left, right), target in targets.items():
            self.start[left, right] = self.start[right, left] = offset
            self.step[left, right], self.step[right, left] = sizes[right], 1
            others[left].append(right)
            others[right].append(left)
            cells = codes[:, left].astype(np.int64) * sizes[right] + codes[:, right]
            parts.append(np.bincount(cells, minlength=target.size) - target.ravel())
            offset += target.size
        self.others = [np.array(found, np.int64) for found in others]
        self.residuals = np.concatenate(parts).astype(np.float32)

    def distance(self) -> float:
        """Squared distance of all pair counts to their targets."""
        return float(np.square(self.residuals, dtype=np.float64).sum())

    def exchange(self, node: int, first: IndexArray, second: IndexArray, rng: np.random.Generator) -> None:
        """Exchange the codes of `node` between `first` and `second` where that helps."""
        others = self.others[node]
        if others.size == 0:
            return
        start, own, foreign = self.start[node, others], self.step[node, others], self.step[others, node]
        loop = _compiled_loop()
        if loop is not None:
            loop(
                self.codes,
                self.residuals,
                node,
                np.stack([first, second]),
                np.stack([others, start, own, foreign]),
                self.rules.allowed,
                self.rules.of(node),
            )
            return
        for at in range(0, len(first), _BATCH):
            ours, theirs = _distinct(first[at : at + _BATCH], second[at : at + _BATCH])
            may = self.codes[ours, node] != self.codes[theirs, node]
            may &= self.rules.may_exchange(self.codes, node, ours, theirs)
            self._together(node, ours[may], theirs[may], rng)

    def _together(self, node: int, ours: IndexArray, theirs: IndexArray, rng: np.random.Generator) -> None:
        """Look at many exchanges of different rows at once.

        Two exchanges that help alone may hurt together. With a the sum of what each gains alone and
        b what they lose by acting on the same cells, keeping each with probability f changes the
        distance by f a + f² b on average, so f = -a / 2b is best.
        """
        cells = self._cells(node, ours, theirs)
        values = self.residuals[cells]
        apart = (cells[0] != cells[3]).sum(axis=1)
        change = 2 * (values[1] - values[0] + values[3] - values[2]).sum(axis=1) + 4 * apart
        helps = change < 0
        if not helps.any():
            return
        moves = self._moves(cells[:, helps])
        alone = float(change[helps].sum())
        # Not a dot product: waking the threads of a linear algebra library takes longer than the sum.
        crossing = float(((2 * self.residuals + moves) * moves).sum()) - alone
        share = min(1.0, -alone / (2 * crossing)) if crossing > 0 else 1.0
        if share < 1.0:
            helps[helps] = rng.random(int(helps.sum())) < share
            moves = self._moves(cells[:, helps])
        self.residuals += moves
        left, right = ours[helps], theirs[helps]
        self.codes[left, node], self.codes[right, node] = self.codes[right, node], self.codes[left, node]

    def _cells(self, node: int, ours: IndexArray, theirs: IndexArray) -> IndexArray:
        """Four cells for each other column: ours leaves, ours arrives, theirs leaves, theirs arrives."""
        others = self.others[node]
        step, start = self.step[node, others], self.start[node, others]
        back = self.step[others, node]
        here, there = (self.codes[rows][:, others] * back + start for rows in (ours, theirs))
        own, foreign = (self.codes[rows, node][:, None] * step for rows in (ours, theirs))
        return np.stack([here + own, here + foreign, there + foreign, there + own])

    def _moves(self, cells: IndexArray) -> np.ndarray[Any, np.dtype[np.float32]]:
        size = len(self.residuals)
        arriving = np.bincount(cells[[1, 3]].ravel(), minlength=size)
        leaving = np.bincount(cells[[0, 2]].ravel(), minlength=size)
        return (arriving - leaving).astype(np.float32)


def _distinct(first: IndexArray, second: IndexArray) -> tuple[IndexArray, IndexArray]:
    """The pairs of which neither row is in an earlier pair."""
    rows = np.stack([first, second], axis=1).ravel()
    _, earliest = np.unique(rows, return_index=True)
    fresh = np.zeros(len(rows), bool)
    fresh[earliest] = True
    both = fresh.reshape(-1, 2).all(axis=1)
    return first[both], second[both]


def _exchange(  # noqa: C901 - one compiled loop
    codes: np.ndarray[Any, Any],
    residuals: np.ndarray[Any, np.dtype[np.float32]],
    node: int,
    pairs: IndexArray,
    layout: IndexArray,
    allowed: BoolArray,
    uses: IndexArray,
) -> None:
    """One exchange after the other; each that helps is made before the next is looked at.

    `pairs` holds two rows for each proposal; `layout` the other nodes with their start and both steps;
    `allowed` and `uses` what both rows have to keep (see `RowRules`).
    """
    first, second = pairs[0], pairs[1]
    others, start, own, foreign = layout[0], layout[1], layout[2], layout[3]
    for k in range(first.size):
        a, b = first[k], second[k]
        ours, theirs = codes[a, node], codes[b, node]
        if ours == theirs:
            continue
        change = 0.0
        for o in range(others.size):
            x, y = codes[a, others[o]], codes[b, others[o]]
            if x != y:
                here, there = start[o] + x * foreign[o], start[o] + y * foreign[o]
                change += residuals[here + theirs * own[o]] - residuals[here + ours * own[o]]
                change += residuals[there + ours * own[o]] - residuals[there + theirs * own[o]] + 2
        possible = change < 0
        for u in range(uses.shape[0]):  # few exchanges come so far
            if not possible:
                break
            left, right = uses[u, 0] + theirs * uses[u, 1], uses[u, 0] + ours * uses[u, 1]
            for p in range(2, uses.shape[1], 2):
                left += codes[a, uses[u, p]] * uses[u, p + 1]
                right += codes[b, uses[u, p]] * uses[u, p + 1]
            possible = allowed[left] and allowed[right]
        if possible:
            for o in range(others.size):
                x, y = codes[a, others[o]], codes[b, others[o]]
                if x != y:
                    here, there = start[o] + x * foreign[o], start[o] + y * foreign[o]
                    residuals[here + theirs * own[o]] += 1
                    residuals[here + ours * own[o]] -= 1
                    residuals[there + ours * own[o]] += 1
                    residuals[there + theirs * own[o]] -= 1
            codes[a, node], codes[b, node] = theirs, ours


@cache
def _compiled_loop() -> Any:
    return compiled(_exchange)
