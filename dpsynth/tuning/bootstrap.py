"""A frontier from a model that was paid for: its rows stand for the private table, which is not read again.

The parametric bootstrap is optimistic: rows of a model have no structure that the model lacks, so a method
finds them easier than the real rows. Two comparisons at the released epsilon show by how much. The noisy
tables of the run contradict the model where it misses something; and a score of the release that was paid for
can be put beside the score of the bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import ExactModel
from dpsynth.generators.measured import MeasuredTable, measured_tables
from dpsynth.tuning.assembly import disclosed, swept_runs
from dpsynth.tuning.methods import Methods, configured, swept
from dpsynth.tuning.result import Cost, Frontier
from dpsynth.tuning.runs import Bench, Progress

if TYPE_CHECKING:
    from dpsynth.generators.fitted import FittedModel

__all__ = ["bootstrap", "contradiction"]


def bootstrap(  # noqa: PLR0913 - the model, what is run on its rows, and where it is kept
    model: FittedModel,
    *,
    methods: Methods | None = None,
    epsilons: Sequence[float],
    delta: float | None = None,
    replicates: int = 5,
    metric: str = "k_marginal",
    target: str | None = None,
    protected: Sequence[str] = (),
    known: float | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Frontier:
    """Full runs on rows of the model, at each epsilon and at the one that was released.

    Args:
        model: With its guarantee; with its transcript its optimism can be told.
        methods: None takes the method of the model.
        epsilons: Where, in addition to the released one.
        delta: Of each run; None takes that of the guarantee.
        replicates: Runs at each point.
        metric: `k_marginal`, `pair_accuracy`, or with a target `tstr`.
        target: A column that models predict.
        protected: Columns whose groups are looked at.
        known: The pair accuracy of the release, where it was paid for: 1 minus `published_tvd2`.
        seed: Of the rows that are drawn from the model.
        cache: A folder that keeps each run.
        workers: Processes.
        progress: Told after each run.

    Returns:
        A frontier of the class of the release: post-processing.

    Raises:
        ConfigurationError: An argument makes no sense.

    Privacy: no new access. What it shows follows from the model, whose price stands in its guarantee.
    """
    promise = model.guarantee
    released = promise.epsilon
    bench = Bench(
        frame=model.sample(rng=seed).frame,
        schema=model.schema,
        generators=configured(methods or promise.method, schema=model.schema, target=target),
        delta=promise.delta if delta is None else delta,
        target=target,
        protected=tuple(protected),
    )
    found = swept_runs(
        "bootstrap",
        bench,
        epsilons=swept([*epsilons, released]),
        replicates=replicates,
        metric=metric,
        cost=Cost(
            words=f"no new access: rows of the model that cost epsilon = {released:.4g} stand for the table"
        ),
        disclosure=disclosed(promise),
        cache=cache,
        workers=workers,
        progress=progress,
    )
    return _with_optimism(found, model, known)


def contradiction(model: FittedModel) -> float | None:
    """How far the noisy tables of a run are from its model, beyond their noise.

    For each table of two columns or more, the sum of squared differences less what noise adds to it; half the
    root of that times the number of cells bounds the total variation distance (Cauchy and Schwarz). The model
    was fitted to the same answers, so it looks nearer than it is: this is no upper bound of what it misses.

    Returns:
        The mean over tables; None for models without a transcript, without such tables or without exact
        marginals.
    """
    exact = model.model
    if model.transcript is None or not isinstance(exact, ExactModel):
        return None
    tables = [table for table in measured_tables(model.transcript) if len(table.columns) > 1]
    found = [_beyond_noise(table, exact) for table in tables]
    return float(np.mean(found)) if found else None


def _beyond_noise(table: MeasuredTable, model: ExactModel) -> float:
    expected = np.asarray(model.marginal(table.columns), np.float64) * model.total
    for axis, groups in enumerate(table.groups):
        merged = np.zeros((*expected.shape[:axis], int(groups.max()) + 1, *expected.shape[axis + 1 :]))
        np.add.at(np.moveaxis(merged, axis, 0), np.asarray(groups), np.moveaxis(expected, axis, 0))
        expected = merged
    squared = float(((table.values - expected) ** 2).sum()) - table.values.size * table.sigma**2
    return min(1.0, math.sqrt(max(squared, 0.0) * table.values.size) / (2 * max(model.total, 1.0)))


def _with_optimism(found: Frontier, model: FittedModel, known: float | None) -> Frontier:
    promise, notes = model.guarantee, ["Optimistic: rows of a model have no structure that the model lacks."]
    beyond = contradiction(model)
    if beyond is not None:
        notes.append(
            f"At the released epsilon, the tables that the run measured are {beyond:.3g} from the model "
            "beyond their noise (total variation, mean). The bootstrap does not see that part."
        )
    if known is not None:
        if promise.method not in found.methods:
            raise ConfigurationError(
                f"Expected {promise.method!r} among the methods, as `known` is a score of its release."
            )
        own = next(point for point in found.of(promise.method) if point.epsilon == promise.epsilon)
        said = own.utility["pair_accuracy"].median
        notes.append(
            f"At the released epsilon the bootstrap says {said:.4g} for the pair accuracy, and the score "
            f"that was paid for {known:.4g}: it is {abs(said - known):.2g} too "
            f"{'high' if said > known else 'low'}."
        )
    return replace(found, notes=tuple(notes))
