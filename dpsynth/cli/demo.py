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
    console.print(f"Read the account like a bank statement: dpsynth ledger show {ledger}\n")
    _certify(out, ledger)


def _certify(out: Path, ledger: Path) -> None:
    """Release rows of the model with a certificate, then check it as a stranger would."""
    from dpsynth.release import publish, verify
    from dpsynth.release.keys import new_key, public_path

    certified, key = _certified(out), _key(out)
    new_key(key, passphrase=None)
    console.print(
        f"Signing key: {key} (without a passphrase, as this is a demo), {public_path(key)} for others."
    )
    publish(out, rows="estimate", key=key, out=certified, csv=True, title="Adult, synthetic")
    trust = public_path(key)
    console.print(f"Certified release: {certified}. What a stranger sees who checks it with your ledger:\n")
    found = verify(certified, trust=(trust,), ledger=ledger)
    console.print(found.to_text(), markup=False, highlight=False)
    console.print(
        f"\nBreak it (edit a cell of {certified / 'data.csv'}, say) and check again:\n"
        f"  dpsynth verify {certified} --trust {trust} --ledger {ledger}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if not found.ok:
        raise typer.Exit(1)


def _certified(out: Path) -> Path:
    return out.with_name(f"{out.name}.certified")


def _key(out: Path) -> Path:
    return out.with_name(f"{out.name}.key")


def _start_afresh(out: Path, ledger: Path) -> None:
    """Remove an earlier demo. Only here: the rows are public, so its ledger protects nobody."""
    for folder, sign in ((out, "guarantee.json"), (_certified(out), "certificate.dsse.json")):
        if (folder / sign).is_file():
            shutil.rmtree(folder)
    beside = [ledger.with_name(ledger.name + end) for end in ("", "-wal", "-shm")]
    for path in (*beside, _key(out), _key(out).with_name(_key(out).name + ".pub")):
        path.unlink(missing_ok=True)
