"""Which combinations of codes a constraint admits, and whether a schema and its constraints fit together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth.errors import SchemaError
from dpsynth.schema.canonical import UNREADABLE, seconds_of, text_of
from dpsynth.schema.column import ModelledColumn, refuse
from dpsynth.schema.columns import Boolean, Categorical
from dpsynth.schema.constraints import (
    Choice,
    Combination,
    Constraint,
    Entry,
    FunctionalDependency,
    ImpossibleCombinations,
    Scalar,
    refuse_constraint,
)
from dpsynth.schema.describe import code_labels
from dpsynth.schema.numeric import Datetime, NumericColumn

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema

__all__ = [
    "MOST_COMBINATIONS",
    "allowed_table",
    "check_constraints",
    "codes_of",
    "dependency_order",
    "determined_codes",
]

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
CodeArray = np.ndarray[Any, np.dtype[np.int32]]

MOST_COMBINATIONS = 2**24
"""Most combinations of codes that a table of a constraint may have."""


def allowed_table(schema: Schema, constraint: Constraint) -> BoolArray:
    """Which combinations of codes are possible: one axis for each of `constraint.columns`, in that order.

    Raises:
        SchemaError: The constraint does not fit the schema, or has too many combinations.
    """
    shape = _shape(schema, constraint.columns)
    if isinstance(constraint, FunctionalDependency):
        table: BoolArray = determined_codes(schema, constraint)[..., None] == np.arange(shape[-1])
        return table
    listed = constraint.combinations if constraint.allowed is None else constraint.allowed
    table = np.full(shape, constraint.allowed is None)
    for combination in listed or ():
        table[_place(schema, constraint.columns, combination)] = constraint.allowed is not None
    return table


def determined_codes(schema: Schema, dependency: FunctionalDependency) -> CodeArray:
    """The code of the dependent column for each combination of codes of the determinants.

    Raises:
        SchemaError: The dependency does not fit the schema, contradicts itself or leaves something open.
    """
    names = dependency.determinants
    codes = np.full(_shape(schema, names), -1, np.int32)
    dependent = _modelled(schema, dependency.dependent)
    for combination, value in dependency.mapping:
        place = _place(schema, names, combination)
        code = _single_code(dependent, value)
        if ((codes[place] >= 0) & (codes[place] != code)).any():
            refuse(dependent, f"two lines of its dependency on {list(names)} contradict each other")
        codes[place] = code
    if (codes < 0).any():
        if dependency.default is ...:
            first = np.unravel_index(int(np.argmax(codes < 0)), codes.shape)
            labels = [code_labels(_modelled(schema, n))[int(i)] for n, i in zip(names, first, strict=True)]
            refuse(
                dependent,
                f"its dependency says nothing about {dict(zip(names, labels, strict=True))}; add a line "
                '(None means missing, and the label of "other" its code), or a default',
            )
        codes[codes < 0] = _single_code(dependent, dependency.default)
    return codes


def check_constraints(schema: Schema) -> None:
    """Refuse constraints that do not fit the columns of `schema`, leave nothing, or go round in circles.

    Raises:
        SchemaError: Names the column and the remedy.
    """
    for constraint in schema.constraints:
        if isinstance(constraint, FunctionalDependency):
            _modelled(schema, constraint.dependent)
            determined_codes(schema, constraint)
        elif not isinstance(constraint, ImpossibleCombinations):
            raise SchemaError(f"Expected nothing but constraints, got {constraint!r}.")
        elif not allowed_table(schema, constraint).any():
            refuse_constraint(constraint.columns, "it leaves nothing possible; allow some combinations")
    dependency_order(schema)


def dependency_order(schema: Schema) -> tuple[FunctionalDependency, ...]:
    """The functional dependencies, each after those of its determinants.

    Raises:
        SchemaError: A column depends on itself through others.
    """
    dependencies = [c for c in schema.constraints if isinstance(c, FunctionalDependency)]
    graph: dict[str, set[str]] = {}
    for dependency in dependencies:
        graph.setdefault(dependency.dependent, set()).update(dependency.determinants)
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        refuse_constraint(error.args[1], "they follow from each other in a circle; remove one dependency")
    return tuple(sorted(dependencies, key=lambda dependency: order.index(dependency.dependent)))


def codes_of(column: ModelledColumn, entry: Entry) -> BoolArray:
    """Which codes of `column` an entry of a constraint means.

    Raises:
        SchemaError: A value is outside the declared domain, or a range cuts a cell in two.
    """
    if entry is ...:
        return np.ones(column.size, dtype=bool)
    meant = np.zeros(column.size, dtype=bool)
    for choice in entry if isinstance(entry, frozenset) else (entry,):
        meant[_codes(column, choice)] = True
    return meant


def _codes(column: ModelledColumn, choice: Choice) -> slice:
    if choice is None:
        code = column.missing_code
        if code is None:
            refuse(
                column, "a constraint names its missing value, but a value is required; drop one of the two"
            )
        return slice(code, code + 1)
    if isinstance(column, NumericColumn):
        low, high = choice if isinstance(choice, tuple) else (choice, choice)
        return _cells(column, low, high)
    if isinstance(choice, tuple):
        refuse(column, f"a range such as {choice!r} is for numbers and dates; list the categories")
    code = _category(column, choice)
    return slice(code, code + 1)


def _category(column: ModelledColumn, value: Scalar) -> int:
    text = text_of(value) or ""
    found = column.lookup().find(text) if isinstance(column, (Categorical, Boolean)) else None
    if found is None and isinstance(column, Categorical) and text == column.other_label.strip():
        found = column.other_code
    if found is None:
        refuse(column, f"a constraint names {value!r}, which is outside the declared domain")
    return int(found)


def _cells(column: NumericColumn, low: Scalar | None, high: Scalar | None) -> slice:
    """The cells from `low` to `high`; both have to be where a cell begins or ends."""
    lattice = column.lattice
    first = 0 if low is None else _index(column, low)
    last = lattice.points - 1 if high is None else _index(column, high)
    if first > last:
        refuse(column, f"expected a range (low, high) with low <= high in a constraint, got {(low, high)!r}")
    start, end = (int(cell) for cell in lattice.cell_of(np.array([first, last])))
    if lattice.starts[start] != first:
        refuse(column, f"a constraint cuts the cell that holds {low!r}; declare an edge at {low!r}")
    if lattice.ends[end] - 1 != last:
        beyond = _text(column, last + 1)
        twice = " (give the maximum twice)" if last + 1 == lattice.points - 1 else ""
        refuse(column, f"a constraint cuts the cell that holds {high!r}; declare an edge at {beyond}{twice}")
    return slice(start, end + 1)


def _index(column: NumericColumn, value: Scalar) -> int:
    """The place of an admissible value in the lattice of its column."""
    if isinstance(column, Datetime):
        reading = seconds_of(value) if isinstance(value, str) else UNREADABLE
    else:
        reading = UNREADABLE if isinstance(value, (str, bool)) else float(value)
    if not math.isfinite(reading):
        kind = "a date in ISO 8601" if isinstance(column, Datetime) else "a number"
        refuse(column, f"expected {kind} in a constraint, got {value!r}")
    index = int(column.index_of(np.array([reading]))[0])
    if not 0 <= index < column.lattice.points:
        refuse(column, f"a constraint names {value!r}, which is outside the bounds; None leaves an end open")
    if float(column.values_at(np.array([index])).astype(np.float64)[0]) != reading:
        refuse(column, f"a constraint names {value!r}, which is no admissible value; check step or precision")
    return index


def _text(column: NumericColumn, index: int) -> str:
    values = column.values_at(np.array([index]))
    if isinstance(column, Datetime):
        values = values.astype(f"datetime64[{column.resolution}]")
    return str(values[0])


def _single_code(column: ModelledColumn, value: Any) -> int:
    """The one code that a dependent column takes."""
    codes = _codes(column, value)
    if codes.stop - codes.start != 1:
        refuse(column, f"expected one cell as the value that follows, got {value!r}, which has several")
    return int(codes.start)


def _place(schema: Schema, names: Sequence[str], combination: Combination) -> tuple[Any, ...]:
    entries = zip(names, combination, strict=True)
    return np.ix_(*(np.flatnonzero(codes_of(_modelled(schema, name), entry)) for name, entry in entries))


def _modelled(schema: Schema, name: str) -> ModelledColumn:
    column = schema.column(name)
    if not isinstance(column, ModelledColumn):
        refuse(column, f"a constraint names it, but {column.kind} columns are not modelled; take it out")
    if not column.complete:
        refuse(column, "a constraint needs declared categories or bounds; declare them")
    return column


def _shape(schema: Schema, names: Sequence[str]) -> tuple[int, ...]:
    shape = tuple(_modelled(schema, name).size for name in names)
    if math.prod(shape) > MOST_COMBINATIONS:
        refuse_constraint(
            names,
            f"it has {math.prod(shape)} combinations of codes, and at most {MOST_COMBINATIONS} fit; "
            "declare coarser cells, or take fewer columns",
        )
    return shape
