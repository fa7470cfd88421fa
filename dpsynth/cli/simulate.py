"""`dpsynth simulate`: rows from rules alone, before there is any data. Costs nothing and reads nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli.console import console
from dpsynth.errors import ConfigurationError, StorageError

__all__ = ["simulate"]


def simulate(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Table to write: .csv or .parquet. With --from-schema, the rules."),
    ],
    rules: Annotated[Path | None, typer.Argument(help="Rules: a .json, .yaml or .yml file.")] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", "-n", help="How many rows. Default: the number in the rules.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Equal seeds give equal rows. Default: a new one each time.")
    ] = None,
    from_schema: Annotated[
        Path | None,
        typer.Option("--from-schema", help="Write simple rules for this schema instead, to be edited."),
    ] = None,
) -> None:
    """Make a table from declared rules: epsilon = 0, no data is read."""
    from dpsynth.generators.rules import Rules
    from dpsynth.schema.schema import Schema

    if (rules is None) == (from_schema is None):
        raise ConfigurationError("Expected either a file of rules, or --from-schema with a schema.")
    if from_schema is not None:
        if rows is not None or seed is not None:
            raise ConfigurationError("--rows and --seed belong to a table; --from-schema writes rules only.")
        if out.suffix not in {".json", ".yaml", ".yml"}:
            raise ConfigurationError(f"Expected --out to end in .json, .yaml or .yml, got {out.name!r}.")
        if out.exists():
            raise StorageError(f"{str(out)!r} exists. Choose another name with --out, or remove it.")
        Rules.from_schema(Schema.load(from_schema)).save(out)
        console.print(
            f"Wrote {out}: every value is as frequent as any other. Edit it, then:", highlight=False
        )
        console.print(f"dpsynth simulate {out} --out table.csv", markup=False, highlight=False)
        return
    if out.suffix not in {".csv", ".parquet"}:
        raise ConfigurationError(f"Expected --out to end in .csv or .parquet, got {out.name!r}.")
    table = Rules.load(rules or Path()).simulate(rows, seed=seed)
    beside = table.write(out)
    console.print(f"Wrote {out} ({len(table.frame)} rows) and {beside}.", markup=False, highlight=False)
    console.print(table.statement.in_words(), markup=False, highlight=False, soft_wrap=True)
