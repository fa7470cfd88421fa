"""Settings by search: for free on rows that are not private, or privately at a known price."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from dpsynth import _validate
from dpsynth.errors import ConfigurationError, DpsynthError
from dpsynth.generators.derived import with_constraints
from dpsynth.generators.table import SyntheticTable
from dpsynth.session.configuration import configuration_of
from dpsynth.session.reading import read_raw
from dpsynth.tuning.result import Cost
from dpsynth.tuning.runs import Bench, Run, outcomes
from dpsynth.tuning.scores import METRICS
from dpsynth.tuning.search import Drawn, Trial, searched
from dpsynth.tuning.selection import select
from dpsynth.tuning.spaces import Space, space

if TYPE_CHECKING:
    from dpsynth.generators.base import Generator
    from dpsynth.generators.fitted import FittedModel
    from dpsynth.ledger import Ledger
    from dpsynth.privacy.budget import Budget
    from dpsynth.privacy.repeats import Repetitions
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Source

__all__ = ["Trial", "Tuned", "tune"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuned:
    """What a search found.

    Attributes:
        mode: `proxy` or `select`.
        metric: What was maximised.
        method: The best method.
        values: Its best settings.
        generator: The two as a configured method.
        score: Of the best trial. As the best of several it is on average too good.
        cost: What it cost to look; in mode `select` the release is in it.
        history: All trials, in mode `proxy`. Private selection has none: only the winner is known.
        fitted: The model that won, in mode `select`: it is paid for, so release this one.
        notes: What else is to be known.
    """

    mode: Literal["proxy", "select"]
    metric: str
    method: str
    values: Mapping[str, Any]
    generator: Generator
    score: float
    cost: Cost
    history: tuple[Trial, ...] = ()
    fitted: FittedModel | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: what was found, what it cost, and in mode `proxy` every trial."""
        return {
            "mode": self.mode,
            "metric": self.metric,
            "method": self.method,
            "values": dict(self.values),
            "configuration": configuration_of(self.generator),
            "score": self.score,
            "cost": {"epsilon": self.cost.epsilon, "delta": self.cost.delta, "words": str(self.cost)},
            "history": [
                {
                    "method": one.method,
                    "values": dict(one.values),
                    "score": _finite(one.score),
                    "note": one.note,
                }
                for one in self.history
            ],
            "notes": list(self.notes),
        }


def tune(  # noqa: PLR0913 - what is searched, on what, by whom, and who pays
    source: Source | SyntheticTable,
    *,
    schema: Schema,
    methods: str | Sequence[str | Space],
    budget: Budget,
    mode: Literal["proxy", "select"] = "proxy",
    metric: str = "pair_accuracy",
    trials: int = 30,
    replicates: int = 1,
    target: str | None = None,
    sampler: Any = None,
    storage: Any = None,
    cache: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    repetitions: Repetitions | None = None,
    base: Budget | None = None,
    ledger: Ledger | None = None,
    dataset: str | None = None,
    seed: int = 0,
) -> Tuned:
    """Find the settings, or the method, that give the best tables.

    Args:
        source: In mode `proxy` rows that anybody may read: public, simulated, or a released table. In mode
            `select` the private table.
        schema: Complete; in mode `proxy` the one of the private table, which the rows must fit.
        methods: Names with commas, names, or spaces. A name stands for the default space of its method.
        budget: Of one release; in mode `select` of the search and the release together.
        mode: `proxy` costs nothing, and is as good as the rows resemble the private ones. `select` looks at
            the private rows themselves, and its price is that of private selection.
        metric: For `proxy`: `pair_accuracy`, `k_marginal`, or with a target `tstr`. `select` decides by a
            noisy `pair_accuracy`.
        trials: For `proxy`, how many configurations are tried.
        replicates: For `proxy`, runs of each.
        target: For `proxy`, a column that models predict.
        sampler: For `proxy`, a sampler of optuna; None takes its default.
        storage: For `proxy`, a storage of optuna: the same call goes on from there.
        cache: For `proxy`, a folder that keeps each run.
        progress: For `proxy`, called after each trial: how many are done, of how many.
        repetitions: For `select`, the law of the number of runs.
        base: For `select`, see `select`.
        ledger: For `select`, where it is recorded.
        dataset: For `select`, the account.
        seed: Of what is drawn to be tried.

    Raises:
        ConfigurationError: An argument makes no sense, belongs to the other mode, or no trial could run.

    Privacy: mode `proxy` never sees the private table. Mode `select` is `dpsynth.tuning.select`: its theorem
        does not cover samplers that learn from scores, so each run draws its settings by itself.
    """
    names = methods.split(",") if isinstance(methods, str) else list(methods)
    spaces = [one if isinstance(one, Space) else space(one.strip()) for one in names]
    if not spaces:
        raise ConfigurationError("Expected at least one method.")
    if _validate.one_of("mode", mode, ("proxy", "select")) == "proxy":
        _validate.one_of("metric", metric, tuple(METRICS))
        frame = source.frame if isinstance(source, SyntheticTable) else pd.DataFrame(read_raw(source))
        bench = Bench(frame=frame, schema=schema, generators={}, delta=budget.delta, target=target)
        attempt = _Attempts(
            spaces=spaces,
            bench=bench,
            budget=budget,
            metric=metric,
            replicates=replicates,
            cache=cache,
            progress=progress,
        )
        history, notes = searched(
            spaces,
            attempt,
            trials=_validate.count("trials", trials),
            sampler=sampler,
            storage=storage,
            seed=seed,
        )
        return _best(spaces, history, metric=metric, notes=notes)
    if ledger is None or dataset is None:
        raise ConfigurationError("Private selection is charged: name the ledger and the account.")
    if any(one is not None for one in (sampler, storage, cache, progress, target)):
        raise ConfigurationError(
            "Private selection shows nothing but the winner, by pair accuracy: it takes no sampler, storage, "
            "cache, progress or target."
        )
    if isinstance(source, SyntheticTable):
        raise ConfigurationError("A synthetic table may be read for free: use the mode 'proxy'.")
    found = select(
        source,
        schema=schema,
        candidates=spaces,
        budget=budget,
        repetitions=repetitions,
        base=base,
        ledger=ledger,
        dataset=dataset,
        seed=seed,
    )
    return Tuned(
        mode="select",
        metric="pair_accuracy",
        method=found.generator.name,
        values=found.values,
        generator=found.generator,
        score=found.score,
        cost=found.cost,
        fitted=found.fitted,
        notes=("How long it took tells about how many runs there were: do not publish it.",),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Attempts:
    """Runs settings on rows that are free to look at."""

    spaces: Sequence[Space]
    bench: Bench
    budget: Budget
    metric: str
    replicates: int
    cache: str | Path | None
    progress: Callable[[int, int], None] | None

    def __post_init__(self) -> None:
        _validate.count("replicates", self.replicates)
        if self.budget.epsilon is None:
            raise ConfigurationError("Expected the budget of a release as epsilon and delta.")

    def __call__(self, number: int, trials: int, drawn: Drawn) -> Trial:
        """Try what was drawn, as trial `number` of so many."""
        place, values = drawn
        chosen = self.spaces[place]
        score, note = math.nan, ""
        try:
            generator = with_constraints(chosen.generator(values), self.bench.schema)
            score = self._score(f"{chosen.method} {number}", generator)
        except DpsynthError as error:  # a setting that a method refuses is a poor one; these rows are public
            note = str(error)
        if self.progress is not None:
            self.progress(number + 1, trials)
        return Trial(space=place, method=chosen.method, values=values, score=score, note=note)

    def _score(self, label: str, generator: Generator) -> float:
        # The rows are read once: a bench of the same rows takes over what was read.
        bench = replace(self.bench, generators={label: generator})
        bench.__dict__.update(scores=self.bench.scores, table=self.bench.table, digest=self.bench.digest)
        runs = [
            Run(method=label, epsilon=self.budget.epsilon or 0.0, replicate=k) for k in range(self.replicates)
        ]
        done = outcomes(bench, runs, cache=None if self.cache is None else Path(self.cache))
        return float(np.mean([one.utility[self.metric] for one in done.values()]))


def _best(
    spaces: Sequence[Space], history: tuple[Trial, ...], *, metric: str, notes: tuple[str, ...]
) -> Tuned:
    known = [trial for trial in history if math.isfinite(trial.score)]
    if not known:
        raise ConfigurationError(f"No trial could run. The last one says: {history[-1].note}")
    best = max(known, key=lambda trial: trial.score)
    chosen = spaces[best.space]
    return Tuned(
        mode="proxy",
        metric=metric,
        method=best.method,
        values=best.values,
        generator=chosen.generator(best.values),
        score=best.score,
        cost=Cost(words="no private row was read: epsilon = 0"),
        history=history,
        notes=(*notes, "How far these rows resemble the private ones, no mathematics says."),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
