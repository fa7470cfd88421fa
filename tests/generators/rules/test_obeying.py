"""Samples of rules from a schema meet its formulas, dependencies and rules about rows."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError
from dpsynth.generators.rules import Rules
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


@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("kind", KINDS)
def test_every_row_adheres(kind: str, share: float) -> None:
    schema = Schema(**KINDS[kind])
    rules = Rules.from_schema(schema, missing=share)
    frame = rules.sample(500, seed=1)
    assert len(frame) == 500
    assert set(frame.columns) == {c.name for c in schema.columns if c.name != "note"}
    require_adherence(schema, frame)
    assert set(rules.adherence(frame).values()) <= {1.0}
    assert Rules.from_json(rules.to_json()) == rules


@pytest.mark.parametrize("kind", ["all at once", "unique key", "formula that clips"])
def test_equal_seeds_give_equal_rows_and_longer_tables_begin_with_shorter_ones(kind: str) -> None:
    rules = Rules.from_schema(Schema(**KINDS[kind]))
    frame = rules.sample(500, seed=7)
    pd.testing.assert_frame_equal(frame, rules.sample(500, seed=7))
    pd.testing.assert_frame_equal(frame.iloc[:100], rules.sample(100, seed=7))
    assert not frame.equals(rules.sample(500, seed=8))
    assert len(rules.sample(0, seed=7)) == 0


def test_what_breaks_a_rule_is_seen() -> None:
    rules = Rules.from_schema(Schema(**KINDS["all at once"]))
    frame = rules.sample(50, seed=1)
    wrong = frame.assign(**{"flag 1": True, "flag 2": True, "city": "Reno", "state": "MA"})
    wrong.loc[1, ["came", "left", "a"]] = wrong.loc[0, ["came", "left", "a"]] = [
        "2024-12-01",
        "2024-12-02",
        5,
    ]
    found = rules.adherence(wrong)
    assert found["state follows from city, flag 0"] == 0
    assert found["exactly one of " + ", ".join(flag.name for flag in FLAGS)] == 0
    assert found["(came, left, a) unique"] == 0.98


def test_a_formula_keeps_its_rounding_bounds_and_gaps() -> None:
    clips = Rules.from_schema(Schema(**KINDS["formula that clips"])).sample(2000, seed=1)
    assert {0.5, 9.125} <= set(clips["f"])
    assert clips["f"].isna().sum() > clips[["a", "b"]].isna().any(axis=1).sum()  # divisions by zero
    empties = Rules.from_schema(Schema(**KINDS["formula that empties"]), missing=0).sample(2000, seed=1)
    assert ((empties["a"] - empties["b"] < -7) == empties["f"].isna()).all()
    # A result that is not exact is missing, as the schema has it, and not the bound.
    fine = dataclasses.replace(
        KINDS["formula that clips"]["columns"][2], expression="a * 1000 + b", precision=12
    )
    schema = Schema(columns=(A, B, fine))
    frame = Rules.from_schema(schema, missing=0).sample(500, seed=1)
    require_adherence(schema, frame)
    assert (frame["f"].isna() == (frame["a"] * 1000 + frame["b"] > 9007)).all()
    assert (frame["f"].dropna() == 9.125).any()


def test_a_rule_may_empty_what_is_otherwise_never_missing() -> None:
    frame = Rules.from_schema(Schema(**KINDS["implication that writes"]), missing=0).sample(500, seed=1)
    assert (frame["a"] < 15).mean() == pytest.approx(15 / 51, abs=0.07)  # written, not drawn again
    assert ((frame["a"] < 15) == frame["city"].isna()).all()


def test_constraints_on_the_same_columns_all_hold() -> None:
    zeros = [ImpossibleCombinations(columns=("a", "b"), combinations=[(low, low)]) for low in (3, (9, 50))]
    require_adherence(
        schema := Schema(columns=(A, B), constraints=tuple(zeros)),
        Rules.from_schema(schema).sample(500, seed=1),
    )


def test_many_structural_zeros_hold() -> None:
    """More than a condition of one line could say."""
    zeros = ImpossibleCombinations(
        columns=("a", "b"), combinations=[(n, m) for n in range(51) for m in range(n)]
    )
    frame = Rules.from_schema(Schema(columns=(A, B), constraints=(zeros,)), missing=0).sample(500, seed=1)
    assert (frame["a"] <= frame["b"]).all()


def test_values_that_nothing_binds_stay_even() -> None:
    """Rules change what they speak about, and nothing else."""
    schema = Schema(columns=(*FLAGS, STATE), rules=(OneHot(columns=tuple(flag.name for flag in FLAGS)),))
    table = Rules.from_schema(schema, missing=0).simulate(4000, seed=1)
    assert table.frame["state"].value_counts(normalize=True).to_numpy() == pytest.approx(
        [1 / 3] * 3, abs=0.04
    )
    shares = table.frame[[flag.name for flag in FLAGS]].astype(float).mean().to_numpy()
    assert shares == pytest.approx(np.full(6, 1 / 6), abs=0.03)
    assert table.statement.accepted == pytest.approx(1 - 2**-6, abs=0.01)  # none is set in the others


def test_a_hopeless_rule_is_an_error_and_no_short_table() -> None:
    few = Schema(
        columns=(Integer(name="a", minimum=0, maximum=9, required=True),), rules=(UniqueKey(columns=("a",)),)
    )
    assert sorted(Rules.from_schema(few).sample(10, seed=1)["a"]) == list(range(10))
    with pytest.raises(ConfigurationError, match=r"Only 10 of 11 rows.*'\(a\) unique' was broken most often"):
        Rules.from_schema(few).sample(11, seed=1)
    never = Schema(columns=(A, B), rules=(Implication(when="True", then="a > 60 or a + b > 101"),))
    with pytest.raises(ConfigurationError, match=r"Only 0 of 5 rows.*No table was made"):
        Rules.from_schema(never, missing=0).sample(5, seed=1)


def test_a_rule_of_a_kind_that_is_not_known_is_refused() -> None:
    @dataclasses.dataclass(frozen=True)
    class Total:
        kind: ClassVar[str] = "groupTotal"
        columns: tuple[str, ...] = ("a",)

        def __str__(self) -> str:
            return "a adds up"

    schema = Schema(columns=(A,))
    object.__setattr__(schema, "rules", (Total(),))
    with pytest.raises(ConfigurationError, match="cannot meet 'a adds up', of the kind 'groupTotal'"):
        Rules.from_schema(schema)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a", "kind": "number", "minimum": 0, "maximum": 99, "decimals": 0}, "'a'.*does not have"),
        ({"name": "a", "kind": "text", "pattern": "#"}, "'a'.*does not have"),
        ({"name": "z", "kind": "number", "minimum": 0, "maximum": 9}, "'a'.*and no others"),
        ({"name": "city", "kind": "category", "categories": ["Boston", "Austin"]}, "'city'.*does not have"),
        (
            {"name": "city", "kind": "derived", "formula": 'where(a > 1, "Reno", "Salem")'},
            "'city'.*remove one",
        ),
    ],
)
def test_edited_rules_that_contradict_the_schema_are_refused(change: dict[str, Any], message: str) -> None:
    schema = Schema(
        columns=(A, B, CITY),
        rules=(InequalityChain(columns=("a", "b")),),
        constraints=(
            FunctionalDependency(
                determinants=("b",), dependent="city", mapping=[((0, 9), "Salem")], default="Reno"
            ),
        ),
    )
    document = Rules.from_schema(schema).to_json()
    place = 2 if change["name"] == "city" else 0
    document["columns"][place] = change
    with pytest.raises(ConfigurationError, match=message):
        Rules.from_json(document)
    with pytest.raises(ConfigurationError, match="obeys: "):
        Rules.from_json({**document, "obeys": {"fields": 3}})


def test_weights_may_be_edited() -> None:
    document = Rules.from_schema(Schema(**KINDS["dependency of texts"])).to_json()
    document["columns"][1]["weights"] = [0, 0, 1]
    assert set(Rules.from_json(document).sample(300, seed=1)["state"].dropna()) == {"NV"}


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    required = st.booleans()
    numbers = [
        Integer(
            name=name,
            minimum=draw(st.integers(-3, 2)),
            maximum=draw(st.integers(4, 12)),
            required=draw(required),
        )
        for name in ("n1", "n2", "n3")
    ]
    flags = [Boolean(name=name, required=draw(required)) for name in ("t1", "t2", "t3")]
    text = Categorical(name="c", categories=("x", "y", "z"), required=draw(required))
    follows = Categorical(name="d", categories=("x", "y", "z"))
    formula = Formula(
        name="f",
        expression=draw(st.sampled_from(["n1 + n2 / 3", "n1 / n2", "where(t1, n1, n3 * 2.5)"])),
        precision=draw(st.integers(0, 3)),
        minimum=draw(st.sampled_from([None, -1])),
        maximum=draw(st.sampled_from([None, 6])),
        out_of_domain=draw(st.sampled_from(["redraw", "clip", "missing"])),
        required=draw(required),
    )
    optional = [column.name for column in (*numbers, *flags, text) if not column.required]
    several = st.permutations(["n1", "n2", "n3", "f"]).map(lambda names: tuple(names[:3]))
    conditions = st.sampled_from(["n1 > 3", "t2", "missing(n3)", "f < 2", 'c == "x"', "n2 == 4"])
    chains = st.builds(
        InequalityChain, columns=several, strict=st.booleans(), repair=st.sampled_from(["sort", "redraw"])
    )
    pool: list[st.SearchStrategy[Any]] = [
        chains,
        st.just(OneHot(columns=("t1", "t2", "t3"))),
        st.builds(Implication, when=conditions, then=conditions, repair=st.sampled_from(["write", "redraw"])),
    ]
    if len(optional) > 1:
        pool.append(st.just(NullTogether(columns=tuple(optional[:3]))))
    rules = draw(st.lists(st.one_of(pool), max_size=3, unique_by=str))
    entry = st.sampled_from(["x", "y", "z", None])
    dependency = FunctionalDependency(
        determinants=("c", "t1"),
        dependent="d",
        mapping=[(("x", ...), draw(entry)), (("y", True), draw(entry))],
        default=draw(entry),
    )
    constraints = (dependency,) if draw(st.booleans()) else ()
    columns = draw(st.permutations([*numbers, *flags, text, follows, formula]))
    return Schema(columns=tuple(columns), rules=tuple(rules), constraints=constraints)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(schema=schemas(), share=st.sampled_from([0.0, 0.2]), seed=st.integers(0, 2**31))
def test_small_schemas_of_any_kind_are_obeyed_or_refused(schema: Schema, share: float, seed: int) -> None:
    rules = Rules.from_schema(schema, missing=share)
    try:
        frame = rules.sample(60, seed=seed)
    except ConfigurationError as error:  # two rules may exclude each other
        assert "No table was made" in str(error)  # noqa: PT017 - most schemas give a table
        return
    assert len(frame) == 60
    require_adherence(schema, frame)
