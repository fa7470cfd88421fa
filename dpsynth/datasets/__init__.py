"""The demo table: the real Adult census extract of 1994, with a public schema. See ATTRIBUTION.md.

frame = datasets.adult()
schema = datasets.adult_schema()
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from dpsynth.schema import Schema

__all__ = ["adult", "adult_path", "adult_schema", "adult_schema_path"]

_FOLDER = Path(__file__).resolve().parent


def adult() -> pd.DataFrame:
    """The Adult table: 48,842 people, 15 columns; missing values in three of them."""
    import pandas as pd

    return pd.read_parquet(adult_path())


def adult_schema() -> Schema:
    """Its public schema: categories and bounds from the codebook, none from the rows."""
    from dpsynth.schema import Schema

    return Schema.load(adult_schema_path())


def adult_path() -> Path:
    """Where the Parquet file is."""
    return _FOLDER / "adult.parquet"


def adult_schema_path() -> Path:
    """Where the JSON document of the schema is."""
    return _FOLDER / "adult.schema.json"
