"""Constraints as people write them: canonical forms, refusals, documents."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import SchemaError
from dpsynth.schema import (
    Categorical,
    FunctionalDependency,
    ImpossibleCombinations,
    Integer,
    Schema,
    allowed_table,
)
from dpsynth.schema.describe import describe

AGE = Integer(name="age", minimum=0, maximum=99, edges=(0, 15, 16, 99))
STATUS = Categorical(name="status", categories=(1, 2, 3))
CITY = Categorical(name="city", categories=("Boston", "Salem", "Reno"), required=True)
STATE = Categorical(name="state", categories=("MA", "NV"))
CHILDREN = ImpossibleCombinations(
    columns=("age", "status"), allowed=[((0, 14), None), ((15, None), ...)], description="Too young."
)
PLACES = FunctionalDependency(
    determinants=("city",), dependent="state", mapping={"Boston": "MA", "Salem": "MA", "Reno": "NV"}
)
SCHEMA = Schema(columns=(AGE, STATUS, CITY, STATE), constraints=(CHILDREN, PLACES))


def test_lists_are_sets_and_values_are_plain() -> None:
    written = ImpossibleCombinations(
        columns=["day", "status"],
        combinations=[[dt.date(2020, 1, 1), [np.int64(2), 1, (None, 0)]], (None, {1})],
    )
    assert written.columns == ("day", "status")
    assert written.combinations == (("2020-01-01", frozenset({1, 2, (None, 0)})), (None, frozenset({1})))
    assert hash(written) == hash(replace(written))
    assert replace(written) == written


def test_a_lone_determinant_needs_no_tuple() -> None:
    wrapped = FunctionalDependency(
        determinants=("age",), dependent="status", mapping={((0, 14),): None, (15,): 1}
    )
    plain = FunctionalDependency(
        determinants=("age",), dependent="status", mapping=[((0, 14), None), ([15], 1)]
    )
    assert wrapped.mapping == ((((0, 14),), None), ((15,), 1))
    assert plain.mapping[0] == wrapped.mapping[0]
    assert replace(wrapped) == wrapped
    assert wrapped.columns == ("age", "status")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"columns": ("a",), "combinations": []}, "2 to 4 different columns"),
        ({"columns": "ab", "combinations": []}, "2 to 4 different columns"),
        ({"columns": ("a", "a"), "combinations": []}, "different"),
        ({"columns": ("a", []), "combinations": []}, "different"),
        ({"columns": tuple("abcde"), "combinations": []}, "2 to 4"),
        ({"columns": ("a", "b")}, r"\['a', 'b'\].*either"),
        ({"columns": ("a", "b"), "combinations": [], "allowed": []}, "either"),
        ({"columns": ("a", "b"), "combinations": "ab"}, "list of combinations"),
        ({"columns": ("a", "b"), "combinations": [(1,)]}, "one entry for each column"),
        ({"columns": ("a", "b"), "combinations": ["xy"]}, "one entry for each column"),
        ({"columns": ("a", "b"), "combinations": [(1, [])]}, "at least one value"),
        ({"columns": ("a", "b"), "combinations": [(1, (1, 2, 3))]}, "as a range"),
        ({"columns": ("a", "b"), "combinations": [(1, float("nan"))]}, "finite number"),
        ({"columns": ("a", "b"), "combinations": [(1, [[1]])]}, "finite number"),
        ({"columns": ("a", "b"), "combinations": [(1, object())]}, "finite number"),
    ],
)
def test_malformed_combinations_are_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        ImpossibleCombinations(**arguments)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"determinants": (), "dependent": "b", "mapping": {}}, "1 to 3"),
        ({"determinants": "a", "dependent": "b", "mapping": {}}, "1 to 3"),
        ({"determinants": ("a",), "dependent": "a", "mapping": {}}, "one other column"),
        ({"determinants": ("a",), "dependent": ["b"], "mapping": {}}, "one other column"),
        ({"determinants": ("a",), "dependent": "b", "mapping": 3}, "mapping from combinations"),
        ({"determinants": ("a",), "dependent": "b", "mapping": "xy"}, "mapping from combinations"),
        ({"determinants": ("a",), "dependent": "b", "mapping": [("x",)]}, "mapping from combinations"),
        ({"determinants": ("a", "c"), "dependent": "b", "mapping": {"x": 1}}, "one entry for each column"),
        ({"determinants": ("a",), "dependent": "b", "mapping": {"x": [1]}}, "finite number"),
        ({"determinants": ("a",), "dependent": "b", "mapping": {}, "default": [1]}, "finite number"),
    ],
)
def test_malformed_dependencies_are_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        FunctionalDependency(**arguments)


def test_documents_read_back_as_they_were() -> None:
    document = json.loads(json.dumps(SCHEMA.to_json()))
    assert Schema.from_json(document) == SCHEMA
    assert Schema.from_json(document).to_json() == document
    assert document["dpsynth"]["constraints"] == [
        {
            "kind": "impossibleCombinations",
            "description": "Too young.",
            "columns": ["age", "status"],
            "allowed": [[{"from": 0, "to": 14}, None], [{"from": 15}, {"any": True}]],
        },
        {
            "kind": "functionalDependency",
            "determinants": ["city"],
            "dependent": "state",
            "mapping": [[["Boston"], "MA"], [["Salem"], "MA"], [["Reno"], "NV"]],
        },
    ]


def test_constraints_are_part_of_the_digest_and_none_is_not() -> None:
    plain = replace(SCHEMA, constraints=())
    assert "constraints" not in plain.to_json()["dpsynth"]
    digests = {replace(SCHEMA, constraints=some).digest() for some in ((), (CHILDREN,), (PLACES,))}
    assert len(digests | {SCHEMA.digest()}) == 4


@pytest.mark.parametrize(
    ("constraints", "says"),
    [
        ({}, "to be a list"),
        ([3], "every constraint"),
        ([{}], "of a kind in"),
        (
            [{"kind": "functionalDependency", "dependent": "b"}],
            r"lacks the keys \['determinants', 'mapping'\]",
        ),
        ([{"kind": "impossibleCombinations", "columns": ["a", "b"], "mapping": []}], "Unknown keys"),
        (
            [{"kind": "impossibleCombinations", "columns": ["a", "b"], "allowed": [[{}, 1]]}],
            "from.*any",
        ),
        (
            [{"kind": "impossibleCombinations", "columns": ["age", "b"], "allowed": [[{"any": False}, 1]]}],
            "from.*any",
        ),
    ],
)
def test_impossible_documents_are_refused(constraints: Any, says: str) -> None:
    document = SCHEMA.to_json()
    document["dpsynth"]["constraints"] = constraints
    with pytest.raises(SchemaError, match=says):
        Schema.from_json(document)


scalars = st.none() | st.integers(-2, 20) | st.sampled_from(["Boston", "MA", "x", 0.5, True])
written = st.recursive(
    scalars | st.just({"any": True}) | st.fixed_dictionaries({}, optional={"from": scalars, "to": scalars}),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(
    kind=st.sampled_from(["impossibleCombinations", "functionalDependency"]),
    body=st.dictionaries(
        st.sampled_from(
            ["columns", "combinations", "allowed", "determinants", "dependent", "mapping", "default"]
        ),
        written | st.just(["age", "status"]) | st.just(["city"]) | st.just("state"),
    ),
)
def test_no_document_fails_in_another_way(kind: str, body: dict[str, Any]) -> None:
    document = SCHEMA.to_json()
    document["dpsynth"]["constraints"] = [{"kind": kind} | body]
    try:
        schema = Schema.from_json(document)
    except SchemaError:
        return
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


entries = st.one_of(
    st.just(...),
    st.none(),
    st.sampled_from([(0, 14), (15, None), (None, None), (None, 15), 15]),
    st.frozensets(st.sampled_from([None, 15, (0, 14), (16, 99)]), min_size=1),
)


@given(
    st.lists(
        st.tuples(entries, st.none() | st.just(...) | st.frozensets(st.sampled_from([1, 2, 3]), min_size=1))
    )
)
def test_whatever_can_be_written_reads_back(combinations: list[Any]) -> None:
    only = ImpossibleCombinations(columns=("age", "status"), allowed=[(..., ...), *combinations])
    never = replace(only, combinations=combinations, allowed=None)
    never = never if allowed_table(replace(SCHEMA, constraints=()), never).any() else only
    schema = Schema(columns=(AGE, STATUS), constraints=(only, never))
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


def test_lists_are_written_in_an_order_that_no_hash_decides() -> None:
    several = frozenset({None, (0, 14), 15, (16, 99)})
    constraint = ImpossibleCombinations(columns=("age", "status"), combinations=[(several, 1)])
    (document,) = Schema(columns=(AGE, STATUS), constraints=(constraint,)).to_json()["dpsynth"]["constraints"]
    assert document["combinations"][0][0] == [15, {"from": 0, "to": 14}, {"from": 16, "to": 99}, None]


def test_people_can_read_them() -> None:
    never = ImpossibleCombinations(
        columns=("age", "city"), combinations=[((None, 14), ["Salem", "Reno"]), ((None, None), "Boston")]
    )
    otherwise = replace(PLACES, mapping={"Boston": "MA"}, default="NV", dependent="state")
    long = FunctionalDependency(
        determinants=("city", "status"),
        dependent="age",
        mapping=[((..., k), 15) for k in (1, 2, 3)],
        default=None,
    )
    lines = describe(replace(SCHEMA, constraints=(CHILDREN, PLACES))).splitlines()
    assert lines[-3:] == [
        "constraints",
        "age, status: only (0 to 14, missing), (from 15, anything)",
        "state follows from city: (Boston) gives MA, (Salem) gives MA, (Reno) gives NV",
    ]
    lines = describe(replace(SCHEMA, constraints=(never, otherwise, long))).splitlines()
    assert lines[-3] == "age, city: never (up to 14, Reno or Salem), (any value, Boston)"
    assert lines[-2] == "state follows from city: (Boston) gives MA, otherwise NV"
    assert max(map(len, lines)) <= 110
