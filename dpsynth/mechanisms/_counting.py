"""Many marginals from few passes over the rows.

Most columns have few codes. Several of them *packed* into one group are one code below 256, and the joint
counts of two groups, 65,536 cells at most, hold the marginal of every pair of columns across them. So one
pass over the rows, through counters that stay in the processor's cache, serves many marginals, which are
then summed out of the joint counts.

Privacy: everything here is exact and private. It is called by `EncodedTable`, for mechanisms.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth._compiled import kernel
from dpsynth.mechanisms.base import CodedColumn, IntArray

__all__ = ["Group", "Kept", "Pass", "joint_counts", "plan_passes", "summed_to", "walked"]

Array = np.ndarray[Any, Any]
Group = tuple[CodedColumn, ...]

_GROUP_CELLS = 256
_JOINT_CELLS = 65_536


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """One walk over the rows.

    Attributes:
        left: One group of columns.
        right: The other; the joint counts are over both, in C order.
        marginals: What is summed out of them.
    """

    left: Group
    right: Group
    marginals: tuple[Group, ...]


def plan_passes(
    marginals: Sequence[Group], sizes: Mapping[CodedColumn, int], rows: int
) -> tuple[list[Group], list[Pass]]:
    """Which groups to make, and which pairs of them to count.

    A marginal whose columns lie in more than two groups, or for which the joint counts would be larger
    than the cache or the table, is counted by itself.

    Args:
        marginals: Columns of each wanted marginal, each once.
        sizes: How many codes each of the columns has.
        rows: How many rows there are.

    Returns:
        The groups that the passes share, and the passes.
    """
    # Packing has a price for each column; few marginals do not earn it back.
    groups = _packed(sizes, _GROUP_CELLS if len(marginals) > 2 * len(sizes) else 1)
    home = {column: number for number, group in enumerate(groups) for column in group}
    together: dict[tuple[Group, Group], list[Group]] = {}
    for marginal in marginals:
        found = sorted({home[column] for column in marginal})
        left, right, *more = *(groups[number] for number in found), (), ()
        shared = not any(more) and cells(left + right, sizes) <= min(_JOINT_CELLS, rows)
        key = (left, right) if shared else (marginal[:-1], marginal[-1:])
        together.setdefault(key, []).append(marginal)
    passes = [Pass(left=key[0], right=key[1], marginals=tuple(served)) for key, served in together.items()]
    return groups, passes


def _packed(sizes: Mapping[CodedColumn, int], limit: int) -> list[Group]:
    """Groups of at most `limit` cells, or of one column: first fit, largest columns first."""
    groups: list[list[CodedColumn]] = []
    for column in sorted(sizes, key=sizes.__getitem__, reverse=True):
        for group in groups:
            if cells([*group, column], sizes) <= limit:
                group.append(column)
                break
        else:
            groups.append([column])
    return [tuple(group) for group in groups]


def _joint_counts_in_numpy(left: Array, right: Array, width: int, cells: int) -> Array:
    return np.bincount(left.astype(np.int64) * width + right, minlength=cells).astype(np.uint32)


@kernel(vectorised=_joint_counts_in_numpy)
def joint_counts(left: Array, right: Array, width: int, cells: int) -> Array:
    """How many rows have each pair of codes.

    A table has fewer than 2^32 rows, so no counter of 32 bits can overflow.

    Args:
        left: A code for each row.
        right: A code below `width` for each row.
        width: Number of codes on the right.
        cells: Number of pairs of codes.
    """
    counts = np.zeros(cells, np.uint32)
    for row in range(left.size):
        counts[np.int64(left[row]) * width + np.int64(right[row])] += 1
    return counts


def _summed_in_numpy(joint: Array, left: IntArray, right: IntArray, cells: int) -> IntArray:
    counts = np.zeros(cells, np.int64)
    np.add.at(counts, np.add.outer(left, right).ravel(), joint.astype(np.int64))
    return counts


@kernel(vectorised=_summed_in_numpy)
def summed_to(joint: Array, left: IntArray, right: IntArray, cells: int) -> IntArray:
    """Joint counts summed to a marginal; the cell of codes (i, j) goes to `left[i] + right[j]`."""
    counts = np.zeros(cells, np.int64)
    cell = 0
    for i in range(left.size):
        for j in range(right.size):
            counts[left[i] + right[j]] += joint[cell]
            cell += 1
    return counts


def walked(
    walk: Pass, left: Array, right: Array, sizes: Mapping[CodedColumn, int], *, compiled: bool
) -> dict[Group, IntArray]:
    """The marginals that `walk` serves, each flat, in C order over its columns, and read-only.

    Args:
        walk: What to count.
        left: For each row the code of its left group.
        right: For each row the code of its right group.
        sizes: How many codes each column has.
        compiled: There is enough to count to be worth loading numba.
    """
    count, add = joint_counts.form(worthwhile=compiled), summed_to.form(worthwhile=compiled)
    joint = count(left, right, cells(walk.right, sizes), cells(walk.left + walk.right, sizes))
    answers = {}
    for marginal in walk.marginals:
        if marginal == walk.left + walk.right:
            counts = joint.astype(np.int64)
        else:
            steps = {column: cells(marginal[i + 1 :], sizes) for i, column in enumerate(marginal)}
            down, across = (_places(group, steps, sizes) for group in (walk.left, walk.right))
            counts = add(joint, down, across, cells(marginal, sizes))
        counts.setflags(write=False)
        answers[marginal] = counts
    return answers


def cells(group: Iterable[CodedColumn], sizes: Mapping[CodedColumn, int]) -> int:
    """How many combinations of codes the columns of `group` have."""
    return math.prod(sizes[column] for column in group)


def _places(group: Group, steps: Mapping[CodedColumn, int], sizes: Mapping[CodedColumn, int]) -> IntArray:
    """What each code of a group adds to the place in a marginal; columns without a step add nothing."""
    places = np.zeros(1, np.int64)
    for column in group:
        places = np.add.outer(places, steps.get(column, 0) * np.arange(sizes[column])).ravel()
    return places


class Kept:
    """Remembers arrays up to a number of bytes; forgets the least recently used.

    Privacy: the arrays are private. They stay in the memory of the table that they belong to.
    """

    __slots__ = ("_arrays", "_bytes", "_limit")

    def __init__(self, limit: int) -> None:
        self._arrays: OrderedDict[Group, Array] = OrderedDict()
        self._bytes = 0
        self._limit = limit

    def find(
        self, keys: Sequence[Group], make: Callable[[Sequence[Group]], Iterable[Array]]
    ) -> dict[Group, Array]:
        """The array of each key; `make` is asked for those that are not remembered, all at once."""
        found = {key: self._arrays[key] for key in keys if key in self._arrays}
        for key in found:
            self._arrays.move_to_end(key)
        lacking = [key for key in dict.fromkeys(keys) if key not in found]
        for key, array in zip(lacking, make(lacking), strict=True):
            found[key] = self._arrays[key] = array
            self._bytes += array.nbytes
        while self._bytes > self._limit:
            self._bytes -= self._arrays.popitem(last=False)[1].nbytes
        return found
