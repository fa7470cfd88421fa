"""Samples of rules from a schema meet its formulas, dependencies and rules about rows."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from generators.rules.kinds import CITY, FLAGS, KINDS, STATE, A, B, require_adherence

from dpsynth.errors import ConfigurationError
from dpsynth.generators.rules import Rules
from dpsynth.schema.columns import Integer
from dpsynth.schema.constraints import FunctionalDependency, ImpossibleCombinations
from dpsynth.schema.row_rules import Implication, InequalityChain, OneHot, UniqueKey
from dpsynth.schema.schema import Schema


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
