"""Rules about values, as far as structural zeros over codes can say them.

A method that holds structural zeros then has the rule in its model, so that few rows or none are drawn
again and marginals know it. Only codes that no values can meet become zeros: a rule that tells apart values
of one cell stays a rule of rows as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dpsynth.schema.boxes import boxes
from dpsynth.schema.column import ModelledColumn
from dpsynth.schema.columns import Boolean, Categorical
from dpsynth.schema.constraints import ImpossibleCombinations
from dpsynth.schema.formulas import Node, columns_of
from dpsynth.schema.numeric import Datetime, NumericColumn
from dpsynth.schema.row_checks import rule_broken
from dpsynth.schema.row_rules import (
    GroupTotal,
    Implication,
    InequalityChain,
    NullTogether,
    PlainRule,
    RowRule,
    UniqueKey,
    conditions_tree,
)
from dpsynth.schema.row_values import known_facts, read_columns

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema

__all__ = ["as_structural_zeros"]

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

_MOST_COLUMNS = 4
_MOST_VALUES = 2**20
_MOST_LINES = 4096


def as_structural_zeros(schema: Schema) -> tuple[ImpossibleCombinations, ...]:
    """The rules of `schema` as structural zeros, for methods that hold these.

    Args:
        schema: Has the rules.

    Returns:
        What two to four columns cannot have together by one rule. Rules about keys, totals, formulas or more
        columns, and those over too many different values, give none: they are enforced on rows alone.

    Example:
        Let `allpairs` hold rules in its model::

            zeros = as_structural_zeros(schema)
            schema = dataclasses.replace(schema, constraints=(*schema.constraints, *zeros))
    """
    made = (_zeros(schema, rule) for rule in schema.rules)
    return tuple(zeros for zeros in made if zeros is not None)


def _zeros(schema: Schema, rule: RowRule) -> ImpossibleCombinations | None:
    columns = [schema.column(name) for name in rule.columns]
    modelled = [column for column in columns if isinstance(column, ModelledColumn) and column.complete]
    if isinstance(rule, (UniqueKey, GroupTotal)) or not 2 <= len(modelled) == len(columns) <= _MOST_COLUMNS:
        return None
    if math.prod(column.size for column in modelled) > _MOST_VALUES:
        return None
    possible = _chain(rule, modelled) if isinstance(rule, InequalityChain) else _tried(schema, rule, modelled)
    if possible is None or possible.all():
        return None
    found = list(boxes(~possible))
    if len(found) > _MOST_LINES:
        return None
    lines = [tuple(_entry(c, codes) for c, codes in zip(modelled, box, strict=True)) for box in found]
    said = rule.description or str(rule)
    return ImpossibleCombinations(columns=rule.columns, combinations=lines, description=said)


def _chain(rule: InequalityChain, columns: Sequence[ModelledColumn]) -> BoolArray | None:
    """Where values of the cells can rise: each takes the least that its cell and those before it allow."""
    shape = tuple(column.size for column in columns)
    last, possible = np.full(shape, -np.inf), np.ones(shape, dtype=bool)
    for axis, column in enumerate(columns):
        if not isinstance(column, NumericColumn):
            return None
        ends = (column.lattice.starts, column.lattice.ends - 1)
        low, high = (np.append(_numbers(column, end), [] if column.required else np.nan) for end in ends)
        along = [-1 if place == axis else 1 for place in range(len(shape))]
        low, high = low.reshape(along), high.reshape(along)
        missing = np.isnan(low)
        possible &= missing | (last < high if rule.strict else last <= high)
        last = np.where(missing, last, np.maximum(last, low))
    return possible


def _numbers(column: NumericColumn, index: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    values = column.values_at(index)
    return np.asarray(
        values.astype("datetime64[s]").astype(np.int64) if isinstance(column, Datetime) else values
    ).astype(float)


def _tried(schema: Schema, rule: PlainRule, columns: Sequence[ModelledColumn]) -> BoolArray | None:
    """Where some values of the cells meet the rule, found by trying all values, or one where one will do."""
    named = _only_missing(rule)
    known = known_facts(schema)
    tried = []
    for column in columns:
        if known[column.name].kind == "free":
            return None
        first_only = column.name in named
        if not first_only and isinstance(column, NumericColumn) and column.lattice.points > _MOST_VALUES:
            return None
        tried.append(_values(column, first_only=first_only))
    if math.prod(len(codes) for codes, _ in tried) > _MOST_VALUES:
        return None
    grid = [
        axis.ravel() for axis in np.meshgrid(*(np.arange(len(codes)) for codes, _ in tried), indexing="ij")
    ]
    frame = pd.DataFrame(
        {
            column.name: values.iloc[place].reset_index(drop=True)
            for column, (_, values), place in zip(columns, tried, grid, strict=True)
        }
    )
    good = ~rule_broken(rule, read_columns(schema, frame, rule.columns), len(frame))
    shape = tuple(column.size for column in columns)
    codes = [codes[place] for (codes, _), place in zip(tried, grid, strict=True)]
    cells = np.ravel_multi_index(codes, shape)
    return np.bincount(cells[good], minlength=math.prod(shape)).reshape(shape) > 0


def _values(column: ModelledColumn, *, first_only: bool) -> tuple[np.ndarray[Any, Any], pd.Series[Any]]:
    """Values of every code, and the codes."""
    if isinstance(column, NumericColumn):
        lattice = column.lattice
        index = lattice.starts if first_only else np.arange(lattice.points)
        cells, values = lattice.cell_of(index), pd.Series(column.values_at(index)).astype(object)
    else:
        found: list[Any] = [False, True] if isinstance(column, Boolean) else []
        if isinstance(column, Categorical):
            other = [] if column.other_code is None else [column.other_label]
            found = [*column.known_categories, *other]
        cells, values = np.arange(len(found)), pd.Series(found, dtype=object)
    if column.missing_code is not None:
        cells = np.append(cells, column.missing_code)
        values = pd.concat([values, pd.Series([None], dtype=object)], ignore_index=True)
    return cells, values


def _only_missing(rule: RowRule) -> set[str]:
    """The columns of which a rule asks nothing but whether they are missing."""
    if isinstance(rule, NullTogether):
        return set(rule.columns)
    if not isinstance(rule, Implication):
        return set()
    return set(columns_of(conditions_tree(rule))) - set(_read_in(conditions_tree(rule)))


def _read_in(node: Node) -> list[str]:
    """The columns whose values a formula reads."""
    if node.op == "column":
        return [str(node.value)]
    plain = node.op == "missing" and node.parts[0].op == "column"
    return [] if plain else [name for part in node.parts for name in _read_in(part)]


def _entry(column: ModelledColumn, codes: np.ndarray[Any, Any]) -> Any:
    """Codes as a constraint writes them; cells that follow one another as one range."""
    if len(codes) == column.size:
        return ...
    entries: list[Any] = [None] if column.missing_code in codes else []
    cells = codes[codes != column.missing_code]
    if isinstance(column, NumericColumn):
        starts, ends = column.lattice.starts, column.lattice.ends - 1
        runs = np.split(cells, np.flatnonzero(np.diff(cells) != 1) + 1) if len(cells) else []
        entries += [(_value(column, starts[run[0]]), _value(column, ends[run[-1]])) for run in runs]
    elif isinstance(column, Categorical):
        entries += [
            column.other_label if code == column.other_code else column.known_categories[code]
            for code in cells
        ]
    else:
        entries += [bool(code) for code in cells]
    return entries


def _value(column: NumericColumn, index: Any) -> Any:
    value = column.values_at(np.array([index]))
    if isinstance(column, Datetime):
        return str(value.astype(f"datetime64[{column.resolution}]")[0])
    return value[0].item()
