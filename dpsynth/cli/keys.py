"""`dpsynth keys`: keys that sign releases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli.console import console
from dpsynth.errors import ConfigurationError, StorageError

__all__ = ["PassphraseFile", "keys_app", "opened_with"]

keys_app = typer.Typer(name="keys", help="Keys that sign releases.", no_args_is_help=True)

PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File whose first line is the passphrase. Default: ask."),
]


@keys_app.command()
def new(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File of the private half; PATH.pub is for everybody.")
    ],
    no_passphrase: Annotated[
        bool, typer.Option("--no-passphrase", help="Leave the file open to whoever can read it.")
    ] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a key pair."""
    from dpsynth.release.keys import new_key, public_path

    if no_passphrase and passphrase_file is not None:
        raise ConfigurationError("Give --no-passphrase or --passphrase-file, not both.")
    passphrase = None if no_passphrase else _asked(passphrase_file, confirm=True)
    name = new_key(out, passphrase=passphrase)
    console.print(f"Wrote {out}: keep it secret and backed up.", markup=False, highlight=False)
    console.print(
        f"Wrote {public_path(out)}: give it to whoever checks your releases, by a way that they trust.",
        markup=False,
        highlight=False,
    )
    console.print(f"Identity of the key: {name}", markup=False, highlight=False)


@keys_app.command()
def show(key: Annotated[Path, typer.Argument(help="File of a public half.")]) -> None:
    """Print the identity of a public key, to compare it by telephone or in print."""
    from dpsynth.release.keys import key_id, public_half

    console.print(key_id(public_half(key)), markup=False, highlight=False)


def opened_with(key: Path, passphrase_file: Path | None) -> str | None:
    """The passphrase of a key; None if the file is not encrypted."""
    try:
        locked = b"ENCRYPTED" in key.read_bytes().split(b"\n", 1)[0]
    except OSError as error:
        raise StorageError(f"Cannot read the key {str(key)!r}: {error.strerror}.") from error
    return _asked(passphrase_file, confirm=False) if locked else None


def _asked(passphrase_file: Path | None, *, confirm: bool) -> str:
    if passphrase_file is None:
        return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))
    try:
        return passphrase_file.read_text(encoding="utf-8").split("\n", 1)[0]
    except OSError as error:
        raise StorageError(f"Cannot read {str(passphrase_file)!r}: {error.strerror}.") from error
