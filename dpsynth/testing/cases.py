"""Small schemas with tables that fit them: the ground on which a generator is checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dpsynth.schema.columns import Boolean, Categorical, Column, Identifier, Text
from dpsynth.schema.constraints import FunctionalDependency, ImpossibleCombinations
from dpsynth.schema.numeric import Datetime, Integer, Real
from dpsynth.schema.schema import Schema

__all__ = ["PRIVATE_ROWS", "Case", "cases"]

PRIVATE_ROWS = 397
"""Rows of the large case: a prime that no size of its schema equals."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Case:
    """A table and its schema.

    Attributes:
        name: What is special about it.
        schema: Complete.
        frame: Fits the schema.
    """

    name: str
    schema: Schema
    frame: pd.DataFrame


def cases() -> tuple[Case, ...]:
    """Every kind of column, and the tables on which methods break."""
    people, frame = _people(), _rows(PRIVATE_ROWS)
    colour = Categorical(name="colour", categories=("red", "green", "blue"))
    constant = Categorical(name="country", categories=("XY",), required=True)
    return (
        Case(name="every kind of column", schema=people, frame=frame),
        Case(name="no rows", schema=people, frame=frame.iloc[:0]),
        Case(name="one row", schema=people, frame=frame.iloc[:1]),
        Case(name="nothing but missing values", schema=people, frame=_all_missing(frame)),
        Case(name="one column", schema=Schema(columns=(colour,)), frame=frame[["colour"]]),
        Case(
            name="one code", schema=Schema(columns=(constant,)), frame=pd.DataFrame({"country": ["XY"] * 20})
        ),
        Case(
            name="one code beside another column",
            schema=Schema(columns=(constant, colour)),
            frame=frame[["colour"]].assign(country="XY"),
        ),
        Case(name="columns that follow from others", schema=_following(), frame=_follow(frame)),
        Case(name="structural zeros", schema=_never(), frame=_without(frame)),
    )


def _people() -> Schema:
    columns: tuple[Column, ...] = (
        Identifier(name="id"),
        Categorical(name="colour", categories=("red", "green", "blue"), out_of_domain="other"),
        Categorical(name="grade", categories=(1, 2, 3, 4), ordered=True),
        Boolean(name="member", required=True, out_of_domain="drop"),
        Integer(name="age", minimum=0, maximum=99, cells=20),
        Real(name="height", minimum=1.0, maximum=2.2, precision=2, cells=6),
        Datetime(name="joined", minimum="2020-01-01", maximum="2023-12-31", temporal="date", cells=8),
        Text(name="note", rule="regenerate", filler="-"),
    )
    return Schema(name="people", columns=columns)


def _following() -> Schema:
    """A letter follows from the colour, a rank from the letter, and a group from colour and membership."""
    columns: tuple[Column, ...] = (
        Categorical(name="rank", categories=(1, 2)),
        Categorical(name="colour", categories=("red", "green", "blue"), out_of_domain="other"),
        Categorical(name="letter", categories=("r", "g", "-"), required=True),
        Boolean(name="member", required=True, out_of_domain="drop"),
        Categorical(name="group", categories=("a", "b"), required=True),
    )
    ranks = {"r": 1, "g": 2, "-": None}
    return Schema(
        columns=columns,
        constraints=(
            FunctionalDependency(determinants=("letter",), dependent="rank", mapping=ranks),
            FunctionalDependency(
                determinants=("colour",), dependent="letter", mapping={"red": "r", "green": "g"}, default="-"
            ),
            FunctionalDependency(
                determinants=("colour", "member"),
                dependent="group",
                mapping={("red", True): "a", (None, False): "a"},
                default="b",
            ),
        ),
    )


def _follow(frame: pd.DataFrame) -> pd.DataFrame:
    letter = frame.colour.map({"red": "r", "green": "g"}).fillna("-")
    first = ((frame.colour == "red") & frame.member) | (frame.colour.isna() & ~frame.member)
    rank = letter.map({"r": 1, "g": 2}).astype("Int64")
    return frame[["colour", "member"]].assign(letter=letter, rank=rank, group=np.where(first, "a", "b"))


def _never() -> Schema:
    """Children have no grade."""
    return Schema(
        columns=(
            Integer(name="age", minimum=0, maximum=99, edges=(0, 15, 40, 99)),
            Categorical(name="grade", categories=(1, 2, 3, 4), ordered=True),
            Categorical(name="colour", categories=("red", "green", "blue")),
        ),
        constraints=(
            ImpossibleCombinations(columns=("age", "grade"), combinations=[((0, 14), [1, 2, 3, 4])]),
        ),
    )


def _without(frame: pd.DataFrame) -> pd.DataFrame:
    child = pd.to_numeric(frame.age).lt(15)
    return frame[["age", "grade", "colour"]].assign(grade=frame.grade.where(~child, None))


def _rows(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    colour = rng.choice(np.array(["red", "green", "blue", "mauve", None], dtype=object), rows)
    age = np.where(colour == "red", rng.integers(0, 30, rows), rng.integers(40, 100, rows)).astype(object)
    age[rng.random(rows) < 0.1] = None
    return pd.DataFrame(
        {
            "id": [f"person-{i}" for i in range(rows)],
            "colour": colour,
            "grade": pd.Series(rng.integers(1, 5, rows), dtype=object),
            "member": rng.random(rows) < 0.3,
            "age": age,
            "height": np.round(rng.uniform(1.0, 2.2, rows), 2),
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1_400, rows), unit="D"),
            "note": [f"private remark {i}" for i in range(rows)],
        }
    )


def _all_missing(frame: pd.DataFrame) -> pd.DataFrame:
    """Every value missing but those that are required."""
    kept = ("id", "member")
    return pd.DataFrame(
        {
            name: frame[name] if name in kept else pd.Series([None] * len(frame), dtype=object)
            for name in frame
        }
    )
