"""Small repairs of rows that break a rule, done before rows are drawn again.

No repair touches a column that somebody fixed (`given`) or that a constraint binds, except that numbers are
drawn again inside their cells, which changes no code.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import pandas as pd

from dpsynth.schema.column import ModelledColumn
from dpsynth.schema.columns import Boolean, Categorical
from dpsynth.schema.decode import decode_column
from dpsynth.schema.formulas import Node
from dpsynth.schema.numeric import Datetime, NumericColumn
from dpsynth.schema.row_checks import chain_broken, is_set, rule_broken
from dpsynth.schema.row_rules import (
    GroupTotal,
    Implication,
    InequalityChain,
    NullTogether,
    OneHot,
    RowRule,
    UniqueKey,
    conditions_tree,
)
from dpsynth.schema.row_values import read_columns
from dpsynth.schema.schema import Schema

__all__ = ["repaired"]

_Codes = Mapping[str, np.ndarray[Any, Any]]
_Array = np.ndarray[Any, Any]
_ATTEMPTS = 20


def repaired(
    schema: Schema, frame: pd.DataFrame, codes: _Codes, rng: np.random.Generator, fixed: Set[str]
) -> tuple[pd.DataFrame, _Array]:
    """Mend what can be mended.

    Args:
        schema: Has the rules.
        frame: Decoded rows.
        codes: What the rows were decoded from.
        rng: Chooses among repairs.
        fixed: Columns that keep their codes.

    Returns:
        The rows, and which of them were changed beyond their cells. Formulas are not computed anew.
    """
    mended, changed = frame.copy(), np.zeros(len(frame), dtype=bool)
    # Emptying first: a chain passes over missing values, so it has less to do afterwards.
    for rule in sorted(schema.rules, key=_order):
        if isinstance(rule, (UniqueKey, GroupTotal)) or not set(rule.columns) <= set(codes):
            continue  # what a formula gives cannot be changed
        if isinstance(rule, InequalityChain):
            _redraw_inside(schema, rule, mended, codes, rng)
        changed |= _mend(schema, rule, mended, rng, fixed)
    return mended, changed


def _order(rule: RowRule) -> int:
    return (Implication, NullTogether, OneHot, InequalityChain, UniqueKey, GroupTotal).index(type(rule))


def _mend(
    schema: Schema, rule: RowRule, frame: pd.DataFrame, rng: np.random.Generator, fixed: Set[str]
) -> _Array:
    if isinstance(rule, Implication):
        return _write(schema, rule, frame, fixed)
    if not fixed.isdisjoint(rule.columns):
        return np.zeros(len(frame), dtype=bool)
    if isinstance(rule, NullTogether):
        return _empty_together(schema, rule, frame)
    if isinstance(rule, OneHot):
        return _keep_one(schema, rule, frame, rng)
    if isinstance(rule, InequalityChain) and rule.repair == "sort":
        return _sort(schema, rule, frame)
    return np.zeros(len(frame), dtype=bool)


def _write(schema: Schema, rule: Implication, frame: pd.DataFrame, fixed: Set[str]) -> _Array:
    """Make true what has to be, where the rule says what to write."""
    untouched = np.zeros(len(frame), dtype=bool)
    if rule.repair != "write":
        return untouched
    told = [_assignment(schema, part) for part in _conjuncts(conditions_tree(rule).parts[1])]
    if any(name is None or name in fixed for name, _ in told):
        return untouched
    broken = rule_broken(rule, read_columns(schema, frame, rule.columns), len(frame))
    rows = np.flatnonzero(broken)
    for name, value in told if len(rows) else ():
        column = frame[str(name)]
        frame[str(name)] = column.mask(broken) if value is None else _with_values(column, rows, value)
    return broken


def _conjuncts(node: Node) -> list[Node]:
    return [inner for part in node.parts for inner in _conjuncts(part)] if node.op == "and" else [node]


def _assignment(schema: Schema, node: Node) -> tuple[str | None, Any]:
    """The column that a condition fixes, and the value (None for missing); no column if it fixes none."""
    if node.op not in ("missing", "==") or node.parts[0].op != "column":
        return None, None
    column = schema.column(str(node.parts[0].value))
    if not isinstance(column, ModelledColumn):
        return None, None
    if node.op == "missing":
        return (None if column.required else column.name), None
    value = _admissible(column, node.parts[1])
    return (None if value is None else column.name), value


def _admissible(column: ModelledColumn, constant: Node) -> Any:
    """The value of `column` that a constant means; None if it has none."""
    value = constant.value
    if isinstance(column, Boolean):
        return value if constant.op == "truth" else None
    if isinstance(column, Categorical):
        same = [c for c in column.known_categories if c == value]
        return same[0] if same and constant.op in ("number", "text", "truth") else None
    kind = "date" if isinstance(column, Datetime) else "number"
    if constant.op != kind or not isinstance(column, NumericColumn) or not isinstance(value, float):
        return None
    index = column.index_of(np.array([value])).astype(np.int64)
    if not 0 <= index[0] < column.lattice.points:
        return None
    found = column.values_at(index)
    return found[0] if found.astype(np.float64)[0] == value else None


def _empty_together(schema: Schema, rule: NullTogether, frame: pd.DataFrame) -> _Array:
    broken = rule_broken(rule, read_columns(schema, frame, rule.columns), len(frame))
    for name in rule.columns:
        frame[name] = frame[name].mask(broken)
    return broken


def _keep_one(schema: Schema, rule: OneHot, frame: pd.DataFrame, rng: np.random.Generator) -> _Array:
    """Of several that are set, one at random stays. Where none is, the row is left to be drawn again."""
    columns = read_columns(schema, frame, rule.columns)
    known = np.array([is_set(columns[n].data) & ~columns[n].gaps for n in rule.columns])
    several = known.sum(axis=0) > 1
    chosen = np.argmax(np.where(known, rng.random(known.shape), -1.0), axis=0)
    for place, name in enumerate(rule.columns):
        off = np.flatnonzero(several & known[place] & (chosen != place))
        if len(off):
            zero = False if columns[name].kind == "truth" else 0
            frame[name] = _with_values(frame[name], off, zero)
    return np.asarray(several)


def _redraw_inside(
    schema: Schema, rule: InequalityChain, frame: pd.DataFrame, codes: _Codes, rng: np.random.Generator
) -> None:
    """Draw numbers again within their cells: what comes out in order has the law of the model given order."""
    columns = [schema.column(name) for name in rule.columns]
    if not all(isinstance(column, NumericColumn) for column in columns):
        return
    numeric = [column for column in columns if isinstance(column, NumericColumn)]
    read = read_columns(schema, frame, rule.columns)
    left = np.flatnonzero(rule_broken(rule, read, len(frame)))
    for _ in range(_ATTEMPTS):
        if not len(left):
            return
        drawn = pd.DataFrame({c.name: decode_column(c, codes[c.name][left], rng) for c in numeric})
        # Another rule may have emptied a value in the meantime.
        for name in rule.columns:
            drawn[name] = drawn[name].mask(frame[name].iloc[left].isna().to_numpy())
        good = ~rule_broken(rule, read_columns(schema, drawn, rule.columns), len(drawn))
        for name in rule.columns:
            frame[name] = _with_values(frame[name], left[good], drawn[name].to_numpy()[good])
        left = left[~good]


def _sort(schema: Schema, rule: InequalityChain, frame: pd.DataFrame) -> _Array:
    """Exchange the values of a row until they rise, where every column can hold what it gets."""
    columns = [schema.column(name) for name in rule.columns]
    read = read_columns(schema, frame, rule.columns)
    gaps = np.array([read[name].gaps for name in rule.columns])
    data = np.array([read[name].data for name in rule.columns], dtype=np.float64)
    rows = np.flatnonzero(rule_broken(rule, read, len(frame)))
    changed = np.zeros(len(frame), dtype=bool)
    if not len(rows) or not all(isinstance(column, NumericColumn) for column in columns):
        return changed
    data, gaps = data[:, rows], gaps[:, rows]
    place = np.cumsum(~gaps, axis=0) - 1  # of a value among those of its row that are there
    risen = np.take_along_axis(np.sort(np.where(gaps, np.inf, data), axis=0), np.maximum(place, 0), axis=0)
    fits = ~chain_broken(risen, gaps, strict=rule.strict)
    indices = []
    for column, values, missing in zip(columns, risen, gaps, strict=True):
        assert isinstance(column, NumericColumn)  # noqa: S101 - others were left above
        index = column.index_of(np.where(missing, 0.0, values)).astype(np.int64)
        index = np.where(missing, 0, index)
        inside = (index >= 0) & (index < column.lattice.points)
        index = np.where(inside, index, 0)
        held = inside & (column.values_at(index).astype(np.float64) == values)
        fits &= missing | held
        indices.append(index)
    for column, index, missing in zip(columns, indices, gaps, strict=True):
        assert isinstance(column, NumericColumn)  # noqa: S101
        moved = fits & ~missing
        frame[column.name] = _with_values(frame[column.name], rows[moved], column.values_at(index[moved]))
    changed[rows[fits]] = True
    return changed


def _with_values(column: pd.Series[Any], rows: _Array, values: Any) -> pd.Series[Any]:
    changed = column.copy()
    changed.iloc[rows] = values
    return changed
