"""`dpsynth verify`: check a release, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dpsynth.errors import ConfigurationError

__all__ = ["verify"]


def verify(
    folder: Annotated[Path | None, typer.Argument(help="The folder of a release.")] = None,
    trust: Annotated[
        list[Path] | None, typer.Option("--trust", "-t", help="Public key that you trust; may be repeated.")
    ] = None,
    any_key: Annotated[
        bool, typer.Option("--any-key", help="Go on without a trusted key: who signed is then only attested.")
    ] = False,
    policy: Annotated[Path | None, typer.Option("--policy", "-p", help="JSON of your own limits.")] = None,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", "-l", help="The publisher's ledger, or an export of it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
    export: Annotated[
        Path | None,
        typer.Option("--export", help="Write the stand-alone verifier to this file (.pyz), and end."),
    ] = None,
) -> None:
    """Check a release and say what was recomputed and what is only attested. Exit code 1 on any doubt."""
    if export is not None:
        from dpsynth.verifier.packed import write_zipapp

        write_zipapp(export)
        typer.echo(f"Wrote {export}. It needs Python and the package cryptography: python {export} FOLDER")
        return
    if folder is None:
        raise ConfigurationError("Name the folder of a release.")
    from dpsynth.release.verification import verify as check
    from dpsynth.verifier.check import read_certificate
    from dpsynth.verifier.verdict import plain

    found = check(folder, trust=tuple(trust or ()), any_key=any_key, policy=policy, ledger=ledger)
    typer.echo(json.dumps(found.to_json(), indent=2) if as_json else found.to_text())
    if found.ok and not as_json:
        told = read_certificate(folder)["predicate"]["risk"]
        words = [*told["sentences"], *(one["evidence"] for one in told["assessment"])]
        typer.echo("\n".join(["", "What it means for one person:", *(f"- {plain(one)}" for one in words)]))
    if not found.ok:
        raise typer.Exit(1)
