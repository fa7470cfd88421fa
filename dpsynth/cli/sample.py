"""`dpsynth sample`: more rows from a fitted model. Costs nothing: it holds no data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli.console import Seed, console
from dpsynth.errors import ConfigurationError, StorageError

__all__ = ["sample"]


def sample(
    model: Annotated[Path, typer.Argument(help="A model.dps file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .csv, .parquet or .arrow.")],
    rows: Annotated[
        int | None, typer.Option("--rows", "-n", help="How many rows. Default: the private estimate.")
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("--given", "-g", help="Fix a column: NAME=VALUE. May be repeated.")
    ] = None,
    seed: Seed = None,
) -> None:
    """Draw rows from a fitted model."""
    from dpsynth.generators.fitted import FittedModel

    if out.suffix not in {".csv", ".parquet", ".arrow"}:
        raise ConfigurationError(f"Expected --out to end in .csv, .parquet or .arrow, got {out.name!r}.")
    pairs = [item.partition("=") for item in given or []]
    if any(not sign for _, sign, _ in pairs):
        raise ConfigurationError("Expected --given NAME=VALUE, for example --given sex=Female.")
    table = FittedModel.load(model).sample(rows, given={name: value for name, _, value in pairs}, rng=seed)
    write = {".csv": table.to_csv, ".parquet": table.to_parquet, ".arrow": table.to_arrow_file}[out.suffix]
    try:
        write(out)
    except OSError as error:
        raise StorageError(f"Cannot write {str(out)!r}: {error.strerror or error}.") from error
    console.print(f"Wrote {out}.")
    console.print(table.guarantee.in_words(), markup=False, highlight=False)
    if table.acceptance is not None:
        console.print(table.acceptance.in_words(), markup=False, highlight=False)
