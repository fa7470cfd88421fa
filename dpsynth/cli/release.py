"""`dpsynth release` and `dpsynth sign`: a table with a signed certificate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from dpsynth.cli.console import console
from dpsynth.cli.keys import PassphraseFile, opened_with
from dpsynth.errors import ConfigurationError

__all__ = ["release", "sign"]

KeyFile = Annotated[Path, typer.Option("--key", "-k", help="Private key, see `dpsynth keys new`.")]


def release(
    model: Annotated[Path, typer.Argument(help="The folder that a run wrote, or the file of a model.")],
    rows: Annotated[
        str,
        typer.Option(
            "--rows",
            "-n",
            help="A number that you hold public (never that of the private table), or `estimate`.",
        ),
    ],
    key: KeyFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write; it must not exist yet.")],
    csv: Annotated[bool, typer.Option("--csv", help="Add the rows as text.")] = False,
    title: Annotated[str | None, typer.Option("--title", help="Of the table, for people.")] = None,
    publisher: Annotated[str | None, typer.Option("--publisher", help="Who releases it.")] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", help="What it is for.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Terms of use.")] = None,
    contact: Annotated[str | None, typer.Option("--contact", help="Whom to ask.")] = None,
    evidence: Annotated[
        list[Path] | None, typer.Option("--evidence", help="JSON of `dpsynth audit`; may be repeated.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option("--scores", help="JSON of scores that may be published.")
    ] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Draw a table from a model and write it with a signed certificate that anybody can check."""
    from dpsynth.auditing.evidence import Evidence
    from dpsynth.evaluation.results import Evaluation
    from dpsynth.release import publish

    told = {"name": publisher, "purpose": purpose, "licence": licence, "contact": contact}
    folder = publish(
        model,
        rows=_rows(rows),
        key=key,
        passphrase=opened_with(key, passphrase_file),
        out=out,
        csv=csv,
        title=title,
        publisher={name: words for name, words in told.items() if words},
        evidence=[
            Evidence.from_json(one)
            for path in evidence or ()
            for one in json.loads(path.read_text(encoding="utf-8"))
        ],
        scores=None if scores is None else Evaluation.from_json(scores.read_text(encoding="utf-8")),
    )
    console.print(
        f"Wrote {folder}. Check it as others will: dpsynth verify {folder} --trust {key}.pub",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def sign(
    folder: Annotated[Path, typer.Argument(help="A release.")],
    key: KeyFile,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Add a signature to a release."""
    from dpsynth.release import countersign

    name = countersign(folder, key=key, passphrase=opened_with(key, passphrase_file))
    console.print(f"Signed {folder} by the key {name}.", markup=False, highlight=False)


def _rows(text: str) -> int | Literal["estimate"]:
    if text == "estimate":
        return "estimate"
    if not text.isdecimal():
        raise ConfigurationError(
            f"Expected --rows as a number that you hold public, or `estimate`, got {text!r}."
        )
    return int(text)
