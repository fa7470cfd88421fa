"""`dpsynth demo`: the main job on the real Adult census table that ships with the package."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli.console import console
from dpsynth.cli.run import run_to_folder

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")] = Path("demo-release"),
) -> None:
    """Make a synthetic copy of the Adult census table (48,842 people) at epsilon = 1, delta = 1e-9."""
    from dpsynth import datasets

    ledger = out.with_name(out.name + ".ledger.db")
    _start_afresh(out, ledger)
    console.print("Adult census extract, 1994: 48,842 rows, 15 columns, mixed types, missing values.")
    console.print(
        "The table is public; we treat it as private. Budget: epsilon = 1 of a cap of 3, delta = 1e-9.\n"
    )
    run_to_folder(
        datasets.adult_path(),
        schema=datasets.adult_schema_path(),
        out=out,
        method="auto",
        epsilon=1.0,
        delta=1e-9,
        rows=None,
        ledger=ledger,
        dataset="adult",
        cap=(3.0, 1e-8),
    )
    console.print(f"Read the account like a bank statement: dpsynth ledger show {ledger}")


def _start_afresh(out: Path, ledger: Path) -> None:
    """Remove an earlier demo. Only here: the rows are public, so its ledger protects nobody."""
    if (out / "guarantee.json").is_file():
        shutil.rmtree(out)
    for path in (ledger, ledger.with_name(ledger.name + "-wal"), ledger.with_name(ledger.name + "-shm")):
        path.unlink(missing_ok=True)
