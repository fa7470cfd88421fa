"""What all commands share: two consoles, options, and the way a guarantee is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from dpsynth.generators.base import Generator
    from dpsynth.ledger import Account, AccountStatement, Amount, Ledger
    from dpsynth.session import Guarantee
    from dpsynth.session import Progress as Step

console = Console()
errors = Console(stderr=True)

Method = Annotated[
    str,
    typer.Option(
        "--method", "-m", help="auto chooses; or name one: allpairs, aim, mst, privbayes, independent."
    ),
]
Target = Annotated[
    str | None,
    typer.Option("--target", "-t", help="Column to be predicted later. For auto, allpairs and aim."),
]
Memory = Annotated[
    int | None, typer.Option("--memory", help="Megabytes for the tables of a fit. For auto and allpairs.")
]
Epsilon = Annotated[float, typer.Option("--epsilon", "-e", help="Budget of this run.")]
Delta = Annotated[
    float,
    typer.Option(
        "--delta", "-d", help="Chance left out of the promise; far below one over the number of people."
    ),
]
SchemaPath = Annotated[Path, typer.Option("--schema", "-s", help="JSON document of the schema.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the post-processing. Noise takes no seed.")]


def configured(method: str, target: str | None, memory: int | None) -> Generator:
    """The generator that the options of a command ask for."""
    from dpsynth.generators.registry import get

    options: dict[str, object] = {} if target is None else {"target": target}
    if memory is not None:
        options["memory_limit"] = memory * 2**20
    return get(method, **options)


@contextmanager
def progress_bar() -> Iterator[Callable[[Step], None]]:
    """A bar on standard error that follows the paid steps of a run."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def show(step: Step) -> None:
            bar.update(task, description=described(step), completed=step.done, total=step.steps)

        yield show


def described(step: Step) -> str:
    """What was measured, and what the run has cost so far."""
    return f"{step.label}, epsilon so far {step.epsilon:.3g} of {step.reserved:.3g}"


def show_spending(guarantee: Guarantee) -> None:
    """What the run spent on what."""
    table = Table("step", "times", "event", title="What was spent on what", title_justify="left")
    for label, times, event in guarantee.spending():
        table.add_row(label, str(times), event)
    console.print(table)


def show_balance(ledger: Ledger, dataset: str) -> None:
    """What the account has spent and what remains."""
    for account in ledger.statement(dataset):
        console.print(
            f"Ledger account [bold]{escape(named(account))}[/] ({escape(account.unit)}):", highlight=False
        )
        console.print(f"  spent so far   {_amount(account.spent)}")
        left = account.remaining
        open_end = "no cap was declared (set one: dpsynth ledger cap)"
        console.print(f"  remaining      {open_end if left is None else _amount(left)}")
        if account.period is not None:
            console.print(f"  in all periods {_amount(account.lifetime)}: the people are the same")


def named(account: Account | AccountStatement) -> str:
    """Dataset, part and period of an account."""
    part = "" if account.partition is None else f", part {account.partition}"
    return f"{account.dataset}{part}" + ("" if account.period is None else f", period {account.period}")


def _amount(amount: Amount) -> str:
    parts = {"epsilon": amount.epsilon, "delta": amount.delta, "rho": amount.rho}
    return ", ".join(f"{name} = {value:.6g}" for name, value in parts.items() if value is not None)
