"""`dpsynth init`: draft a schema from a table, and say plainly that it is a guess."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli.console import console
from dpsynth.errors import StorageError

__all__ = ["init"]


def init(
    data: Annotated[Path, typer.Argument(help="CSV, TSV, Parquet or Arrow file.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to write. Default: DATA.schema.json.")
    ] = None,
) -> None:
    """Draft a schema. It looks at the rows, so what it guesses is marked as assumed."""
    from dpsynth.session.draft import draft_schema

    target = out or data.with_name(data.name.split(".")[0] + ".schema.json")
    if target.exists():
        raise StorageError(f"{str(target)!r} exists. Choose another name with --out, or remove it.")
    schema = draft_schema(data)
    schema.save(target)
    console.print(str(schema), markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"\nWrote [bold]{target}[/]. Every column is marked [bold]assumed[/]: its categories or bounds were"
    )
    console.print("read from the rows, so a release made with this draft is never certifiable.")
    console.print(
        'Correct each column from the code book and set its origin to "declared"; or remove its bounds or'
    )
    console.print("categories and buy them from the budget: dpsynth run --discover 0.2", highlight=False)
