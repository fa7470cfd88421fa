"""The command line: one file for each command, no logic here."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dpsynth._version import __version__
from dpsynth.cli import audit, check, demo, init, plan, run, sample, simulate
from dpsynth.cli.console import errors
from dpsynth.cli.evaluate import evaluate, report
from dpsynth.cli.keys import keys_app
from dpsynth.cli.ledger import ledger_app
from dpsynth.cli.release import release, sign
from dpsynth.cli.sweep import sweep
from dpsynth.cli.tune import tune
from dpsynth.cli.verify import verify
from dpsynth.errors import DpsynthError

__all__ = ["app", "main"]

app = typer.Typer(
    name="dpsynth",
    help="Differentially private synthetic tables that carry a guarantee anybody can check.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals of a crash could hold private rows
)
app.command()(demo.demo)
app.command()(init.init)
app.command()(check.check)
app.command()(plan.plan)
app.command()(run.run)
app.command()(sample.sample)
app.command()(evaluate)
app.command()(report)
app.command()(simulate.simulate)
app.command()(sweep)
app.command()(tune)
app.command()(release)
app.command()(sign)
app.command()(verify)
app.add_typer(keys_app, name="keys")
app.command()(audit.audit)
app.add_typer(ledger_app, name="ledger")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dpsynth {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Differentially private synthetic tables that carry a guarantee anybody can check."""


def main() -> None:
    """Entry point: an expected error is one clear message and exit code 1, never a traceback."""
    try:
        app()
    except DpsynthError as error:
        errors.print(f"[bold red]{type(error).__name__}[/]: ", end="", soft_wrap=True)
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
