"""A synthetic table that carries its guarantee wherever it goes."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pandas as pd

from dpsynth import _lazy
from dpsynth._archive import write_atomically
from dpsynth.session.guarantee import Guarantee

if TYPE_CHECKING:
    import pyarrow as pa

    from dpsynth.generators.adhering import Acceptance
    from dpsynth.generators.fitted import FittedModel

__all__ = ["METADATA_KEY", "SyntheticTable"]

METADATA_KEY = b"dpsynth.guarantee"
"""Where Arrow and Parquet files carry the guarantee, as JSON."""

_ROWS_SHOWN = 10


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SyntheticTable:
    """Synthetic rows with what was promised about them.

    Attributes:
        frame: The rows.
        guarantee: The promise, and what spent it.
        model: The fitted model that they were drawn from.
        acceptance: How rows were found that meet the rules of the schema; None if it has none.
    """

    frame: pd.DataFrame
    guarantee: Guarantee
    model: FittedModel
    acceptance: Acceptance | None = None

    def replace_frame(self, frame: pd.DataFrame) -> SyntheticTable:
        """The same guarantee over another form of the rows."""
        return dataclasses.replace(self, frame=frame)

    def to_csv(self, path: str | Path) -> None:
        """Write CSV, missing values spelled as the schema spells them. CSV has no room for the guarantee."""
        tokens = self.model.schema.missing_values
        missing = "" if "" in tokens or not tokens else tokens[0]
        text = self.frame.to_csv(index=False, na_rep=missing, lineterminator="\n")
        write_atomically(path, lambda file: file.write(text.encode()))

    def to_parquet(self, path: str | Path) -> None:
        """Write Parquet; the guarantee is in the file's metadata under `dpsynth.guarantee`."""
        from pyarrow import parquet

        table = self.to_arrow()
        write_atomically(path, lambda file: parquet.write_table(table, file))

    def to_arrow_file(self, path: str | Path) -> None:
        """Write an Arrow file; the guarantee is in the schema's metadata."""
        import pyarrow as pa

        table = self.to_arrow()

        def write(file: BinaryIO) -> None:
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)

        write_atomically(path, write)

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table with the guarantee in its metadata."""
        import pyarrow as pa

        table = pa.Table.from_pandas(self.frame, preserve_index=False)
        guarantee = json.dumps(self.guarantee.to_json(), sort_keys=True).encode()
        return table.replace_schema_metadata({**(table.schema.metadata or {}), METADATA_KEY: guarantee})

    def to_polars(self) -> Any:
        """The rows as a polars frame (extra `polars`); it has no room for the guarantee."""
        return _lazy.require("polars", extra="polars").from_arrow(self.to_arrow())

    def __repr__(self) -> str:
        head = self.frame.head(_ROWS_SHOWN)
        return f"{self.guarantee.in_words()}\n\n{head!r}\n({len(self.frame)} synthetic rows)"

    def _repr_html_(self) -> str:
        rows = self.frame.head(_ROWS_SHOWN).to_html(index=False, escape=True, border=0)
        shown = min(_ROWS_SHOWN, len(self.frame))
        return f"{self.guarantee._repr_html_()}{rows}<p>{shown} of {len(self.frame)} synthetic rows</p>"
