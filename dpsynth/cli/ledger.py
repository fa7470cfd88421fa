"""`dpsynth ledger`: its commands."""

from __future__ import annotations

import typer

from dpsynth.cli import ledger_accounts, ledger_records

__all__ = ["ledger_app"]

ledger_app = typer.Typer(
    name="ledger", help="The durable record of what was spent on which data.", no_args_is_help=True
)
ledger_app.command()(ledger_accounts.create)
ledger_app.command()(ledger_accounts.account)
ledger_app.command()(ledger_accounts.divide)
ledger_app.command()(ledger_accounts.cap)
ledger_app.command()(ledger_accounts.show)
ledger_app.command()(ledger_records.verify)
ledger_app.command()(ledger_records.head)
ledger_app.command()(ledger_records.export)
ledger_app.command()(ledger_records.restore)
ledger_app.command("import-spend")(ledger_records.import_spend)
