"""Neighbours: are synthetic rows closer to training rows than to real rows that the generator never saw?

Distances to the closest record are in most reports, and they are no evidence of privacy: they say nothing
about what an attacker learns (Yao et al., "The DCR Delusion", 2025; Ganev and De Cristofaro, 2023). Here they
are a diagnostic of copying, with what makes them comparable at all: as many training rows as rows of the
holdout, ties counted half, and an interval.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.evaluation.intervals import mean_of_groups
from dpsynth.evaluation.matches import DIAGNOSTIC
from dpsynth.evaluation.nearest import FAR, closest, levels
from dpsynth.evaluation.results import Part, Result
from dpsynth.evaluation.samples import NO_HOLDOUT, Samples
from dpsynth.evaluation.tables import Tables

__all__ = ["QUICK_ROWS", "Nearness", "nearest_neighbours"]

QUICK_ROWS = 5_000
"""So many rows of each table a quick evaluation looks at for distances and learned attacks."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Nearness:
    """Distances to the closest row of another table, as shares of the largest possible one.

    Attributes:
        samples: The rows.
        to_members: From each synthetic row to the closest training row.
        to_others: From each synthetic row to the closest row of the holdout.
        neighbour: Number of the real row that is the closest of all.
        of_members: From each training row to the closest synthetic row.
        of_others: From each row of the holdout to the closest synthetic row.
        real: From each row of the holdout to the closest training row.
    """

    samples: Samples
    to_members: Floats
    to_others: Floats
    neighbour: np.ndarray[Any, Any]
    of_members: Floats
    of_others: Floats
    real: Floats

    @classmethod
    def of(cls, tables: Tables, *, quick: bool = False) -> Nearness | None:
        """Measure all distances; None without a holdout.

        Args:
            tables: Real and synthetic rows.
            quick: Draw at most 5,000 rows of each table.
        """
        samples = Samples.of(tables, most=QUICK_ROWS if quick else None)
        if samples is None:
            return None
        rows = (samples.members, samples.others, samples.synthetic)
        members, others, synthetic = levels(tables, rows, ranked=rows[:2])
        closest(synthetic[:, :1], members[:, :1])  # compiled once, before two threads want it
        with ThreadPoolExecutor(2) as pool:
            pairs = [(synthetic, members), (synthetic, others), (others, members)]
            near, far, real = pool.map(lambda pair: closest(*pair), pairs)
        scale = float(FAR) * len(tables.columns)
        to_members, to_others, of_members, of_others, among = (
            values.astype(np.float64) / scale for values in (near[0], far[0], near[2], far[2], real[0])
        )
        return cls(
            samples=samples,
            to_members=to_members,
            to_others=to_others,
            neighbour=np.where(to_members <= to_others, near[1], len(samples.members) + far[1]),
            of_members=of_members,
            of_others=of_others,
            real=among,
        )


def nearest_neighbours(
    tables: Tables, *, quick: bool = False, nearness: Nearness | None = None
) -> tuple[Result, ...]:
    """Where the closest real row of a synthetic row is.

    Two results. `closer_to_training`, the "neighbours' privacy score": the share of synthetic rows whose
    closest training row is closer than their closest row of the holdout, ties half. 0.5 is no copying, 1 is
    copying of everything. If training rows are k times the holdout, a full copy gives 0.5 + 0.5/k, for equal
    sizes make copies of the other rows look innocent. `nearest_distance`: the mean distance to the closest
    training row in shares of the largest possible distance; its ceiling is that of rows of the holdout.

    Args:
        tables: Real and synthetic rows.
        quick: Draw at most 5,000 rows of each table.
        nearness: Distances that were measured before.
    """
    found = nearness or Nearness.of(tables, quick=quick)
    if found is None:
        return tuple(_undefined(*names) for names in (_CLOSER, _DISTANCE))
    closer = (found.to_members < found.to_others) + 0.5 * (found.to_members == found.to_others)
    value, interval = mean_of_groups(closer, found.neighbour)
    note = f"{DIAGNOSTIC} {found.samples.note}"
    return (
        _result(
            *_CLOSER,
            found,
            value=value,
            ceiling=0.5,
            interval=_shares(interval),
            note=note,
            parts=(
                Part(label=("ties",), value=float((found.to_members == found.to_others).mean())),
                Part(label=("distance 0",), value=float((found.to_members == 0).mean())),
            ),
        ),
        _result(
            *_DISTANCE,
            found,
            value=float(found.to_members.mean()),
            ceiling=float(found.real.mean()),
            interval=mean_of_groups(found.to_members, found.neighbour)[1],
            note=note,
            parts=_quantiles(found),
        ),
    )


_CLOSER = ("closer_to_training", "Synthetic rows closer to training rows than to the holdout")
_DISTANCE = ("nearest_distance", "Distance to the closest training row")


def _quantiles(found: Nearness) -> tuple[Part, ...]:
    """A few points of both distributions side by side; the ceiling is what rows of the holdout get."""
    parts = [Part(label=("to the holdout", "mean"), value=float(found.to_others.mean()))]
    for level in (0.05, 0.5, 0.95):
        name = f"{level:.0%}"
        real = float(np.quantile(found.real, level))
        for label, values in (("to training", found.to_members), ("to the holdout", found.to_others)):
            parts.append(Part(label=(label, name), value=float(np.quantile(values, level)), ceiling=real))
    return tuple(parts)


def _result(name: str, title: str, found: Nearness, **about: Any) -> Result:
    return Result(
        name=name,
        family="privacy",
        title=title,
        better="neither",
        rows=len(found.samples.synthetic),
        **about,
    )


def _undefined(name: str, title: str) -> Result:
    return Result(name=name, family="privacy", title=title, value=math.nan, better="neither", note=NO_HOLDOUT)


def _shares(interval: tuple[float, float]) -> tuple[float, float]:
    low, high = interval
    return max(0.0, low), min(1.0, high)
