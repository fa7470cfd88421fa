"""Full runs of methods on rows that are at hand, each kept in a file of its own.

Each run is a session over the rows with a ledger in memory, exactly as a release would be made, so its noise
is real. What a run found is written as soon as it ends: a process that dies loses the runs that were under
way, one for each worker, and the same call goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpsynth._archive import write_atomically
from dpsynth.errors import DpsynthError, MissingExtraError, StorageError
from dpsynth.evaluation.learners import one_thread
from dpsynth.generators.fitted import FittedModel
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.session import PrivateTable, Session
from dpsynth.session.configuration import configuration_of
from dpsynth.tuning.scores import Scores

if TYPE_CHECKING:
    import pandas as pd

    from dpsynth.generators.base import Generator
    from dpsynth.schema.schema import Schema

__all__ = ["NOT_ACCOUNTED", "Bench", "Outcome", "Progress", "Run", "digest_of", "outcomes", "store", "stored"]

Progress = Callable[[int, int], None]
"""Called after each run: how many are done, of how many."""

NOT_ACCOUNTED = "it is a run of a sweep that is not accounted"
"""The taint of a model whose run no ledger of the data has."""

_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run of a sweep.

    Attributes:
        method: The label of its generator.
        epsilon: Its budget.
        replicate: Which of the runs at this budget.
    """

    method: str
    epsilon: float
    replicate: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one run found.

    Attributes:
        utility: By metric.
        worst_group: Pair accuracy of the protected group that fares worst; None without groups.
        seconds: Of fitting and drawing.
    """

    utility: Mapping[str, float]
    worst_group: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """Rows, methods, and what a run is judged by.

    Attributes:
        frame: The rows that stand for the private table.
        schema: Complete.
        generators: By label.
        delta: Of each run.
        holdout: Rows that no run sees, for the test of learners.
        target: What learners predict; None for none.
        protected: Columns whose groups are looked at.
        models: A folder that keeps the models; None keeps none.
    """

    frame: pd.DataFrame = field(repr=False)
    schema: Schema
    generators: Mapping[str, Generator]
    delta: float
    holdout: pd.DataFrame | None = field(default=None, repr=False)
    target: str | None = None
    protected: tuple[str, ...] = ()
    models: Path | None = None

    @cached_property
    def scores(self) -> Scores:
        """The rows, read once for all comparisons."""
        return Scores.of(
            self.frame, self.schema, holdout=self.holdout, target=self.target, protected=self.protected
        )

    @cached_property
    def table(self) -> PrivateTable:
        """The rows, encoded once for all runs."""
        return PrivateTable.load(self.frame, self.schema)

    @cached_property
    def digest(self) -> str:
        """Of everything but the methods. A plain function of the rows: as confidential as they are."""
        holdout = None if self.holdout is None else _rows_digest(self.holdout)
        return digest_of(
            [_VERSION, self.schema.digest(), _rows_digest(self.frame), holdout, self.target, self.protected]
        )

    def digest_of_run(self, run: Run) -> str:
        """Of what determines the law of a run's outcome, and which replicate it is."""
        chosen = configuration_of(self.generators[run.method])
        return digest_of([self.digest, chosen, self.delta, run.epsilon, run.replicate])

    def fitted(self, run: Run) -> FittedModel:
        """One run. Its ledger ends with it, so the model is tainted: no release may carry it.

        Privacy: a session over the table, as for a release.
        """
        budget = Budget(epsilon=run.epsilon, delta=self.delta)
        with Ledger.in_memory() as ledger:
            session = Session.open(
                self.table, budget=budget, ledger=ledger, dataset=self.schema.name or "sweep"
            )
            model = session.run(self.generators[run.method])
            promise = session.guarantee()
        tainted = replace(promise, taints=(*promise.taints, NOT_ACCOUNTED))
        fitted = FittedModel(model=model, guarantee=tainted, transcript=session.transcript)
        if self.models is not None:
            self.models.mkdir(parents=True, exist_ok=True)
            fitted.save(self.models / f"{run.method}-{run.epsilon:g}-{run.replicate}.dps")
        return fitted

    def judged(self, fitted: FittedModel, seconds: float) -> Outcome:
        """The scores of a table of a model. A plain function of the rows."""
        begun = time.perf_counter()
        frame = fitted.sample().frame
        seconds += time.perf_counter() - begun
        return Outcome(
            utility=self.scores.utility(frame), worst_group=self.scores.worst_group(frame), seconds=seconds
        )


def outcomes(
    bench: Bench,
    runs: Iterable[Run],
    *,
    cache: Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[Run, Outcome]:
    """All runs, those of the cache without running.

    Args:
        bench: Rows and methods.
        runs: Which.
        cache: A folder; None keeps nothing.
        workers: Processes, each of one thread. With more than one the calling script must be importable, as
            for every pool of processes that is not forked.
        progress: Told after each run.
    """
    wanted = list(runs)
    found = {run: outcome for run in wanted if (outcome := _known(bench, run, cache)) is not None}
    left = [run for run in wanted if run not in found]
    for run, outcome in _all(bench, left, cache, workers):
        found[run] = outcome
        if progress is not None:
            progress(len(found), len(wanted))
    return found


def digest_of(parts: Any) -> str:
    """SHA-256 of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def store(folder: Path, name: str, text: str) -> None:
    """Keep a text in a cache, whole or not at all; only its owner may read it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / name, lambda file: file.write(text.encode()), mode=0o600)


def stored(folder: Path | None, name: str) -> str | None:
    """What `store` kept under the name; None if it kept nothing."""
    if folder is None or not (folder / name).is_file():
        return None
    try:
        return (folder / name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            f"{name!r} in the cache cannot be read. Remove it, and it is made again."
        ) from error


def _all(bench: Bench, runs: list[Run], cache: Path | None, workers: int) -> Iterator[tuple[Run, Outcome]]:
    if workers < 2 or len(runs) < 2:
        for run in runs:
            yield run, _one(bench, run, cache)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    context = get_context("spawn")  # a fork copies locks that other threads hold
    with ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(bench,)) as pool:
        futures = {pool.submit(_in_worker, run, cache): run for run in runs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except DpsynthError:
            pool.shutdown(cancel_futures=True)
            raise


_benches: list[Bench] = []  # of a worker process: rows are sent once, not with each run


def _begin(bench: Bench) -> None:
    _benches[:] = [bench]


def _in_worker(run: Run, cache: Path | None) -> Outcome:
    return _one(_benches[0], run, cache)


def _one(bench: Bench, run: Run, cache: Path | None) -> Outcome:
    with _single():
        begun = time.perf_counter()
        fitted = bench.fitted(run)
        outcome = bench.judged(fitted, time.perf_counter() - begun)
    if cache is not None:
        store(cache / "runs", f"{bench.digest_of_run(run)}.json", json.dumps(asdict(outcome)))
    return outcome


def _known(bench: Bench, run: Run, cache: Path | None) -> Outcome | None:
    text = None if cache is None else stored(cache / "runs", f"{bench.digest_of_run(run)}.json")
    if text is None:
        return None
    try:
        body = json.loads(text)
        values = {
            name: math.nan if value is None else float(value) for name, value in body["utility"].items()
        }
        return Outcome(utility=values, worst_group=body["worst_group"], seconds=float(body["seconds"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(
            "A run in the cache is damaged. Remove the cache, and its runs are made again."
        ) from error


def _single() -> AbstractContextManager[Any]:
    """One thread for each process: threads that wait for busy cores take many times as long."""
    try:
        context: AbstractContextManager[Any] = one_thread()
    except MissingExtraError:
        context = nullcontext()
    return context


def _rows_digest(frame: pd.DataFrame) -> str:
    import pandas as pd

    hashed = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return hashlib.sha256(hashed.tobytes() + "\0".join(map(str, frame.columns)).encode()).hexdigest()
