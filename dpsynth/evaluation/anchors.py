"""Yardsticks: what the same metric says of a second real sample, and of independent columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dpsynth.evaluation.results import Part, Result
from dpsynth.evaluation.tables import Tables

__all__ = ["Anchors", "Label", "Score"]

Label = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """What a metric says of some tables.

    Attributes:
        value: Of the tables as a whole.
        parts: Of columns, pairs or groups.
        interval: 95 % confidence, where it is known.
    """

    value: float
    parts: Mapping[Label, float] = field(default_factory=dict)
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Anchors:
    """Three tables to which every metric of fidelity is put.

    Attributes:
        tables: Real and synthetic rows.
        ceiling: Two real samples.
        floor: Real rows and independent columns.
    """

    tables: Tables
    ceiling: Tables
    floor: Tables

    @classmethod
    def of(cls, tables: Tables) -> Anchors:
        """Draw the anchors once, for all metrics."""
        return cls(tables=tables, ceiling=tables.ceiling(), floor=tables.floor())

    def result(self, metric: Callable[[Tables], Score], *, most_parts: int = 200, **about: Any) -> Result:
        """The metric of all three as one result, parts worst first.

        Args:
            metric: A function of two tables; it draws nothing but from `generator(tables, ...)`.
            most_parts: How many of the parts are kept.
            about: Name, family, title, note and so on of the `Result`.
        """
        own, best, worst = (metric(one) for one in (self.tables, self.ceiling, self.floor))
        sign = -1.0 if about.get("better", "lower") == "higher" else 1.0
        labels = sorted(own.parts, key=lambda label: (-sign * own.parts[label], label))
        return Result(
            value=own.value,
            ceiling=best.value,
            floor=worst.value,
            interval=own.interval,
            rows=min(len(self.tables.real), len(self.tables.synthetic)),
            seed=self.tables.seed,
            parts=tuple(
                Part(
                    label=label,
                    value=own.parts[label],
                    ceiling=best.parts.get(label),
                    floor=worst.parts.get(label),
                )
                for label in labels[:most_parts]
            ),
            **about,
        )
