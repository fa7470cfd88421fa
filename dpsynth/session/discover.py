"""Buy what a schema leaves open: bounds, numeric cells and lists of categories.

The plan is a function of the public schema. Everything that touches rows is a mechanism on a
*temporary column* with a public lattice of cells; whatever follows is post-processing of noisy counts.
So no minimum, maximum, quantile or list of values is ever read from the rows (pitfalls P02, P03).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms.gaussian import GaussianMechanism
from dpsynth.mechanisms.partition import PartitionSelection
from dpsynth.mechanisms.queries import Marginal
from dpsynth.schema.canonical import Lookup
from dpsynth.schema.columns import MOST_CELLS, Categorical, Column, Datetime, Integer, NumericColumn, Real
from dpsynth.session._histogram import dense_range, near_equal_cells
from dpsynth.session.plan import Step

if TYPE_CHECKING:
    from dpsynth.mechanisms.base import Measurement, Mechanism
    from dpsynth.privacy.events import Event
    from dpsynth.schema.columns import ModelledColumn, Origin
    from dpsynth.schema.schema import Schema

__all__ = ["DiscoveryItem", "DiscoveryPlan", "discover", "fine_column", "needs_categories", "plan_discovery"]

Ask: TypeAlias = "Callable[[Mechanism, Sequence[ModelledColumn]], Measurement]"
Floats = np.ndarray[Any, np.dtype[np.float64]]
Indices = np.ndarray[Any, np.dtype[np.int64]]

_GRID = 1024  # equal parts of the range in which cells are looked for
_SLACK = 1 - 2.0**-40  # keeps sums of rounded shares below the whole
_FARTHEST = 10**15  # units of the precision; bounds are looked for up to here
_MANTISSAS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
_ROUND = sorted({m * 10**e // 10 for m in _MANTISSAS for e in range(16) if m * 10**e % 10 == 0})
_YEARS = ("0001", "1000", "1500", "1600", "1700", "1800", "1850", "2150", "2200", "2500", "9000", "9999")


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoveryItem:
    """One purchase: `what` of `column`, at the price of `mu` and, for categories, `delta`."""

    column: str
    what: Literal["bounds", "cells", "categories"]
    mu: float
    delta: float = 0.0

    def mechanism(self) -> GaussianMechanism | PartitionSelection:
        """The mechanism that is asked."""
        if self.what == "categories":
            return PartitionSelection(column=self.column, mu=self.mu, delta=self.delta)
        return GaussianMechanism(queries=(Marginal((self.column,)),), mus=(self.mu,))


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoveryPlan:
    """What discovery will ask, in order: a function of the public schema and the shares."""

    items: tuple[DiscoveryItem, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """One paid step for each item."""
        return tuple(Step(label=f"{i.what} of {i.column}", event=i.mechanism().event()) for i in self.items)

    @property
    def events(self) -> tuple[Event, ...]:
        """What the steps cost."""
        return tuple(step.event for step in self.steps)

    def digest(self) -> str:
        """SHA-256 over all items: what a session commits to the ledger before drawing."""
        body = [{"what": item.what, "mechanism": item.mechanism().describe()} for item in self.items]
        return hashlib.sha256(json.dumps(["discovery/1", body], sort_keys=True).encode()).hexdigest()


def needs_categories(schema: Schema) -> bool:
    """Whether a list of categories has to be bought, which needs a delta above 0."""
    return any(isinstance(column, Categorical) for column in _open_columns(schema))


def plan_discovery(schema: Schema, *, rho: float, delta: float, cells: Collection[str] = ()) -> DiscoveryPlan:
    """Decide what to buy. Uses the public schema only.

    Args:
        schema: What the table may hold; bounds and categories may be open.
        rho: What all purchases together may cost in zCDP, in equal shares.
        delta: What the purchases of category lists may add to delta, in equal shares.
        cells: Numeric columns whose cells are to follow the data. Columns with bounds so close that
            every value has a cell of its own anyway are left as they are.

    Raises:
        ConfigurationError: A list of categories is needed and delta is 0, or `cells` names a column
            that is not numeric or takes part in a constraint.
        SchemaError: A bound that is declared leaves no room for the other one.
    """
    _validate.positive("rho", rho)
    _validate.non_negative("delta", delta)
    if needs_categories(schema) and delta == 0:
        raise ConfigurationError(
            "Lists of categories can only be bought with a delta > 0. Raise delta, or declare them."
        )
    unknown = _open_columns(schema)
    wanted: list[tuple[str, Literal["bounds", "cells", "categories"]]] = [
        (column.name, "categories" if isinstance(column, Categorical) else "bounds") for column in unknown
    ]
    for column in unknown:
        if isinstance(column, NumericColumn):
            _bounds_lattice(column)  # refuses what cannot work before anything is spent
    gaining = {name for name in cells if _may_gain_cells(schema, name)}
    wanted += [(name, "cells") for name in schema.names if name in gaining]
    mu = math.sqrt(2 * rho / max(len(wanted), 1)) * _SLACK
    share = delta / max(sum(what == "categories" for _, what in wanted), 1) * _SLACK
    return DiscoveryPlan(
        items=tuple(
            DiscoveryItem(column=name, what=what, mu=mu, delta=share if what == "categories" else 0.0)
            for name, what in wanted
        )
    )


def discover(schema: Schema, ask: Ask, plan: DiscoveryPlan) -> Schema:
    """Carry out `plan` and return the complete schema; what was bought has the origin `dp`.

    Args:
        schema: The schema for which `plan` was made.
        ask: Pays for a mechanism and runs it on the rows, encoded with the given temporary columns.
        plan: What to buy.

    Privacy: unit as in the schema. Rows are reached through `ask` only, once for each step of the
        plan, with the plan's mechanisms; temporary columns depend on public values and on answers that
        are paid for. All else is post-processing. No answer, however noisy, can raise an error.
    """
    buy = {"bounds": _bounds, "cells": _cells, "categories": _categories}
    for item in plan.items:
        bought = buy[item.what](schema, item, ask)
        # What a person assumed about a column stays assumed, whatever else was bought (pitfall P02).
        origin: Origin = "assumed" if bought.origin == "assumed" else "dp"
        schema = schema.replace_columns({item.column: replace(bought, origin=origin)})
    return schema


def _open_columns(schema: Schema) -> list[Column]:
    return [schema.column(name) for name in schema.unknown]


def _may_gain_cells(schema: Schema, name: str) -> bool:
    column = schema.column(name)
    if not isinstance(column, NumericColumn):
        raise ConfigurationError(f"Cells can be bought for numeric columns; {name!r} is {column.kind}.")
    if any(name in constraint.columns for constraint in schema.constraints):
        raise ConfigurationError(f"A constraint names cells of {name!r}: declare its edges, do not buy them.")
    return not column.complete or column.lattice.points > column.default_cells


def _bounds(schema: Schema, item: DiscoveryItem, ask: Ask) -> Any:
    """The column with bounds around what is clearly above noise on a public lattice, rounded outward."""
    column: Any = schema.column(item.column)
    wide = _bounds_lattice(column)
    first, last = dense_range(*_histogram(wide, item, ask))
    starts, ends, points = wide.lattice.starts, wide.lattice.ends, wide.lattice.points
    low = 0 if column.minimum is not None else int(starts[first])
    high = int(ends[last]) - 1
    if column.maximum is not None:
        high = points - 1
    elif high > starts[last] and not isinstance(column, Datetime):
        high = min(high + 1, points - 1)  # a round number instead of the last value below it
    minimum, maximum = _values(wide, np.array([low, high]))
    cells = None if column.cells is None or column.cells > high - low + 1 else column.cells
    return replace(
        column,
        minimum=minimum if column.minimum is None else column.minimum,
        maximum=maximum if column.maximum is None else column.maximum,
        cells=cells,
    )


def _bounds_lattice(column: NumericColumn) -> NumericColumn:
    """`column` in public cells, as far as its values can go; a bound that is declared stays.

    The cells are months, or ten round numbers in each decade, with zero alone.
    """
    lowest, highest = _farthest(column)
    wide = replace(
        column,
        minimum=lowest if column.minimum is None else column.minimum,
        maximum=highest if column.maximum is None else column.maximum,
        cells=None,
        out_of_domain="clip",
    )
    return _with_cells(wide, _round_values(wide))


def _farthest(column: NumericColumn) -> tuple[Any, Any]:
    if isinstance(column, Datetime):
        return "0001-01-01", "9999-12-31T23:59:59"
    if isinstance(column, Integer):
        anchor = next(bound for bound in (column.minimum, column.maximum, 0) if bound is not None)
        below, above = (_FARTHEST + anchor) // column.step, (_FARTHEST - anchor) // column.step
        return anchor - below * column.step, anchor + above * column.step
    limit = 10.0 ** (15 - column.precision) if isinstance(column, Real) else 0.0
    return -limit, limit


def _round_values(column: NumericColumn) -> Indices:
    """The places of round values in the lattice of `column`; some may lie outside."""
    if isinstance(column, Datetime):
        months = np.arange("1900-01", "2100-02", dtype="datetime64[M]")
        moments = np.concatenate([months, np.array(_YEARS, dtype="datetime64[M]")])
        return column.index_of(moments.astype("datetime64[s]").astype(np.float64)).astype(np.int64)
    zero = int(column.index_of(np.zeros(1))[0])
    return zero + np.array([*(-mark for mark in _ROUND), 0, *_ROUND], dtype=np.int64)


def _with_cells(column: NumericColumn, starts: Indices) -> NumericColumn:
    """`column` with cells that begin at `starts`, as far as these lie inside its bounds."""
    last = column.lattice.points - 1
    if last < MOST_CELLS and np.isin(np.arange(last + 1), starts).all():
        return replace(column, edges=None, cells=last + 1)
    inner = np.unique(starts[(starts > 0) & (starts <= last)])
    return replace(column, cells=None, edges=tuple(_values(column, np.array([0, *inner, last]))))


def _values(column: NumericColumn, index: Indices) -> list[Any]:
    values = column.values_at(index)
    if isinstance(column, Datetime):
        values = np.datetime_as_string(values, unit="D" if column.resolution in "YMD" else "s")
    return list(values.tolist())


def _histogram(column: NumericColumn, item: DiscoveryItem, ask: Ask) -> tuple[Floats, float]:
    measurement = ask(item.mechanism(), (column,))
    return measurement.values[0][: column.cell_count].astype(np.float64), measurement.sigmas[0]


def _cells(schema: Schema, item: DiscoveryItem, ask: Ask) -> Any:
    """The column with cells of near equal mass; unchanged if nothing stands out from the noise."""
    column: Any = schema.column(item.column)
    fine = fine_column(column)
    widths = (fine.lattice.ends - fine.lattice.starts).astype(np.float64)
    noisy, sigma = _histogram(fine, item, ask)
    starts = fine.lattice.starts[near_equal_cells(noisy, widths, sigma)]
    return column if len(starts) == 1 else _with_cells(column, starts)


def fine_column(column: NumericColumn) -> NumericColumn:
    """`column` on the public grid that its bounds imply: 1024 equal parts and, for numbers, round values."""
    points = column.lattice.points
    parts = min(_GRID, points)
    grid = np.arange(parts) * points // parts
    return _with_cells(
        column, grid if isinstance(column, Datetime) else np.append(grid, _round_values(column))
    )


def _categories(schema: Schema, item: DiscoveryItem, ask: Ask) -> Any:
    """The column with the labels that enough units share; all others count as "other"."""
    column: Any = schema.column(item.column)
    counts, names = ask(item.mechanism(), (column,)).values
    shared = schema.missing_values if column.missing_values is None else column.missing_values
    # A label that reads as "other" or as a missing value cannot be a category too; its rows are "other".
    taken = [text.strip() for text in (*shared, column.other_label)]
    frequent = names[np.argsort(-counts, kind="stable")[:MOST_CELLS]].tolist()
    labels = [
        label
        for label in sorted(frequent)
        if all(Lookup([(label, 0.0)]).find(text) is None for text in taken)
    ]
    return replace(column, categories=tuple(labels), labels=None, out_of_domain="other")
