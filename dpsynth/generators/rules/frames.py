"""From blocks of values to a frame with the types that a schema's decoder would give, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dpsynth.errors import DataError
from dpsynth.generators.rules.columns import CategoryRule, ColumnRule, KeyRule
from dpsynth.generators.rules.declared import decimals_of, schema_column
from dpsynth.schema.column import ModelledColumn
from dpsynth.schema.columns import Categorical
from dpsynth.schema.decode import decode_column, regenerate
from dpsynth.schema.encode import read_values
from dpsynth.schema.formulas.evaluation import Values
from dpsynth.schema.formulas.facts import Facts

if TYPE_CHECKING:
    from dpsynth.generators.rules.specification import Rules

__all__ = ["frame_of", "read_column", "series_of"]

Array = np.ndarray[Any, Any]


def frame_of(rules: Rules, blocks: list[dict[str, Values]], rows: int) -> pd.DataFrame:
    """The table of all blocks, one after the other."""
    made: dict[str, pd.Series[Any]] = {}
    known = rules.facts
    for rule in rules.columns:
        facts = known[rule.name]
        if isinstance(rule, KeyRule):
            made[rule.name] = regenerate(schema_column(rule, facts), rows)
            continue
        parts = [block.pop(rule.name) for block in blocks]
        data, gaps = np.concatenate([p.data for p in parts]), np.concatenate([p.gaps for p in parts])
        made[rule.name] = series_of(rule, facts, data, gaps)
    return pd.DataFrame(made, index=pd.RangeIndex(rows))


def series_of(rule: ColumnRule, facts: Facts, data: Array, gaps: Array) -> pd.Series[Any]:
    """The type follows from the rules alone, as that of a decoded column follows from its schema."""
    name = rule.name
    if facts.kind == "free":
        data[gaps] = None
        return pd.Series(data, dtype="str", name=name)
    if facts.kind == "date":
        moments = np.where(gaps, 0.0, data).astype(np.int64).astype("datetime64[s]")
        moments[gaps] = np.datetime64("NaT")
        return pd.Series(moments, name=name)
    if facts.kind == "number" and not isinstance(rule, CategoryRule):
        return _numbers(rule, facts, data, gaps)
    column = schema_column(rule, facts)
    if not isinstance(column, ModelledColumn):  # pragma: no cover - only free texts are not
        raise TypeError(name)
    codes = _codes(rule, facts, data)
    codes = codes if column.missing_code is None else np.where(gaps, column.missing_code, codes)
    return decode_column(column, codes, np.random.default_rng(0))


def _codes(rule: ColumnRule, facts: Facts, data: Array) -> Array:
    if facts.kind == "number" and isinstance(rule, CategoryRule):
        numbers = np.array(rule.values, dtype=np.float64)
        order = np.argsort(numbers)
        return np.asarray(order[np.searchsorted(numbers[order], data)])
    return data.astype(np.int64)


def _numbers(rule: ColumnRule, facts: Facts, data: Array, gaps: Array) -> pd.Series[Any]:
    if decimals_of(rule):
        return pd.Series(np.where(gaps, np.nan, data), name=rule.name)
    whole = np.where(gaps, 0.0, data).astype(np.int64)
    if not facts.gaps:
        return pd.Series(whole, name=rule.name)
    return pd.Series(pd.arrays.IntegerArray(whole, gaps), name=rule.name)


def read_column(rule: ColumnRule, facts: Facts, frame: pd.DataFrame) -> Values:
    """The values of one column of a frame.

    Raises:
        DataError: It is not there, or has values that the rule cannot give.
    """
    if rule.name not in frame.columns:
        raise DataError(f"There is no column {rule.name!r}. Expected all columns that constraints use.")
    column = schema_column(rule, facts, bounded=False)
    if not isinstance(column, ModelledColumn):
        missing = frame[rule.name].isna().to_numpy()
        return Values(kind="free", data=np.zeros(len(frame)), gaps=missing)
    readings = read_values(column, frame[rule.name])
    gaps = np.isnan(readings)
    if np.isinf(readings).any():
        raise DataError(f"Column {rule.name!r} has values that its rule cannot give; correct them.")
    data = np.where(gaps, 0.0, readings)
    if facts.kind == "truth":
        return Values(kind="truth", data=data > 0, gaps=gaps)
    if facts.kind == "text":
        return Values(kind="text", data=data.astype(np.int64), gaps=gaps, texts=facts.texts)
    if isinstance(column, Categorical):
        numbers = np.array(column.known_categories, dtype=np.float64)
        return Values(kind="number", data=numbers[data.astype(np.int64)], gaps=gaps)
    return Values(kind=facts.kind, data=data, gaps=gaps)
