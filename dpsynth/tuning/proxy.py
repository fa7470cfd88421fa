"""A frontier on rows that are free: public, simulated, or of an earlier release."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.evaluation.results import PUBLIC
from dpsynth.generators.table import SyntheticTable
from dpsynth.tuning.assembly import disclosed, swept_runs
from dpsynth.tuning.methods import Methods, configured, swept
from dpsynth.tuning.result import Cost, Frontier
from dpsynth.tuning.runs import Bench, Progress

if TYPE_CHECKING:
    import pandas as pd

    from dpsynth.schema.schema import Schema

__all__ = ["proxy"]


def proxy(  # noqa: PLR0913 - the rows, what is run on them, and where it is kept
    rows: pd.DataFrame | SyntheticTable,
    schema: Schema,
    *,
    methods: Methods,
    epsilons: Sequence[float],
    delta: float = 1e-9,
    replicates: int = 5,
    metric: str = "k_marginal",
    target: str | None = None,
    holdout: pd.DataFrame | None = None,
    protected: Sequence[str] = (),
    cache: str | Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Frontier:
    """Full runs at each epsilon, several times, on rows that are not private.

    Args:
        rows: A frame that anybody may read, such as rows of `Rules` or of a public survey; or a synthetic
            table, whose guarantee then tells who may see the result. Private rows belong in another mode.
        schema: The one of the private table; the rows must fit it.
        methods: Names, or configured generators.
        epsilons: Where.
        delta: Of each release.
        replicates: Runs at each point; R of them state a rate of R / (R + 1) for a choice.
        metric: `k_marginal`, `pair_accuracy`, or with a target `tstr`.
        target: A column that models predict.
        holdout: Rows that no run sees, for the test of models; without it 30 % of the rows test.
        protected: Columns whose groups are looked at.
        cache: A folder that keeps each run: the same call goes on where it was interrupted.
        workers: Processes of one thread each.
        progress: Told after each run.

    Raises:
        ConfigurationError: An argument makes no sense, or a method cannot hold the schema's constraints.
        DataError: The rows do not fit the schema.

    Privacy: the private table is not touched. How far these rows resemble it, no mathematics says.
    """
    made = isinstance(rows, SyntheticTable)
    frame = rows.frame if isinstance(rows, SyntheticTable) else rows
    bench = Bench(
        frame=frame,
        schema=schema,
        generators=configured(methods, schema=schema, target=target),
        delta=delta,
        holdout=holdout,
        target=target,
        protected=tuple(protected),
    )
    words = "rows of an earlier release" if made else "rows that are public or simulated"
    return swept_runs(
        "proxy",
        bench,
        epsilons=swept(epsilons),
        replicates=replicates,
        metric=metric,
        cost=Cost(words=f"costs nothing: runs on {words}, none on the private table"),
        disclosure=disclosed(rows.guarantee) if isinstance(rows, SyntheticTable) else PUBLIC,
        notes=(f"Holds for the private table as far as the {words} resemble it, in number as well.",),
        cache=cache,
        workers=workers,
        progress=progress,
    )
