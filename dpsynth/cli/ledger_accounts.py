"""`dpsynth ledger`: open accounts and divide them, change a cap, read them like a bank statement."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.box import MINIMAL
from rich.table import Table
from rich.text import Text

from dpsynth.cli.console import console, named
from dpsynth.errors import LedgerError
from dpsynth.ledger import Account, AccountStatement, Amount, Cap, Ledger
from dpsynth.ledger.amounts import describe
from dpsynth.privacy.unit import Unit

__all__ = [
    "AsJson",
    "Dataset",
    "LedgerPath",
    "Partition",
    "UnitChoice",
    "account",
    "cap",
    "chosen",
    "create",
    "divide",
    "say",
    "show",
]

LedgerPath = Annotated[Path, typer.Argument(help="File of the ledger.")]
Dataset = Annotated[
    str, typer.Argument(help="Name of the account: all releases about the same people share it.")
]
EpsilonCap = Annotated[float | None, typer.Option("--epsilon", "-e", help="Cap of the sum of epsilons.")]
DeltaCap = Annotated[float, typer.Option("--delta", "-d", help="Cap of the sum of deltas, beside --epsilon.")]
RhoCap = Annotated[float | None, typer.Option("--rho", help="Cap of the sum of zCDP parameters, instead.")]
Partition = Annotated[
    str | None, typer.Option("--partition", help="A part of the people, declared with `divide`.")
]
Period = Annotated[
    str | None, typer.Option("--period", help="A year, quarter or month: 2026, 2026-Q4, 2026-11 (UTC).")
]
UnitChoice = Annotated[str | None, typer.Option("--unit", help="Only needed if the name has several units.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


def create(path: LedgerPath) -> None:
    """Start a new ledger."""
    if path.exists():
        raise LedgerError(f"The file {path} exists. A ledger is started once; give another path.")
    with Ledger.open(path) as ledger:
        say(f"Started the ledger {ledger.identity} in {path}.")


def account(
    path: LedgerPath,
    dataset: Dataset,
    unit: Annotated[str, typer.Option("--unit", help="Unit of privacy, in words.")] = str(Unit()),
    partition: Partition = None,
    period: Period = None,
    epsilon: EpsilonCap = None,
    delta: DeltaCap = 0.0,
    rho: RhoCap = None,
) -> None:
    """Open an account with a cap (or without), or look at one."""
    cap = None if epsilon is None and rho is None else Cap(epsilon=epsilon, delta=delta, rho=rho)
    with Ledger.open(path, create=False) as ledger:
        say(_headline(ledger.account(dataset, unit, partition=partition, period=period, cap=cap)))


def divide(
    path: LedgerPath,
    dataset: Dataset,
    parts: Annotated[list[str], typer.Argument(help="Names of the parts.")],
    by: Annotated[str, typer.Option("--by", help="The public rule that puts nobody in two parts.")],
    unit: UnitChoice = None,
) -> None:
    """Declare disjoint parts of the people: what is spent on one costs the others nothing."""
    with Ledger.open(path, create=False) as ledger:
        ledger.divide(chosen(ledger, dataset, unit), by=by, parts=parts)
        say(f"{dataset} is divided by {by}: {', '.join(parts)}")


def cap(
    path: LedgerPath,
    dataset: Dataset,
    reason: Annotated[str, typer.Option("--reason", help="Who decided, and why: it stays on record.")],
    unit: UnitChoice = None,
    partition: Partition = None,
    period: Period = None,
    epsilon: EpsilonCap = None,
    delta: DeltaCap = 0.0,
    rho: RhoCap = None,
) -> None:
    """Change the cap of an account, on record."""
    with Ledger.open(path, create=False) as ledger:
        changed = chosen(ledger, dataset, unit, partition, period)
        limits = Cap(epsilon=epsilon, delta=delta, rho=rho)
        say(_headline(ledger.set_cap(changed, limits, reason=reason)))


def show(
    path: LedgerPath,
    dataset: Annotated[str | None, typer.Argument(help="Only this account.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the accounts like a bank statement."""
    with Ledger.open(path, create=False) as ledger:
        statements, head, identity = ledger.statement(dataset), ledger.head(), ledger.identity
    if as_json:
        accounts = [asdict(statement) for statement in statements]
        typer.echo(json.dumps({"ledger": identity, "head": asdict(head), "accounts": accounts}, indent=2))
        return
    for statement in statements:
        say(_headline(statement))
        console.print(_table(statement))
        if statement.period is not None:
            say(_lifetime(statement))
    if not statements:
        say("This ledger has no such account." if dataset else "This ledger has no accounts yet.")


def chosen(
    ledger: Ledger,
    dataset: str,
    unit: str | None = None,
    partition: str | None = None,
    period: str | None = None,
) -> Account:
    """The one account that is meant; it must be there."""
    named = [s for s in ledger.statement(dataset) if (s.partition, s.period) == (partition, period)]
    found = [s for s in named if unit in (None, s.unit)]
    if len(found) != 1:
        raise LedgerError(
            f"Expected one account {dataset!r} of that part and period in this ledger, found {len(found)}. "
            "See them with `dpsynth ledger show`, and choose one with --unit, --partition and --period."
        )
    return ledger.account(dataset, found[0].unit, partition=partition, period=period)


def _headline(owner: Account | AccountStatement) -> str:
    return f"{named(owner)} ({owner.unit}; rule {owner.rule}), cap: {_limits(owner.cap)}"


def _lifetime(statement: AccountStatement) -> str:
    """A period is a pace; what the people may have lost is the sum of all periods."""
    return (
        f"The people are the same in every period. In this period they may have lost "
        f"{_amount(statement.spent)}; in all together {_amount(statement.lifetime)}."
    )


def _amount(amount: Amount) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in asdict(amount).items() if value is not None)


def _table(statement: AccountStatement) -> Table:
    """Runs and changes of the cap in order; what a released run cost is shown and not counted."""
    limited = ("epsilon", "delta") if statement.rule == "basic" else ("rho",)
    spent = ("epsilon", "delta") if statement.rule == "basic" else ("epsilon", "delta", "rho")
    table = Table("#", box=MINIMAL, pad_edge=False)
    table.add_column("date (UTC)", no_wrap=True)
    table.add_column("what", min_width=10)
    for heading in ("method", *spent, *(f"{name} left" for name in limited)):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    rows: list[tuple[int, list[str]]] = []
    for change in statement.caps:
        what = f"cap {_limits(change.cap)}: {change.reason}"
        rows.append((change.seq, [_date(change.time), what]))
    for run in statement.runs:
        draws = "1 draw" if run.draws == 1 else f"{run.draws} draws"
        part = None if run.partition == statement.partition else f"part {run.partition}"
        drawn = None if run.status == "elsewhere" else draws
        what = ", ".join(filter(None, (part, run.label, run.status, drawn)))
        prices = [_number(getattr(run, name)) for name in spent]
        left = [_number(getattr(run.remaining, name, None)) for name in limited]
        rows.append((run.seq, [_date(run.time), what, run.method, *prices, *left]))
    for seq, cells in sorted(rows):
        table.add_row(str(seq), *(_plain(cell) for cell in cells))
    total = [_number(getattr(statement.spent, name)) for name in spent]
    left = [_number(getattr(statement.remaining, name, None)) for name in limited]
    table.add_section()
    table.add_row("", "", "spent", "", *total, *left)
    return table


def _limits(limits: Cap | None) -> str:
    return "none" if limits is None else describe(limits.units())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _date(time: str) -> str:
    return time[:10]


def _plain(text: str) -> Text:
    """Text of a ledger that somebody else may have written: no markup, no control characters."""
    return Text("".join(character if character.isprintable() else "?" for character in text), overflow="fold")


def say(text: str) -> None:
    """Print text as it is."""
    console.print(_plain(text), soft_wrap=True)
