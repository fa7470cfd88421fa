"""From the outcomes of runs to a frontier."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, MissingExtraError
from dpsynth.evaluation.results import CONFIDENTIAL, Disclosure
from dpsynth.session.configuration import configuration_of
from dpsynth.tuning.methods import promised
from dpsynth.tuning.result import Band, Cost, Frontier, FrontierPoint, Mode
from dpsynth.tuning.runs import Bench, Outcome, Progress, Run, digest_of, outcomes, store, stored

if TYPE_CHECKING:
    from dpsynth.session import Guarantee

__all__ = ["disclosed", "swept_runs"]


def swept_runs(  # noqa: PLR0913 - what is run, how often, and what is said about it
    mode: Mode,
    bench: Bench,
    *,
    epsilons: Sequence[float],
    replicates: int,
    metric: str,
    cost: Cost,
    disclosure: Disclosure,
    notes: Sequence[str] = (),
    cache: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Frontier:
    """Run everything that the cache does not hold, and gather it.

    Args:
        mode: Of the frontier.
        bench: Rows and methods.
        epsilons: Sorted.
        replicates: Runs at each point.
        metric: Drawn and chosen by.
        cost: Of looking.
        disclosure: Of what is found.
        notes: What the mode leaves out.
        cache: A folder for runs and frontiers; None keeps nothing.
        workers: Processes.
        progress: Told after each run.

    Raises:
        ConfigurationError: There is no such metric for these rows.
    """
    _validate.count("replicates", replicates)
    _validate.count("workers", workers)
    known = ("k_marginal", "pair_accuracy", *(("tstr",) if bench.target is not None else ()))
    if metric not in known:
        raise ConfigurationError(
            f"Expected one of the metrics {list(known)}, got {metric!r}; tstr needs a target."
        )
    folder = None if cache is None else Path(cache)
    methods = {label: configuration_of(one) for label, one in bench.generators.items()}
    name = (
        f"frontier-{digest_of([mode, bench.digest, bench.delta, methods, list(epsilons), replicates])}.json"
    )
    text = stored(folder, name)
    if text is not None:
        return replace(
            Frontier.from_json(text), metric=metric, cost=cost, disclosure=disclosure, notes=tuple(notes)
        )
    runs = [
        Run(method=label, epsilon=epsilon, replicate=replicate)
        for replicate in range(replicates)
        for epsilon in epsilons
        for label in bench.generators
    ]
    found = outcomes(bench, runs, cache=folder, workers=workers, progress=progress)
    frontier = Frontier(
        mode=mode,
        metric=metric,
        points=_points(bench, found),
        cost=cost,
        ceiling=bench.scores.ceiling(),
        floor=bench.scores.floor(),
        direct=_direct(bench, epsilons),
        disclosure=disclosure,
        notes=tuple(notes),
    )
    if folder is not None:
        store(folder, name, frontier.to_json())
    return frontier


def disclosed(guarantee: Guarantee) -> Disclosure:
    """The class of what follows from a release alone: that of the release, at no further cost."""
    if guarantee.taints:
        return CONFIDENTIAL
    release = guarantee.ledger.after.digest
    return Disclosure(kind="dp", epsilon=guarantee.epsilon, delta=guarantee.delta, release=release)


def _points(bench: Bench, found: Mapping[Run, Outcome]) -> tuple[FrontierPoint, ...]:
    grouped: dict[tuple[str, float], list[Outcome]] = {}
    for run, outcome in found.items():
        grouped.setdefault((run.method, run.epsilon), []).append(outcome)
    points = [_point(bench, *place, several) for place, several in grouped.items()]
    shares = bench.scores.equivalent([point.utility["pair_accuracy"].median for point in points])
    return tuple(
        replace(point, equivalent_subsample=share if math.isfinite(share) else None)
        for point, share in zip(points, shares, strict=True)
    )


def _point(bench: Bench, method: str, epsilon: float, several: Sequence[Outcome]) -> FrontierPoint:
    promise = promised(bench.generators[method], bench.schema, epsilon=epsilon, delta=bench.delta)
    groups = [one.worst_group for one in several if one.worst_group is not None]
    return FrontierPoint(
        method=method,
        epsilon=epsilon,
        delta=bench.delta,
        mu=promise.mu,
        advantage=promise.advantage,
        odds=promise.odds,
        utility={name: Band.of([one.utility[name] for one in several]) for name in several[0].utility},
        replicates=len(several),
        worst_group=Band.of(groups) if groups else None,
        smallest_reliable_group=promise.reliable,
        seconds=statistics.median(one.seconds for one in several),
    )


def _direct(bench: Bench, epsilons: Sequence[float]) -> dict[float, float]:
    """What a private model for the one question gets; nothing without a target, or without its package."""
    if bench.target is None:
        return {}
    try:
        found = {epsilon: bench.scores.direct(epsilon) for epsilon in epsilons}
    except MissingExtraError:
        return {}
    return {epsilon: value for epsilon, value in found.items() if math.isfinite(value)}
