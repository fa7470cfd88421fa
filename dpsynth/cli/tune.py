"""`dpsynth tune`: settings by search, for free on public rows or privately at a known price."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from dpsynth.cli.console import (
    Delta,
    Epsilon,
    Method,
    SchemaPath,
    Target,
    console,
    errors,
    show_balance,
    show_spending,
)
from dpsynth.errors import ConfigurationError

if TYPE_CHECKING:
    from dpsynth.privacy.budget import Budget
    from dpsynth.schema.schema import Schema
    from dpsynth.tuning.tune import Tuned

__all__ = ["tune"]

_FOUND = "tuned.json"


def tune(
    data: Annotated[
        Path, typer.Argument(help="For proxy rows that anybody may read; for select the private rows.")
    ],
    schema: SchemaPath,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write; new if the mode is select.")],
    method: Method = "allpairs,mst",
    mode: Annotated[str, typer.Option("--mode", help="proxy costs nothing; select is charged.")] = "proxy",
    epsilon: Epsilon = 1.0,
    delta: Delta = 1e-9,
    trials: Annotated[
        int | None, typer.Option("--trials", help="proxy: how many are tried; select: their mean number.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option("--metric", help="For proxy: pair_accuracy, k_marginal, or tstr."),
    ] = None,
    target: Target = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", help="For proxy: a storage of optuna, such as sqlite:///tune.db."),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", "-n", help="For select: rows to write. Default: the estimate.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", "-l", help="For select: the ledger of the private rows.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Account in the ledger. Default: the file's name.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of what is tried. Noise takes no seed.")] = 0,
) -> None:
    """Search for settings; what it cost to look is told."""
    from dpsynth.privacy.budget import Budget
    from dpsynth.schema.schema import Schema

    known, budget = Schema.load(schema), Budget(epsilon=epsilon, delta=delta)
    if mode == "select":
        if metric or target or storage:
            raise ConfigurationError("--metric, --target and --storage are for the mode proxy.")
        if ledger is None:
            raise ConfigurationError("Private selection is charged: name the file with --ledger.")
        name = dataset or data.name.split(".")[0]
        _select(data, known, out, method, budget, trials, rows, ledger, name, seed)
        return
    from dpsynth.tuning.tune import tune as search

    asked: Any = mode  # a wrong name is refused by `tune`
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("trying", total=None)
        found = search(
            data,
            schema=known,
            methods=method,
            budget=budget,
            mode=asked,
            metric=metric or "pair_accuracy",
            trials=trials or 30,
            target=target,
            storage=storage,
            cache=out / "cache",
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            seed=seed,
        )
    _write(found, out)


def _select(
    data: Path,
    schema: Schema,
    out: Path,
    method: str,
    budget: Budget,
    trials: int | None,
    rows: int | None,
    ledger: Path,
    dataset: str,
    seed: int,
) -> None:
    """Select privately, and write the release of the winner: it is paid for."""
    from dpsynth.ledger import Ledger
    from dpsynth.privacy.repeats import Repetitions
    from dpsynth.release.folder import ReleaseFolder
    from dpsynth.tuning.tune import tune as search

    law = Repetitions() if trials is None else Repetitions(mean=trials)
    folder = ReleaseFolder(out)
    try:
        with Ledger.open(ledger) as opened:
            found = search(
                data,
                schema=schema,
                methods=method,
                budget=budget,
                mode="select",
                repetitions=law,
                ledger=opened,
                dataset=dataset,
                seed=seed,
            )
        if found.fitted is not None:
            folder.write(found.fitted.sample(rows), title=dataset)
    finally:
        folder.discard()
    _write(found, out)
    with Ledger.open(ledger) as opened:
        if found.fitted is not None:
            show_spending(found.fitted.guarantee)
        show_balance(opened, dataset)


def _write(found: Tuned, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / _FOUND).write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")
    told = ", ".join(f"{name} = {value}" for name, value in found.values.items()) or "as they are"
    for line in (
        f"Best: {found.method}, settings {told}.",
        f"Its {found.metric.replace('_', ' ')}: {found.score:.4g}, as the best of several a little too good.",
        f"Cost: {found.cost}.",
        *found.notes,
    ):
        console.print(line, markup=False, highlight=False)
    console.print(f"\nWrote [bold]{out / _FOUND}[/].")
