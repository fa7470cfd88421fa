"""Constraints for every method: columns that follow from others are left out, then put back.

What follows from other columns tells nothing that they do not tell, so it is not measured and costs
nothing. The method sees a smaller schema; its model is wrapped in one that adds the columns again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import Generator, Plan, Rng, holds_zeros
from dpsynth.generators.derivations import Reduction, reduced
from dpsynth.generators.derived_model import DerivedModel
from dpsynth.graphical.zeros import allowed_tables, propagate
from dpsynth.mechanisms.base import Measurement, Mechanism
from dpsynth.privacy.budget import Budget
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["Derived", "with_constraints"]


def with_constraints(generator: Generator, schema: Schema) -> Generator:
    """The generator for tables that obey the constraints of `schema`; itself if there are none.

    Args:
        generator: The configured method.
        schema: The public schema. Columns without constraints may still be open.

    Returns:
        A generator of the same name and price, whose models hold every constraint.

    Raises:
        ConfigurationError: The method cannot hold a constraint, or no row can meet all of them. Nothing
            is spent.
    """
    plain = generator.inner if isinstance(generator, Derived) else generator
    return Derived(inner=plain) if _modelled_part(plain, schema).derivations else plain


@dataclass(frozen=True, kw_only=True, slots=True)
class Derived:
    """A method that leaves out what follows from other columns.

    Attributes:
        inner: The method that models the other columns.

    Privacy: passes the mechanisms of `inner` on as they are, over fewer columns of the same table. What
        it adds follows from the public schema.
    """

    holds_zeros: ClassVar[bool] = True

    inner: Generator

    @property
    def name(self) -> str:
        """The name of the method inside."""
        return self.inner.name

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """What the method asks about the other columns."""
        return self.inner.plan(_modelled_part(self.inner, schema).schema, budget)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> DerivedModel:
        """Fit the other columns, and add what follows."""
        reduction = _modelled_part(self.inner, measurer.schema)
        part = _Part(reduction.schema, measurer.budget, measurer.measure, measurer.select)
        inner = self.inner.fit(part, rng=rng)
        return DerivedModel(schema=measurer.schema, inner=inner, derivations=reduction.derivations)


class _Part:
    """A measurer that shows fewer columns."""

    __slots__ = ("budget", "measure", "schema", "select")

    def __init__(
        self,
        schema: Schema,
        budget: Budget,
        measure: Callable[[Mechanism], Measurement],
        select: Callable[[Mechanism], int],
    ) -> None:
        self.schema, self.budget, self.measure, self.select = schema, budget, measure, select


def _modelled_part(generator: Generator, schema: Schema) -> Reduction:
    """The part of `schema` that `generator` has to model, if it can."""
    reduction = reduced(schema)
    left = reduction.schema.constraints
    if left and not holds_zeros(generator):
        raise ConfigurationError(
            f"The method {generator.name!r} does not hold constraints such as the one on "
            f"{list(left[0].columns)}. Choose a method that does, or take the constraint out of the schema."
        )
    if left:
        bound = {name for constraint in left for name in constraint.columns}
        columns = tuple(column for column in schema.columns if column.name in bound)
        narrow = Schema(columns=columns, constraints=left, missing_values=schema.missing_values)
        propagate(allowed_tables(narrow), narrow.domain.sizes)  # refuses what no row can meet
    return reduction
