"""The short way: one call from a private table to a synthetic one, through the same door."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.errors import ConfigurationError
from dpsynth.generators.derived import with_constraints
from dpsynth.generators.fitted import FittedModel
from dpsynth.generators.registry import get
from dpsynth.ledger import Cap, Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.release.dtypes import input_dtypes, restore_dtypes
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Progress, Session, Source

if TYPE_CHECKING:
    from dpsynth.generators.base import Generator, Rng
    from dpsynth.generators.table import SyntheticTable

__all__ = ["DEFAULT_LEDGER", "fit_table", "synthesize"]

DEFAULT_LEDGER = Path("dpsynth.ledger.db")


def fit_table(  # noqa: PLR0913 - the one call that gathers every choice of a run
    source: Source,
    *,
    schema: Schema,
    generator: Generator,
    budget: Budget,
    ledger: Ledger,
    dataset: str,
    partition: str | None = None,
    cap: Cap | None = None,
    discover: float = 0.0,
    cells: Collection[str] = (),
    rng: Rng = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: str | Path | None = None,
) -> FittedModel:
    """Load, check, reserve, measure and fit.

    Args:
        source: A path or a pandas, polars or Arrow table.
        schema: What the table may hold.
        generator: The configured method.
        budget: What may be spent.
        ledger: Where it is recorded.
        dataset: The account: all releases about the same people share one name.
        partition: The part of these people that `source` holds, see `Ledger.divide`.
        cap: Ceiling of the account when it is new.
        discover: Share of the budget that buys what the schema leaves open; 0 buys nothing.
        cells: Numeric columns whose cells are bought as well.
        rng: Seed of the post-processing.
        progress: Called after each paid step.
        checkpoint: File from which a run that was interrupted is continued, see `Session.run`.

    Returns:
        The fitted model with its guarantee and the transcript of its run. It holds no data.
    """
    if discover and checkpoint is not None:
        raise ConfigurationError("A run with discovery keeps no checkpoint: leave one of the two out.")
    generator = with_constraints(generator, schema)
    table = PrivateTable.load(source, schema)
    session = Session.open(table, budget=budget, ledger=ledger, dataset=dataset, partition=partition, cap=cap)
    if discover:
        session.discover(share=discover, cells=cells)
    model = session.run(generator, rng=rng, progress=progress, checkpoint=checkpoint)
    return FittedModel(model=model, guarantee=session.guarantee(), transcript=session.transcript)


def synthesize(  # noqa: PLR0913 - the convenience call
    source: Source,
    *,
    schema: Schema | str | Path,
    epsilon: float = 1.0,
    delta: float = 1e-9,
    method: str | Generator = "auto",
    target: str | None = None,
    rows: int | None = None,
    ledger: Ledger | str | Path | None = None,
    dataset: str | None = None,
    partition: str | None = None,
    cap: Cap | None = None,
    discover: float = 0.0,
    rng: Rng = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: str | Path | None = None,
) -> SyntheticTable:
    """Turn a private table into a synthetic one that carries its guarantee.

    Args:
        source: A path to a CSV, TSV, Parquet or Arrow file, or a pandas, polars or Arrow table.
        schema: What the table may hold, or the path of its JSON document.
        epsilon: Budget of this release.
        delta: Probability left out of the epsilon promise; far below one over the number of people.
        method: Name of a generator, see `dpsynth.generators.names()`; `auto` takes the one that suits. Or a
            configured one, such as `get("aim", degree=3)`.
        target: A column that is to be predicted later, for methods that can favour one.
        rows: How many rows to write; None writes the private estimate of the number of rows.
        ledger: An open ledger or the path of one. None keeps `dpsynth.ledger.db` in the current
            folder, so that a second release about the same people is added to the first.
        dataset: Name of the account in the ledger; None uses the file's or the schema's name.
        partition: The part of its people that `source` holds, see `Ledger.divide`.
        cap: The most that may ever be spent on the account. Set when the account is new.
        discover: Share of the budget that buys what the schema leaves open.
        rng: Seed of the post-processing. Noise takes no seed.
        progress: Called after each paid step.
        checkpoint: File that keeps the answers so far: the same call continues a run that was interrupted.

    Returns:
        The table, its guarantee and its model.

    Privacy: unit and neighbouring relation are the schema's; the price is in the ledger before the
        first draw; everything after the measurements is post-processing.
    """
    known = schema if isinstance(schema, Schema) else Schema.load(schema)
    name = dataset or (Path(source).name.split(".")[0] if isinstance(source, (str, Path)) else known.name)
    if rows is not None and rows < 0:
        raise ConfigurationError(f"Expected rows >= 0, got {rows}.")
    budget = Budget(epsilon=epsilon, delta=delta)
    generator = _configured(method, target)
    opened = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger or DEFAULT_LEDGER)
    try:
        fitted = fit_table(
            source,
            schema=known,
            generator=generator,
            budget=budget,
            ledger=opened,
            dataset=name,
            partition=partition,
            cap=cap,
            discover=discover,
            rng=rng,
            progress=progress,
            checkpoint=checkpoint,
        )
    finally:
        if opened is not ledger:
            opened.close()
    table = fitted.sample(rows, rng=rng)
    return table.replace_frame(restore_dtypes(table.frame, known, input_dtypes(source)))


def _configured(method: str | Generator, target: str | None) -> Generator:
    if isinstance(method, str):
        return get(method) if target is None else get(method, target=target)
    if target is not None:
        raise ConfigurationError("A configured method has its own target: leave `target` out.")
    return method
