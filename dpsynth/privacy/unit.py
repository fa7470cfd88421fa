"""The unit of privacy: whose presence the guarantee hides, and what "neighbouring" means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dpsynth import _validate
from dpsynth.errors import ConfigurationError

Relation = Literal["add_remove", "replace_one"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """Who is protected, and against which difference.

    Attributes:
        relation: `add_remove` (neighbours differ by the presence of one unit) or `replace_one`
            (neighbours differ by the values of one unit).
        id_column: None if a unit is one row; otherwise the column that names the unit of each row.
        contributions: The largest number of rows that one unit keeps (the bound k). Surplus rows of
            a unit are cut at random when the table is loaded, before anything is counted.
    """

    relation: Relation = "add_remove"
    id_column: str | None = None
    contributions: int = 1

    def __post_init__(self) -> None:
        _validate.one_of("unit.relation", self.relation, ("add_remove", "replace_one"))
        _validate.count("unit.contributions", self.contributions)
        if self.id_column is None and self.contributions != 1:
            raise ConfigurationError(
                "Expected unit.contributions = 1 when a unit is one row. Name the id column (id_column=...) "
                "to protect people who own several rows."
            )

    @property
    def rows_changed(self) -> int:
        """How many rows can differ between neighbours: k (add or remove) or 2k (replace)."""
        return self.contributions * (2 if self.relation == "replace_one" else 1)

    def __str__(self) -> str:
        who = (
            "one row"
            if self.id_column is None
            else f"all rows (at most {self.contributions}) of one {self.id_column}"
        )
        verb = "adding or removing" if self.relation == "add_remove" else "replacing"
        return f"{verb} {who}"
