"""Made-up tables, and their neighbours: what one unit more, or another one, can look like.

A sensitivity is only seen to be too small where somebody comes who moves the answer by all of it, so the
units are people that nobody has in mind: far outside, missing, unreadable, with too many rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dpsynth.privacy.unit import Unit
from dpsynth.schema.columns import Boolean, Categorical, Column, Datetime, Identifier, Integer, Real, Text
from dpsynth.schema.schema import Schema

__all__ = ["SENTINEL", "Neighbours", "grounds", "open_schema"]

SENTINEL = "zebra-4711"
"""Stands in texts of the odd units, and in nothing public."""
_FAR = 987654321
_OTHERS = 60
_UNITS = (
    Unit(),
    Unit(id_column="id", contributions=3),
    Unit(id_column="id", contributions=2, relation="replace_one"),
)

Values = Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Neighbours:
    """One schema, many tables that differ by one unit, and some that differ altogether.

    Attributes:
        name: What is special about them.
        schema: Of all of them.
        tables: By name; any two differ by one unit, whose rows come last. `base` is among them. Under the
            relation `add_remove` only pairs with `without` are neighbours.
        others: By name; tables that have nothing to do with `base`: none of the rows, or other rows.
    """

    name: str
    schema: Schema
    tables: Mapping[str, pd.DataFrame]
    others: Mapping[str, pd.DataFrame]

    @property
    def pairs(self) -> Iterator[tuple[str, str]]:
        """All pairs of neighbours."""
        if self.schema.unit.relation == "add_remove":
            return ((name, "without") for name in self.tables if name != "without")
        return itertools.combinations(self.tables, 2)

    @property
    def telling(self) -> dict[str, pd.DataFrame]:
        """Few tables on which a whole run has to look the same from outside."""
        far = {"far": self.tables["far"]}
        return (
            far if self.schema.unit.id_column else {"without": self.tables["without"], **far, **self.others}
        )


def grounds(seed: int = 5) -> tuple[Neighbours, ...]:
    """The tables of an audit: each unit of privacy, every kind of column.

    Args:
        seed: Of the made-up rows.
    """
    return tuple(_neighbours(unit, seed) for unit in _UNITS)


def open_schema(schema: Schema) -> Schema:
    """The same with bounds and categories to be bought."""
    columns: dict[str, Column] = {
        "colour": Categorical(name="colour"),
        "age": Integer(name="age"),
        "height": Real(name="height", precision=2),
        "joined": Datetime(name="joined", temporal="date"),
    }
    return schema.replace_columns(columns)


def _neighbours(unit: Unit, seed: int) -> Neighbours:
    others = _rows(_OTHERS, seed)
    k = unit.contributions
    tables = {"without": others}
    for name, values in _people().items():
        rows = 3 * k if name == "many rows" else k
        tables[name] = pd.concat([others, _unit(values, rows)], ignore_index=True)
    doubled = others.iloc[[0] * k].assign(id=SENTINEL)
    tables["double"] = pd.concat([others, doubled], ignore_index=True)
    if unit.id_column is None:
        del tables["many rows"]
    return Neighbours(
        name=str(unit),
        schema=_schema(unit),
        tables=tables,
        others={"no rows": others.iloc[:0], "other rows": _rows(2 * _OTHERS, seed + 1)},
    )


def _schema(unit: Unit) -> Schema:
    columns: tuple[Column, ...] = (
        Identifier(name="id"),
        Categorical(name="colour", categories=("red", "green", "blue"), out_of_domain="other"),
        Boolean(name="member", required=True, out_of_domain="drop"),
        Integer(name="age", minimum=0, maximum=99, cells=10),
        Real(name="height", minimum=1.0, maximum=2.2, precision=2, cells=4),
        Datetime(name="joined", minimum="2020-01-01", maximum="2023-12-31", temporal="date", cells=3),
        Text(name="note", rule="regenerate", filler="-"),
    )
    return Schema(name="people", columns=columns, unit=unit)


def _people() -> dict[str, Values]:
    """One row of each unit that may come."""
    base = {"colour": "red", "member": True, "age": 33, "height": 1.5, "joined": "2020-05-05", "note": "-"}
    return {
        "base": base,
        "far": {
            "colour": SENTINEL,
            "member": False,
            "age": _FAR,
            "height": float(-_FAR),
            "joined": "9999-12-31",
            "note": SENTINEL,
        },
        "unlike": {
            **base,
            "colour": "blue",
            "member": False,
            "age": 98,
            "height": 2.2,
            "joined": "2023-12-30",
        },
        "missing": {name: True if name == "member" else None for name in base},
        "no number": {**base, "age": float("nan"), "height": float("inf"), "joined": SENTINEL},
        "unreadable": {**base, "age": SENTINEL, "height": SENTINEL, "note": SENTINEL},
        "dropped": {**base, "member": SENTINEL},
        "alike": {
            **base,
            "colour": "green",
            "member": False,
            "age": 50,
            "height": 1.8,
            "joined": "2021-02-03",
        },
        "many rows": base,
    }


def _unit(values: Values, rows: int) -> pd.DataFrame:
    made = {"id": [SENTINEL] * rows, **{name: [value] * rows for name, value in values.items()}}
    return pd.DataFrame(made, dtype=object)


def _rows(rows: int, seed: int) -> pd.DataFrame:
    """Rows of units that own one or two each, with associations between columns."""
    rng = np.random.default_rng(seed)
    colour = rng.choice(np.array(["red", "green", "blue", None], dtype=object), rows, p=(0.4, 0.3, 0.2, 0.1))
    age = np.where(colour == "red", rng.integers(0, 40, rows), rng.integers(40, 100, rows))
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1_400, rows), unit="D")
    made: dict[str, Any] = {
        "id": [f"person-{seed}-{2 * row // 3}" for row in range(rows)],
        "colour": colour,
        "member": rng.random(rows) < np.where(age < 40, 0.2, 0.7),
        "age": age,
        "height": np.round(rng.uniform(1.0, 2.2, rows), 2),
        "joined": days.strftime("%Y-%m-%d"),
        "note": [f"remark {row}" for row in range(rows)],
    }
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in made.items()})
