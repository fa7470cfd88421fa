"""All columns independent: one Gaussian release of the one-way counts. The floor for every comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dpsynth.generators.base import Plan, Rng, Step
from dpsynth.generators.one_ways import OneWays, clean_margins, one_ways, table_total
from dpsynth.graphical.tree import TreeModel
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.calibrate import calibrate
from dpsynth.privacy.events import Event
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer

__all__ = ["Independent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Independent:
    """Measures every column by itself and keeps no association between columns.

    Privacy: one `GaussianMechanism` over one-way marginals; sensitivities are the mechanism's. What
        follows is post-processing.
    """

    name: ClassVar[str] = "independent"

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """One Gaussian event that spends the whole budget."""
        asked = _design(schema, budget)
        sigmas = asked.mechanism.sigmas(schema.unit)
        return Plan(
            method=self.name,
            steps=(
                Step(label="one-way counts", event=asked.mechanism.event(), detail=f"{len(sigmas)} tables"),
            ),
            expected_error={"noise of a one-way count (rows)": max(sigmas)},
            memory_bytes=16 * sum(schema.domain.sizes),
        )

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:  # noqa: ARG002 - nothing is random
        """Measure, clean, done."""
        schema = measurer.schema
        asked = _design(schema, measurer.budget)
        noisy = asked.read(measurer.measure(asked.mechanism))
        total = table_total(noisy)
        order = tuple((name, None) for name in schema.domain.columns)
        return TreeModel.from_counts(
            schema, total, order, margins=clean_margins(schema, noisy, total), pairs={}
        )


def _design(schema: Schema, budget: Budget) -> OneWays:
    def events(scale: float) -> Sequence[Event]:
        return (one_ways(schema.domain, scale).mechanism.event(),)

    return one_ways(schema.domain, calibrate(events, budget))
