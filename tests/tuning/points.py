"""Frontiers made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dpsynth.evaluation.results import PUBLIC
from dpsynth.tuning import Band, Cost, Frontier, FrontierPoint

__all__ = ["frontier_of", "point"]


def point(method: str, epsilon: float, values: Sequence[float], **more: Any) -> FrontierPoint:
    fields: dict[str, Any] = {
        "method": method,
        "epsilon": epsilon,
        "delta": 1e-9,
        "advantage": 0.1,
        "odds": "at most 2:1",
        "utility": {"k_marginal": Band.of(values)},
        "replicates": len(values),
    }
    return FrontierPoint(**{**fields, **more})


def frontier_of(values: Mapping[str, Mapping[float, Sequence[float]]], **more: Any) -> Frontier:
    """By method and epsilon the replicates."""
    points = [point(name, epsilon, found) for name, each in values.items() for epsilon, found in each.items()]
    fields: dict[str, Any] = {
        "mode": "proxy",
        "metric": "k_marginal",
        "points": tuple(points),
        "cost": Cost(words="costs nothing"),
        "disclosure": PUBLIC,
    }
    return Frontier(**{**fields, **more})
