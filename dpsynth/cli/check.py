"""`dpsynth check`: does the schema stand, and does a table fit it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dpsynth.cli.console import console

__all__ = ["check"]


def check(
    schema: Annotated[Path, typer.Argument(help="JSON document of the schema.")],
    data: Annotated[Path | None, typer.Argument(help="A table that should fit it.")] = None,
) -> None:
    """Say in words what is wrong with a schema, or with a table under it. Spends nothing."""
    from dpsynth.schema.schema import Schema
    from dpsynth.session import PrivateTable

    known = Schema.load(schema)
    console.print(str(known), markup=False, highlight=False, soft_wrap=True)
    if data is not None:
        PrivateTable.load(data, known)
        console.print(
            f"\n{data.name} has the columns that the schema declares, of readable types.", highlight=False
        )
    if known.unknown:
        console.print(
            f"Still unknown, to be declared or bought with --discover: {', '.join(known.unknown)}",
            highlight=False,
        )
    if known.assumed:
        console.print(
            f"Assumed from the data, so not certifiable: {', '.join(known.assumed)}", highlight=False
        )
    if not known.unknown and not known.assumed:
        console.print("The schema is complete and declared.")
