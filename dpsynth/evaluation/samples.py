"""Training rows and rows of a holdout in equal numbers: what every measured attack is put to.

Distances to the closest row shrink with the number of rows, and so do matches grow: a training table that is
four times the holdout looks closer for that alone. So the larger of the two is cut down to the smaller, at
random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dpsynth.evaluation.tables import Rows, Tables, generator

__all__ = ["NO_HOLDOUT", "Samples", "drawn"]

NO_HOLDOUT = (
    "There is no holdout of real rows that the generator has not seen, so what is copied cannot be told from "
    "what is alike. Put some rows aside before the generator sees the table, and hand them over as `holdout`."
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Samples:
    """Rows of one table each.

    Attributes:
        members: Training rows, as many as there are others.
        others: Rows of the holdout.
        synthetic: Synthetic rows.
        note: What was drawn, in words.
    """

    members: Rows
    others: Rows
    synthetic: Rows
    note: str

    @classmethod
    def of(cls, tables: Tables, *, most: int | None = None) -> Samples | None:
        """Equal numbers of training rows and others; None without a holdout.

        Args:
            tables: Real and synthetic rows.
            most: Draw so many rows of each table at most.
        """
        if tables.holdout is None:
            return None
        size = min(len(tables.real), len(tables.holdout))
        size = size if most is None else min(size, most)
        members = drawn(tables.real, size, generator(tables, "members"))
        others = drawn(tables.holdout, size, generator(tables, "others"))
        synthetic = drawn(tables.synthetic, most, generator(tables, "synthetic"))
        note = (
            f"{len(members)} training rows and {len(others)} of the holdout, "
            f"{len(synthetic)} synthetic rows; drawn with seed {tables.seed}."
        )
        return cls(members=members, others=others, synthetic=synthetic, note=note)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trial:
    """What an attacker who knows the population has, and whom he judges.

    Attributes:
        members: Training rows.
        outsiders: Rows of the holdout, as many.
        reference: The rest of the holdout, at least half of it: his second sample of the population.
    """

    members: Rows
    outsiders: Rows
    reference: Rows

    @classmethod
    def of(cls, tables: Tables) -> Trial | None:
        """Divide the holdout; None if there is none of at least four rows."""
        if tables.holdout is None or len(tables.holdout) < 4:
            return None
        size = min(len(tables.real), len(tables.holdout) // 2)
        others = drawn(tables.holdout, None, generator(tables, "trial others"))
        places = np.arange(len(others))
        return cls(
            members=drawn(tables.real, size, generator(tables, "trial members")),
            outsiders=others.take(places[:size]),
            reference=others.take(places[size:]),
        )


def drawn(rows: Rows, most: int | None, rng: np.random.Generator) -> Rows:
    """At most so many rows, drawn without replacement, in random order."""
    size = len(rows) if most is None else min(most, len(rows))
    return rows.take(rng.permutation(len(rows))[:size])
