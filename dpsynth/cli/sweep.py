"""`dpsynth sweep`: how utility grows with epsilon, in a mode that says what the looking costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dpsynth.cli.console import Delta, Method, SchemaPath, Target, console, errors
from dpsynth.errors import ConfigurationError

if TYPE_CHECKING:
    from dpsynth.tuning.result import Frontier

__all__ = ["listed", "show", "sweep"]

_PAID = ("nested", "trajectory", "select")


def sweep(
    schema: SchemaPath,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for table, picture and page.")],
    data: Annotated[
        Path | None,
        typer.Argument(help="Rows that the mode may read; for bootstrap a model or the folder of a release."),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            "--mode", help="analytic, proxy, bootstrap, nested, trajectory, select or confidential: see docs."
        ),
    ] = "analytic",
    method: Method = "auto",
    epsilons: Annotated[
        str, typer.Option("--epsilons", help="Where to look, by comma.")
    ] = "0.1,0.2,0.5,1,2,5,10",
    delta: Delta = 1e-9,
    metric: Annotated[
        str | None, typer.Option("--metric", help="k_marginal, pair_accuracy, or with a target tstr.")
    ] = None,
    replicates: Annotated[int | None, typer.Option("--replicates", help="Runs at each point.")] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", "-n", help="For analytic: a public or assumed number of rows.")
    ] = None,
    target: Target = None,
    protected: Annotated[
        str, typer.Option("--protected", help="Columns whose groups are looked at, by comma.")
    ] = "",
    choose: Annotated[
        float | None, typer.Option("--choose", help="Name the smallest epsilon that reaches this.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", "-l", help="For modes that cost: the ledger of the data.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Account in the ledger. Default: the file's name.")
    ] = None,
    not_accounted: Annotated[
        bool, typer.Option("--not-accounted", help="For confidential: pay nothing, and bar all from release.")
    ] = False,
    workers: Annotated[int | None, typer.Option("--workers", help="Processes of one thread each.")] = None,
) -> None:
    """Draw utility by epsilon; what it cost to look is written on the picture."""
    given = {
        "methods": method,
        "epsilons": listed(epsilons),
        "delta": delta,
        "metric": metric,
        "replicates": replicates,
        "rows": rows,
        "target": target,
        "protected": tuple(name for name in protected.split(",") if name),
        "workers": workers,
    }
    options = {name: value for name, value in given.items() if value not in (None, ())}
    if mode in {"proxy", "bootstrap"} or not_accounted:
        options["cache"] = out / "cache"
    if mode == "confidential":
        options["models"] = out / "models"
    if mode in {"nested", "trajectory"}:
        options["folder"] = out / "models"
    charged = mode in _PAID or (mode == "confidential" and not not_accounted)
    with _bar() as told:
        if mode in {"proxy", "bootstrap", "confidential"}:
            options["progress"] = told
        found = _found(mode, data, schema, options, charged, ledger, dataset, accounted=not not_accounted)
    _write(found, out, data)
    show(found)
    if choose is not None:
        console.print(found.choose(choose).in_words(), markup=False, highlight=False)
    console.print(f"\nWrote [bold]{out}[/]: open frontier.html there first.")


def listed(epsilons: str) -> tuple[float, ...]:
    """Numbers by comma.

    Raises:
        ConfigurationError: One is no number.
    """
    try:
        return tuple(float(one) for one in epsilons.split(",") if one.strip())
    except ValueError as error:
        raise ConfigurationError("Expected --epsilons as numbers by comma, such as 0.1,1,10.") from error


def show(frontier: Frontier) -> None:
    """The table, under what it cost."""
    from dpsynth.evaluation.report.svg import number
    from dpsynth.tuning.knee import knee

    console.print(f"{frontier.mode}: {frontier.cost}.", markup=False, highlight=False)
    console.print(f"Who may see it: {frontier.disclosure}.", markup=False, highlight=False)
    table = Table("method", "epsilon", frontier.metric, "band", "guess right", "group")
    for point in frontier.points:
        band = point.utility[frontier.metric]
        table.add_row(
            point.method,
            f"{point.epsilon:g}",
            number(band.median),
            f"{band.low:.3f} to {band.high:.3f}" if point.replicates else "expected",
            f"{50 * (1 + point.advantage):.3g} %",
            number(point.smallest_reliable_group),
        )
    console.print(table)
    console.print(
        "Guess right: how often the best attacker can tell whether somebody is in the table. Group: rows of "
        "the smallest whose count is known within 10 %.",
        highlight=False,
    )
    for method in frontier.methods:
        range_of_knee = knee(frontier.of(method), frontier.metric)
        if range_of_knee is not None:
            console.print(f"{method}: {range_of_knee.in_words()}.", markup=False, highlight=False)
    for note in frontier.notes:
        console.print(note, markup=False, highlight=False)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error that follows the runs."""
    columns = (
        TextColumn("runs"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("runs", total=None, visible=False)
        yield lambda done, whole: bar.update(task, completed=done, total=whole, visible=True)


def _found(
    mode: str,
    data: Path | None,
    schema: Path,
    options: dict[str, Any],
    charged: bool,
    ledger: Path | None,
    dataset: str | None,
    *,
    accounted: bool,
) -> Frontier:
    from dpsynth.generators import FittedModel
    from dpsynth.ledger import Ledger
    from dpsynth.tuning import frontier

    asked: Any = mode  # a wrong name is refused by `frontier`
    if mode == "bootstrap" and data is not None:
        model = FittedModel.load(data / "model.dps" if data.is_dir() else data)
        return frontier(model, mode=asked, **options)
    if not charged:
        return frontier(data, schema=schema, mode=asked, accounted=accounted, **options)
    if ledger is None or data is None:
        raise ConfigurationError(f"The mode {mode!r} is charged: name the data, and the file with --ledger.")
    with Ledger.open(ledger) as opened:
        account = dataset or data.name.split(".")[0]
        return frontier(data, schema=schema, mode=asked, ledger=opened, dataset=account, **options)


def _write(frontier: Frontier, out: Path, data: Path | None) -> None:
    from dpsynth.tuning.page import frontier_page
    from dpsynth.tuning.runs import store

    title = "Utility by epsilon" if data is None else f"Utility by epsilon: {data.name.split('.')[0]}"
    store(out, "frontier.json", frontier.to_json())
    store(out, "frontier.svg", frontier.to_svg())
    store(out, "frontier.html", frontier_page(frontier, title=title))
