"""Schemas with every kind of rule, and a judge of tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd

from dpsynth.schema.columns import Boolean, Categorical, Datetime, Identifier, Integer, Real, Text
from dpsynth.schema.constraint_tables import allowed_table
from dpsynth.schema.constraints import FunctionalDependency, ImpossibleCombinations
from dpsynth.schema.encode import encode_column
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.row_checks import adherence
from dpsynth.schema.row_rules import Implication, InequalityChain, NullTogether, OneHot, UniqueKey
from dpsynth.schema.schema import Schema

A, B, C = (Integer(name=name, minimum=0, maximum=50) for name in "abc")
DAYS = tuple(
    Datetime(name=name, minimum="2024-01-01", maximum="2024-12-31") for name in ("asked", "came", "left")
)
MOMENTS = tuple(
    Datetime(
        name=name,
        minimum="2024-01-01T00:00:00",
        maximum="2024-01-03T23:59:59",
        resolution="s",
        temporal="datetime",
    )
    for name in ("start", "end")
)
FLAGS = tuple(Boolean(name=f"flag {number}") for number in range(6))
CITY = Categorical(name="city", categories=("Boston", "Salem", "Reno"))
STATE = Categorical(name="state", categories=("MA", "NV", "TX"))

KINDS: dict[str, dict[str, Any]] = {
    "chain of numbers": {"columns": (A, B, C), "rules": (InequalityChain(columns=("a", "b", "c")),)},
    "strict chain, drawn again": {
        "columns": (A, B),
        "rules": (InequalityChain(columns=("a", "b"), strict=True, repair="redraw"),),
    },
    "long chain": {
        "columns": tuple(Integer(name=f"x{i}", minimum=0, maximum=9, required=True) for i in range(8)),
        "rules": (InequalityChain(columns=tuple(f"x{i}" for i in range(8))),),
    },
    "chain of dates": {"columns": DAYS, "rules": (InequalityChain(columns=("asked", "came", "left")),)},
    "chain of moments": {"columns": MOMENTS, "rules": (InequalityChain(columns=("start", "end")),)},
    "one hot": {"columns": FLAGS, "rules": (OneHot(columns=tuple(flag.name for flag in FLAGS)),)},
    "one hot of required numbers": {
        "columns": tuple(Categorical(name=n, categories=(0, 1), required=True) for n in "uvw"),
        "rules": (OneHot(columns=("u", "v", "w")),),
    },
    "missing together": {
        "columns": (A, CITY, DAYS[0]),
        "rules": (NullTogether(columns=("a", "city", "asked")),),
    },
    "implication that writes": {
        "columns": (A, CITY),
        "rules": (Implication(when="a < 15", then="missing(city)"),),
    },
    "implication that draws again": {
        "columns": (DAYS[0], DAYS[1], A),
        "rules": (Implication(when='asked >= date("2024-07-01")', then="came - asked <= a"),),
    },
    "unique key": {
        "columns": (Integer(name="a", minimum=0, maximum=29, required=True), B),
        "rules": (UniqueKey(columns=("a", "b")),),
    },
    "formula": {"columns": (Formula(name="sum", expression="a + b * 0.37", precision=1), A, B)},
    "formula within bounds": {
        "columns": (A, B, Formula(name="f", expression="a * b", precision=0, minimum=5, maximum=900)),
    },
    "formulas that give dates and truth values": {
        "columns": (
            Datetime(name="sent", minimum="2024-01-01", maximum="2024-12-31", resolution="h"),
            Datetime(name="paid", minimum="2024-01-01", maximum="2025-02-28", temporal="date"),
            Formula(
                name="due",
                expression="add_months(sent, 1)",
                result="date",
                minimum="2024-02-10",
                required=True,
            ),
            Formula(name="late", expression="paid > due", result="truth"),
        ),
        "rules": (InequalityChain(columns=("sent", "paid")),),
    },
    "formula that clips": {
        "columns": (
            A,
            B,
            Formula(
                name="f", expression="a / b", precision=3, minimum=0.5, maximum=9.125, out_of_domain="clip"
            ),
        ),
    },
    "formula that empties": {
        "columns": (
            A,
            B,
            Formula(name="f", expression="a - b", precision=0, minimum=-7, out_of_domain="missing"),
        ),
    },
    "required formula": {"columns": (A, B, Formula(name="f", expression="a / b", required=True))},
    "formula of a formula, in a chain and a key": {
        "columns": (
            A,
            B,
            Formula(name="total", expression="a + b", precision=0),
            Formula(name="tax", expression="total * 0.19", precision=2),
            Real(name="paid", minimum=0.0, maximum=200.0, precision=1),
        ),
        "rules": (InequalityChain(columns=("tax", "paid")), UniqueKey(columns=("total", "paid"))),
    },
    "dependency of texts": {
        "columns": (STATE, CITY),
        "constraints": (
            FunctionalDependency(
                determinants=("city",),
                dependent="state",
                mapping={"Boston": "MA", "Salem": "MA", "Reno": "NV"},
                default=None,
            ),
        ),
    },
    "dependencies on ranges, one after the other": {
        "columns": (
            A,
            Categorical(name="group", categories=("child", "adult"), out_of_domain="other"),
            Datetime(name="day", minimum="2024-01-01", maximum="2024-01-31"),
            Real(name="fee", minimum=0.0, maximum=10.0, edges=(0.0, 2.5, 10.0)),
            Formula(name="twice", expression="2 * fee"),
        ),
        "constraints": (
            FunctionalDependency(
                determinants=("group", "day"),
                dependent="fee",
                mapping=[(("child", ...), (0.0, 2.49)), (("adult", None), None)],
                default=(2.5, 10.0),
            ),
            FunctionalDependency(
                determinants=("a",),
                dependent="group",
                mapping=[((0, 17), "child"), (None, "other")],
                default="adult",
            ),
            FunctionalDependency(
                determinants=("a",),
                dependent="day",
                mapping=[(3, "2024-01-03"), (None, None)],
                default="2024-01-09",
            ),
            ImpossibleCombinations(columns=("a", "fee"), combinations=[((0, 2), ...)]),
        ),
    },
    "all at once": {
        "columns": (
            Identifier(name="id", pattern="P####"),
            *DAYS,
            *FLAGS,
            STATE,
            CITY,
            A,
            B,
            Formula(name="stay", expression="left - came", precision=0),
            Text(name="note"),
            Text(name="remark", rule="regenerate", filler="-"),
        ),
        "constraints": (
            FunctionalDependency(
                determinants=("city", "flag 0"),
                dependent="state",
                mapping=[(("Reno", ...), "NV"), ((None, True), "TX")],
                default="MA",
            ),
        ),
        "rules": (
            InequalityChain(columns=("asked", "came", "left")),
            OneHot(columns=tuple(flag.name for flag in FLAGS)),
            NullTogether(columns=("a", "city")),
            Implication(when='state == "TX"', then="b == 7"),
            Implication(when="stay > 100", then="missing(b)"),
            UniqueKey(columns=("came", "left", "a")),
        ),
    },
}


def require_adherence(schema: Schema, frame: pd.DataFrame) -> None:
    """Judged by the schema itself, not by the rules."""
    assert {text: share for text, share in adherence(schema, frame).items() if share < 1} == {}
    strict = [dataclasses.replace(column, out_of_domain="drop") for column in schema.modelled]
    codes = {
        column.name: encode_column(
            own if isinstance(own, Categorical) and own.other_code is not None else column, frame[column.name]
        )
        for column, own in zip(strict, schema.modelled, strict=True)
    }
    assert all((found >= 0).all() for found in codes.values())
    for constraint in schema.constraints:
        assert allowed_table(schema, constraint)[tuple(codes[name] for name in constraint.columns)].all()
