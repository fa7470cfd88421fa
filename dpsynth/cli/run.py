"""`dpsynth run`: the main job, from a private table to a release folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpsynth.cli.console import (
    Delta,
    Epsilon,
    Memory,
    Method,
    SchemaPath,
    Seed,
    Target,
    configured,
    console,
    progress_bar,
    show_balance,
    show_spending,
)

if TYPE_CHECKING:
    from dpsynth.generators import FittedModel, SyntheticTable

__all__ = ["run", "run_to_folder"]


def run(
    data: Annotated[Path, typer.Argument(help="CSV, TSV, Parquet or Arrow file.")],
    schema: SchemaPath,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write; it must not exist yet.")],
    method: Method = "auto",
    epsilon: Epsilon = 1.0,
    delta: Delta = 1e-9,
    rows: Annotated[
        int | None, typer.Option("--rows", "-n", help="Rows to write. Default: the private estimate.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", "-l", help="Ledger file. Default: one beside the output.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Account in the ledger. Default: the file's name.")
    ] = None,
    partition: Annotated[
        str | None,
        typer.Option("--partition", help="The part of its people in DATA, see `dpsynth ledger divide`."),
    ] = None,
    discover: Annotated[
        float, typer.Option("--discover", help="Share of the budget that buys unknown bounds and categories.")
    ] = 0.0,
    cells: Annotated[
        str,
        typer.Option("--cells", help="With --discover: numeric columns whose cells are bought, by comma."),
    ] = "",
    target: Target = None,
    memory: Memory = None,
    seed: Seed = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint", help="File that keeps the answers so far: the same command continues the run."
        ),
    ] = None,
) -> None:
    """Write a synthetic table that carries its guarantee."""
    run_to_folder(
        data,
        schema=schema,
        out=out,
        method=method,
        epsilon=epsilon,
        delta=delta,
        rows=rows,
        ledger=ledger or out.with_name(out.name + ".ledger.db"),
        dataset=dataset or data.name.split(".")[0],
        partition=partition,
        discover=discover,
        cells=tuple(name for name in cells.split(",") if name),
        target=target,
        memory=memory,
        seed=seed,
        checkpoint=checkpoint,
    )


def run_to_folder(
    data: Path,
    *,
    schema: Path,
    out: Path,
    method: str,
    epsilon: float,
    delta: float,
    rows: int | None,
    ledger: Path,
    dataset: str,
    partition: str | None = None,
    discover: float = 0.0,
    cells: tuple[str, ...] = (),
    target: str | None = None,
    memory: int | None = None,
    seed: int | None = None,
    cap: tuple[float, float] | None = None,
    checkpoint: Path | None = None,
) -> None:
    """What `run` and `demo` share. Everything that can fail without the data fails before spending."""
    from dpsynth import _validate
    from dpsynth.generators.choose import explanation
    from dpsynth.ledger import Cap, Ledger
    from dpsynth.privacy.budget import Budget
    from dpsynth.release.folder import ReleaseFolder
    from dpsynth.release.pipeline import fit_table
    from dpsynth.schema.schema import Schema

    known, budget = Schema.load(schema), Budget(epsilon=epsilon, delta=delta)
    generator = configured(method, target, memory)
    if rows is not None:
        _validate.count("rows", rows, least=0)
    why = explanation(generator, known, budget)
    if why:
        console.print(why + "\n", markup=False, highlight=False)
    if checkpoint is not None and checkpoint.exists():
        console.print(f"Continuing the run of {checkpoint}.\n", markup=False, highlight=False)
    folder = ReleaseFolder(out)
    try:
        with Ledger.open(ledger) as opened, progress_bar() as progress:
            model = fit_table(
                data,
                schema=known,
                generator=generator,
                budget=budget,
                ledger=opened,
                dataset=dataset,
                partition=partition,
                cap=None if cap is None else Cap(epsilon=cap[0], delta=cap[1]),
                discover=discover,
                cells=cells,
                rng=seed,
                progress=progress,
                checkpoint=checkpoint,
            )
            table = _drawn(model, rows, seed, out)
        folder.write(table, title=dataset)
    finally:
        folder.discard()
    with Ledger.open(ledger) as opened:
        show_spending(table.guarantee)
        show_balance(opened, dataset)
    console.print()
    console.print(table.guarantee.in_words(), markup=False, highlight=False)
    if table.acceptance is not None:
        console.print(table.acceptance.in_words(), markup=False, highlight=False)
    console.print(f"\nWrote [bold]{out}[/]: open README.md there first. The ledger is {ledger}.")


def _drawn(model: FittedModel, rows: int | None, seed: int | None, out: Path) -> SyntheticTable:
    """A table; if too few rows meet the rules, the model is kept, for it is paid for."""
    from dpsynth.errors import RulesError

    try:
        return model.sample(rows, rng=seed)
    except RulesError as error:
        kept = out.with_name(f"{out.name}.model.dps")
        model.save(kept)
        raise RulesError(f"{error} The model is kept in {str(kept)!r} for `dpsynth sample`.") from error
