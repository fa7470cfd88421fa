"""Columns that follow from others: which need not be measured, and what each combination leads to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.errors import SchemaError
from dpsynth.schema.constraint_tables import MOST_COMBINATIONS, dependency_order, determined_codes
from dpsynth.schema.constraints import Constraint, FunctionalDependency
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.schema import Schema

__all__ = ["Derivation", "Reduction", "reduced"]

CodeArray = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Derivation:
    """A column whose code follows from those of its bases.

    Attributes:
        column: Its name.
        bases: Columns that do not follow from others, in the order of the schema.
        codes: The code of the column for each combination of codes of the bases. Read-only.
    """

    column: str
    bases: tuple[str, ...]
    codes: CodeArray

    def __post_init__(self) -> None:
        self.codes.setflags(write=False)

    def along(self, axes: Sequence[str]) -> CodeArray:
        """`codes` with one axis for each of `axes`, which hold all bases in the order of the schema."""
        sizes = dict(zip(self.bases, self.codes.shape, strict=True))
        return self.codes.reshape([sizes.get(name, 1) for name in axes])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reduction:
    """A schema without the columns that follow from others.

    Attributes:
        schema: What has to be modelled: the other columns, and the constraints that are left.
        derivations: How the columns follow that were left out.
    """

    schema: Schema
    derivations: tuple[Derivation, ...]


def reduced(schema: Schema) -> Reduction:
    """Leave out every column that follows from others and that no other constraint binds.

    A dependency stays a constraint among others if its dependent is bound otherwise: it stands in
    impossible combinations, follows twice, or determines a column whose dependency has to stay. Rules and
    formulas speak about rows, not about what is modelled, so they are left out.

    Raises:
        SchemaError: A chain of dependencies has too many combinations.
    """
    kept, derived = _divided(schema)
    derivations: dict[str, Derivation] = {}
    for dependency in derived:
        derivations[dependency.dependent] = _derivation(schema, dependency, derivations)
    columns = tuple(
        column
        for column in schema.columns
        if column.name not in derivations and not isinstance(column, Formula)
    )
    return Reduction(
        schema=dataclasses.replace(schema, columns=columns, constraints=kept, rules=()),
        derivations=tuple(derivations.values()),
    )


def _divided(schema: Schema) -> tuple[tuple[Constraint, ...], tuple[FunctionalDependency, ...]]:
    """The constraints that stay, and the dependencies of columns that are left out, in order."""
    order = dependency_order(schema)
    dependents = [dependency.dependent for dependency in order]
    derived = [dependency for dependency in order if dependents.count(dependency.dependent) == 1]
    while True:
        kept = tuple(constraint for constraint in schema.constraints if constraint not in derived)
        bound = {name for constraint in kept for name in constraint.columns}
        free = [dependency for dependency in derived if dependency.dependent not in bound]
        if len(free) == len(derived):
            return kept, tuple(derived)
        derived = free


def _derivation(
    schema: Schema, dependency: FunctionalDependency, known: Mapping[str, Derivation]
) -> Derivation:
    """What follows from columns that are modelled, through those that follow themselves."""
    found = {base for name in dependency.determinants for base in _bases(name, known)}
    columns = [column for column in schema.modelled if column.name in found]
    bases, shape = tuple(c.name for c in columns), tuple(c.size for c in columns)
    if math.prod(shape) > MOST_COMBINATIONS:
        raise SchemaError(
            f"Column {dependency.dependent!r} follows from {list(bases)}, which have {math.prod(shape)} "
            f"combinations of codes, and at most {MOST_COMBINATIONS} fit; declare coarser cells."
        )
    sizes = dict(zip(bases, shape, strict=True))
    index = tuple(_spread(name, sizes, known) for name in dependency.determinants)
    codes = np.broadcast_to(determined_codes(schema, dependency)[index], shape).astype(np.int32)
    return Derivation(column=dependency.dependent, bases=bases, codes=codes)


def _bases(name: str, known: Mapping[str, Derivation]) -> tuple[str, ...]:
    return known[name].bases if name in known else (name,)


def _spread(name: str, sizes: Mapping[str, int], known: Mapping[str, Derivation]) -> np.ndarray[Any, Any]:
    """The codes of one determinant, with an axis for each of the columns of `sizes`."""
    if name in known:
        return known[name].along(list(sizes))
    return np.arange(sizes[name]).reshape([-1 if axis == name else 1 for axis in sizes])
