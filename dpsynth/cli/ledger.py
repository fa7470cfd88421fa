"""`dpsynth ledger`: open an account, change its cap, read it like a bank statement, verify the chain."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.box import MINIMAL
from rich.table import Table
from rich.text import Text

from dpsynth.cli.console import console
from dpsynth.errors import ConfigurationError, LedgerError
from dpsynth.ledger import Account, AccountStatement, Cap, Head, Ledger
from dpsynth.ledger.amounts import describe
from dpsynth.privacy.unit import Unit

__all__ = ["ledger_app"]

ledger_app = typer.Typer(
    name="ledger", help="The durable record of what was spent on which data.", no_args_is_help=True
)

LedgerPath = Annotated[Path, typer.Argument(help="File of the ledger.")]
Dataset = Annotated[
    str, typer.Argument(help="Name of the account: all releases about the same people share it.")
]
EpsilonCap = Annotated[float | None, typer.Option("--epsilon", "-e", help="Cap of the sum of epsilons.")]
DeltaCap = Annotated[float, typer.Option("--delta", "-d", help="Cap of the sum of deltas, beside --epsilon.")]
RhoCap = Annotated[float | None, typer.Option("--rho", help="Cap of the sum of zCDP parameters, instead.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


@ledger_app.command()
def create(path: LedgerPath) -> None:
    """Start a new ledger."""
    if path.exists():
        raise LedgerError(f"The file {path} exists. A ledger is started once; give another path.")
    with Ledger.open(path) as ledger:
        _say(f"Started the ledger {ledger.identity} in {path}.")


@ledger_app.command()
def account(
    path: LedgerPath,
    dataset: Dataset,
    unit: Annotated[str, typer.Option("--unit", help="Unit of privacy, in words.")] = str(Unit()),
    epsilon: EpsilonCap = None,
    delta: DeltaCap = 0.0,
    rho: RhoCap = None,
) -> None:
    """Open an account with a cap (or without), or look at one."""
    cap = None if epsilon is None and rho is None else Cap(epsilon=epsilon, delta=delta, rho=rho)
    with Ledger.open(path, create=False) as ledger:
        _say(_headline(ledger.account(dataset, unit, cap=cap)))


@ledger_app.command()
def cap(
    path: LedgerPath,
    dataset: Dataset,
    reason: Annotated[str, typer.Option("--reason", help="Who decided, and why: it stays on record.")],
    unit: Annotated[
        str | None, typer.Option("--unit", help="Only needed if the name has several units.")
    ] = None,
    epsilon: EpsilonCap = None,
    delta: DeltaCap = 0.0,
    rho: RhoCap = None,
) -> None:
    """Change the cap of an account, on record."""
    with Ledger.open(path, create=False) as ledger:
        found = [s for s in ledger.statement(dataset) if unit in (None, s.unit)]
        if len(found) != 1:
            raise LedgerError(
                f"Expected one account {dataset!r} in this ledger, found {len(found)}. "
                "See them with `dpsynth ledger show`, and choose one with --unit."
            )
        changed = ledger.account(dataset, found[0].unit)
        limits = Cap(epsilon=epsilon, delta=delta, rho=rho)
        _say(_headline(ledger.set_cap(changed, limits, reason=reason)))


@ledger_app.command()
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
        _say(_headline(statement))
        console.print(_table(statement))
    if not statements:
        _say("This ledger has no such account." if dataset else "This ledger has no accounts yet.")


@ledger_app.command()
def verify(
    path: LedgerPath,
    head: Annotated[
        str | None, typer.Option("--head", help="NUMBER:DIGEST seen earlier, which must still be there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the whole ledger; exit code 1 names the first bad entry."""
    with Ledger.open(path, create=False) as ledger:
        found = ledger.verify(contains=None if head is None else _head(head))
        last = ledger.entries(since=found.entries - 1)[-1] if found.ok else None
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
    elif last is not None:
        _say(f"Sound: {found.entries} entries. Head {last.seq}:{last.digest}")
    else:
        _say(f"Not sound: entry {found.first_bad_seq} is the first bad one. {found.reason}")
    if not found.ok:
        raise typer.Exit(1)


def _head(text: str) -> Head:
    seq, _, digest = text.partition(":")
    if not (seq.isdecimal() and digest):
        raise ConfigurationError(f"Expected --head as NUMBER:DIGEST, got {text!r}.")
    return Head(seq=int(seq), digest=digest)


def _headline(owner: Account | AccountStatement) -> str:
    return f"{owner.dataset} ({owner.unit}; rule {owner.rule}), cap: {_limits(owner.cap)}"


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
        what = ", ".join(filter(None, (run.label, run.status, draws)))
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


def _say(text: str) -> None:
    console.print(_plain(text), soft_wrap=True)
