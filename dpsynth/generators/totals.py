"""Move numbers of synthetic rows so that groups meet their declared totals: post-processing, exact, free.

Numbers move on the lattice of their column. Steps are allotted in proportion, by the largest remainder, so a
total is met in whole numbers; rows that are full pass their part on. A row whose moved number would break
another rule goes less far in the next try, so that rules of one row and totals hold together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from dpsynth.errors import RulesError
from dpsynth.schema.formula_values import with_formulas
from dpsynth.schema.group_totals import Group, Units, group_totals, groups_of, summed
from dpsynth.schema.numeric import NumericColumn
from dpsynth.schema.row_checks import violations
from dpsynth.schema.row_rules import GroupTotal, UniqueKey
from dpsynth.schema.row_values import read_columns
from dpsynth.schema.schema import Schema

__all__ = ["with_totals"]

_Array = np.ndarray[Any, Any]
_MOST_TRIES = 100


def with_totals(
    schema: Schema,
    table: pd.DataFrame,
    *,
    in_cells: Set[str] = frozenset(),
    held: Mapping[str, _Array] | None = None,
    computed: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> tuple[pd.DataFrame, int]:
    """Move the numbers of rows that meet all other rules until every group meets its total.

    Args:
        schema: Has the rules.
        table: Rows that meet every rule but those about totals.
        in_cells: Columns whose numbers stay in their cells: they are given, or a constraint binds them.
        held: By column the rows whose numbers stay as they are.
        computed: Computes the formulas of moved rows; None computes all of them.

    Returns:
        The table, and how many of its rows were changed.

    Raises:
        RulesError: A total cannot be met; names the rule, the group and the remedy.
    """
    changed = np.zeros(len(table), dtype=bool)
    for rule in group_totals(schema) if len(table) else ():
        column = summed(schema, rule)
        numbers = _Numbers.of(schema, rule, table)
        low, high = _limits(column, numbers.index, in_cells=rule.column in in_cells)
        still = numbers.gaps if held is None else numbers.gaps | held.get(rule.column, numbers.gaps)
        low, high = np.where(still, numbers.index, low), np.where(still, numbers.index, high)
        table, moved = _moved(
            schema, numbers, table, low, high, computed or (lambda t: with_formulas(schema, t))
        )
        changed |= moved
    return table, int(changed.sum())


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Numbers:
    """The numbers that a rule adds up: places on the lattice of their column, and groups."""

    rule: GroupTotal
    column: NumericColumn
    index: _Array
    gaps: _Array
    groups: Sequence[Group]

    @classmethod
    def of(cls, schema: Schema, rule: GroupTotal, table: pd.DataFrame) -> _Numbers:
        columns, column = read_columns(schema, table, rule.columns), summed(schema, rule)
        found = columns[rule.column]
        index = np.where(found.gaps, 0, column.index_of(found.data)).astype(np.int64)
        groups = groups_of(schema, rule, columns, len(table))
        return cls(rule=rule, column=column, index=index, gaps=np.array(found.gaps), groups=groups)


def _limits(column: NumericColumn, index: _Array, *, in_cells: bool) -> tuple[_Array, _Array]:
    """How far each number may move."""
    lattice = column.lattice
    if not in_cells:
        return np.zeros_like(index), np.full_like(index, lattice.points - 1)
    cells = lattice.cell_of(index)
    return lattice.starts[cells], lattice.ends[cells] - 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Task:
    """What one group has to do: so many steps up or down, shared among its numbers by their sizes."""

    group: Group
    rows: _Array
    steps: int
    sign: int
    sizes: Sequence[int]


def _moved(
    schema: Schema,
    numbers: _Numbers,
    table: pd.DataFrame,
    low: _Array,
    high: _Array,
    computed: Callable[[pd.DataFrame], pd.DataFrame],
) -> tuple[pd.DataFrame, _Array]:
    """The table with moved numbers, and which rows they are in."""
    start, column, tasks = numbers.index, numbers.column, [_task(numbers, group) for group in numbers.groups]
    sign, reach, safe = np.zeros_like(start), np.zeros_like(start), np.zeros_like(start)
    for task in tasks:
        sign[task.rows] = task.sign
        reach[task.rows] = (high - start if task.sign > 0 else start - low)[task.rows]
    # How far a row can go without breaking another rule is found by halving what lies between distances
    # that are known to be safe and known to be bad.
    bad = reach + 1
    for _ in range(_MOST_TRIES):
        limit = np.where(bad > reach, reach, safe + (bad - safe) // 2)
        far, met = _shared(numbers.rule, tasks, limit, bad)
        changed = far > 0
        if met and not changed.any():
            return table, changed
        values, rows = table[column.name].copy(), np.flatnonzero(changed)
        values.iloc[rows] = column.values_at((start + sign * far)[rows])
        made = computed(table.assign(**{column.name: values}))
        broken = _broken(schema, made)
        wrong = np.any([np.zeros(len(table), dtype=bool), *broken.values()], axis=0)
        if met and not wrong.any():
            return made, changed
        safe = np.where(wrong, np.where(safe < far, safe, 0), np.maximum(safe, far))
        bad = np.where(wrong & changed, far, bad)
    worst = max(broken, key=lambda text: broken[text].sum())
    raise RulesError(
        f"The rule {str(numbers.rule)!r} cannot be met together with {worst!r}: moving numbers to the totals "
        "breaks it. Loosen one of the two, or ask for another number of rows."
    )


def _shared(rule: GroupTotal, tasks: Sequence[_Task], limit: _Array, bad: _Array) -> tuple[_Array, bool]:
    """How far each row goes within its limit, and whether all totals are met so.

    Raises:
        RulesError: A total is not met, although no row of the group may go farther.
    """
    far, met = np.zeros_like(limit), True
    for task in tasks:
        room = limit[task.rows].tolist()
        if sum(room) < task.steps:
            met = False
            if not (bad - limit > 1)[task.rows].any():
                _refuse(rule, task.group, *(_ABOVE if task.sign > 0 else _BELOW))
        far[task.rows] = _allotted(min(task.steps, sum(room)), room, task.sizes)
    return far, met


def _broken(schema: Schema, table: pd.DataFrame) -> dict[str, _Array]:
    """The rows that break other rules; of rows with one key all, as any of them may be the one that moved."""
    broken = violations(schema, table, totals=False)
    if any(isinstance(rule, UniqueKey) for rule in schema.rules):
        for text, rows in violations(schema, table.iloc[::-1], totals=False).items():
            broken[text] = broken[text] | rows[::-1]
    return broken


def _task(numbers: _Numbers, group: Group) -> _Task:
    units = Units.of(numbers.column)
    rows = group.rows[~numbers.gaps[group.rows]]
    start = numbers.index[rows].tolist()
    if not start and group.total:
        _refuse(numbers.rule, group, *(_ABSENT if len(group.rows) == 0 else _EMPTY))
    wanted, rest = divmod(group.total - len(start) * units.first, units.stride)
    if rest:
        _refuse(numbers.rule, group, *_STEPS)
    sizes = [1] * len(start)
    if numbers.rule.repair == "scale":
        sizes = [abs(units.first + place * units.stride) for place in start]
    steps = wanted - sum(start)
    return _Task(group=group, rows=rows, steps=abs(steps), sign=1 if steps > 0 else -1, sizes=sizes)


def _allotted(steps: int, room: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """`steps` in proportion to `sizes`, at most `room` each; what is left over equally among the others."""
    given = [0] * len(room)
    for shares in (sizes, [1] * len(room)):
        waiting = [i for i, share in enumerate(shares) if share and room[i] > given[i]]
        while steps and waiting:
            total = sum(shares[i] for i in waiting)
            full = [i for i in waiting if steps * shares[i] >= (room[i] - given[i]) * total]
            if not full:
                _by_largest_remainder(steps, waiting, shares, given)
                return given
            for i in full:
                steps -= room[i] - given[i]
                given[i] = room[i]
            waiting = [i for i in waiting if given[i] < room[i]]
    return given


def _by_largest_remainder(steps: int, places: Sequence[int], shares: Sequence[int], given: list[int]) -> None:
    """Whole parts first, then one more to the largest remainders (the method of Hamilton)."""
    total = sum(shares[i] for i in places)
    parts = {i: divmod(steps * shares[i], total) for i in places}
    left = steps - sum(whole for whole, _ in parts.values())
    for i, (whole, _) in parts.items():
        given[i] += whole
    for i in sorted(places, key=lambda i: -parts[i][1])[:left]:
        given[i] += 1


_ABSENT = ("no row is in it", "Ask for more rows, or take the group out of the totals")
_EMPTY = ("its numbers are all missing", "Ask for more rows, or declare the column as required")
_STEPS = ("no numbers on the steps of the column add up to it", "Correct the total, the step or the minimum")
_ABOVE = (
    "its numbers cannot rise so far within their bounds, what is given and the other rules",
    "Ask for more rows, raise the maximum, or lower the total",
)
_BELOW = (
    "its numbers cannot fall so far within their bounds, what is given and the other rules",
    "Ask for fewer rows, lower the minimum, or raise the total",
)


def _refuse(rule: GroupTotal, group: Group, why: str, remedy: str) -> NoReturn:
    """Only a declared key is named: the rows that are completed may be private."""
    where = f"a group of {', '.join(rule.by)}" if rule.by else "all rows"
    if group.key:
        where = ", ".join(f"{name} = {value}" for name, value in zip(rule.by, group.key, strict=True))
    raise RulesError(f"The rule {str(rule)!r} cannot be met for {where}: {why}. {remedy}.")
