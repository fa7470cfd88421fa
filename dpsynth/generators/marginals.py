"""Exact marginals as tables for people: one row for each combination of values, with its probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import ExactModel
from dpsynth.schema.decode import decode_column
from dpsynth.schema.numeric import NumericColumn

if TYPE_CHECKING:
    from dpsynth.generators.base import Model
    from dpsynth.schema.column import ModelledColumn

__all__ = ["MOST_ROWS", "exact", "marginal_frame", "values_of_codes"]

MOST_ROWS = 2**23
"""Most rows of a frame that is made for people."""

_OWN_COLUMNS = ("probability", "count")


def exact(model: Model) -> ExactModel:
    """The model, if it answers exactly.

    Raises:
        ConfigurationError: It only draws rows.
    """
    if not isinstance(model, ExactModel):
        raise ConfigurationError(
            f"Models of the kind {model.name!r} give no exact answers. Draw rows with `sample` and count."
        )
    return model


def marginal_frame(model: Model, columns: Sequence[str]) -> pd.DataFrame:
    """One row for each combination of codes of `columns`, in the order of their codes.

    Raises:
        ConfigurationError: The model answers not exactly, columns that it does not have, or too many cells.
    """
    answering, names = exact(model), tuple(columns)
    taken = [name for name in names if name in _OWN_COLUMNS]
    if taken:
        raise ConfigurationError(
            f"The columns {taken} have the names of what is told about them. Ask `model.marginal`, which "
            "gives an array."
        )
    domain = model.schema.domain
    if set(names) <= set(domain.columns) and domain.cells(names) > MOST_ROWS:
        raise ConfigurationError(
            f"The marginal of {list(names)} has {domain.cells(names)} rows, and a frame holds at most "
            f"{MOST_ROWS}. Ask for fewer columns, or `model.marginal` for an array."
        )
    shares = answering.marginal(names)
    labels = [values_of_codes(column) for column in (_modelled(model, name) for name in names)]
    codes = np.unravel_index(np.arange(shares.size), shares.shape)
    values = {
        name: label.take(code).set_axis(pd.RangeIndex(shares.size))
        for name, label, code in zip(names, labels, codes, strict=True)
    }
    flat = shares.ravel()
    return pd.DataFrame({**values, "probability": flat, "count": flat * model.total})


def values_of_codes(column: ModelledColumn) -> pd.Series[Any]:
    """What each code stands for, missing included; in the type of a sampled column.

    Numbers and dates that share a cell become an ordered category of closed intervals, as `pandas.cut`
    makes them.
    """
    codes = np.arange(column.size)
    if isinstance(column, NumericColumn) and column.lattice.cells < column.lattice.points:
        lows: pd.Index[Any] = pd.Index(column.values_at(column.lattice.starts))
        highs: pd.Index[Any] = pd.Index(column.values_at(column.lattice.ends - 1))
        cells = pd.IntervalIndex.from_arrays(lows, highs, closed="both")
        present = np.where(codes < column.cell_count, codes, -1)
        kinds = pd.CategoricalDtype(cells, ordered=True)
        return pd.Series(pd.Categorical.from_codes(present, dtype=kinds), name=column.name)
    return decode_column(column, codes, np.random.default_rng(0))


def _modelled(model: Model, name: str) -> ModelledColumn:
    return next(column for column in model.schema.modelled if column.name == name)
