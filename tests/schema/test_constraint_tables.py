"""What constraints mean for codes, held against a row-wise reading of their values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import SchemaError
from dpsynth.schema import (
    Boolean,
    Categorical,
    Column,
    Datetime,
    FunctionalDependency,
    Identifier,
    ImpossibleCombinations,
    Integer,
    Real,
    Schema,
    Text,
    allowed_table,
    constraint_tables,
)
from dpsynth.schema.constraint_tables import codes_of, dependency_order, determined_codes
from dpsynth.schema.encode import encode_column

AGE = Integer(name="age", minimum=0, maximum=99, edges=(0, 3, 15, 16, 99))
CITY = Categorical(name="city", categories=("Boston", "Salem", "Reno"), out_of_domain="other", required=True)
STATE = Categorical(name="state", categories=("MA", "NV"))
MEMBER = Boolean(name="member", true_values=("yes",), false_values=("no",))
WAGE = Real(name="wage", minimum=0, maximum=10, precision=2, edges=(0, 0.01, 5, 10))
DAY = Datetime(
    name="day", minimum="2020-01-01", maximum="2020-12-31", edges=("2020-01-01", "2020-06-01", "2020-12-31")
)
TOP = Integer(name="top", minimum=0, maximum=9, edges=(0, 5, 9, 9), step=1)
SCHEMA = Schema(columns=(AGE, CITY, STATE, MEMBER, WAGE, DAY, TOP, Identifier(name="id"), Text(name="note")))


@pytest.mark.parametrize(
    ("name", "entry", "codes"),
    [
        ("age", ..., [0, 1, 2, 3, 4]),
        ("age", None, [4]),
        ("age", (0, 2), [0]),
        ("age", (None, 14), [0, 1]),
        ("age", (15, None), [2, 3]),
        ("age", 15, [2]),
        ("age", 15.0, [2]),
        ("age", frozenset({None, 15, (0, 2)}), [0, 2, 4]),
        ("city", "Salem", [1]),
        ("city", "other", [3]),
        ("city", ..., [0, 1, 2, 3]),
        ("state", frozenset({"NV", None}), [1, 2]),
        ("member", True, [1]),
        ("member", "no", [0]),
        ("wage", 0, [0]),
        ("wage", (0.01, 4.99), [1]),
        ("day", ("2020-06-01", None), [1]),
        ("day", ("2020-01-01", "2020-05-31"), [0]),
        ("top", 9, [2]),
        ("top", (5, 8), [1]),
    ],
)
def test_entries_mean_codes(name: str, entry: Any, codes: list[int]) -> None:
    column: Any = SCHEMA.column(name)
    assert np.flatnonzero(codes_of(column, entry)).tolist() == codes


@pytest.mark.parametrize(
    ("name", "entry", "says"),
    [
        ("age", (0, 10), r"'age'.*cuts the cell that holds 10; declare an edge at 11"),
        ("age", (1, 2), r"'age'.*cuts the cell that holds 1; declare an edge at 1"),
        ("age", 14, r"declare an edge at 14"),
        ("age", (16, 98), r"declare an edge at 99 \(give the maximum twice\)"),
        ("age", (15, 200), r"'age'.*outside the bounds"),
        ("age", (-1, 2), r"outside the bounds"),
        ("age", (14, 3), "low <= high"),
        ("age", 2.5, "no admissible value"),
        ("age", "2", "a number"),
        ("age", True, "a number"),
        ("age", 10**30, "outside the bounds"),
        ("wage", 0.005, "no admissible value"),
        ("day", ("2020-01-01", "2020-06-01"), r"declare an edge at 2020-06-02"),
        ("day", 3, "a date in ISO 8601"),
        ("day", "soon", "a date in ISO 8601"),
        ("city", None, "value is required"),
        ("city", "Rome", r"'city'.*'Rome'.*outside the declared domain"),
        ("city", ("Boston", "Salem"), "for numbers and dates"),
        ("state", "other", "outside the declared domain"),
        ("member", "maybe", "outside the declared domain"),
    ],
)
def test_entries_that_mean_no_codes_are_refused(name: str, entry: Any, says: str) -> None:
    column: Any = SCHEMA.column(name)
    with pytest.raises(SchemaError, match=says):
        codes_of(column, entry)


def test_tables_have_an_axis_for_each_column() -> None:
    never = ImpossibleCombinations(columns=("state", "age"), combinations=[("MA", (0, 2)), (None, ...)])
    only = ImpossibleCombinations(columns=("state", "age"), allowed=[("MA", (0, 2)), (None, ...)])
    table = allowed_table(SCHEMA, never)
    assert table.shape == (3, 5)
    assert np.argwhere(~table).tolist() == [[0, 0], [2, 0], [2, 1], [2, 2], [2, 3], [2, 4]]
    assert (allowed_table(SCHEMA, only) == ~table).all()


def test_a_dependency_allows_one_code() -> None:
    dependency = FunctionalDependency(
        determinants=("city", "member"),
        dependent="age",
        mapping=[((["Boston", "Salem"], ...), (0, 2)), (("Reno", True), 15), (("Boston", True), (0, 2))],
        default=None,
    )
    codes = determined_codes(SCHEMA, dependency)
    assert codes.tolist() == [[0, 0, 0], [0, 0, 0], [4, 2, 4], [4, 4, 4]]
    table = allowed_table(SCHEMA, dependency)
    assert table.shape == (4, 3, 5)
    assert (table.sum(axis=-1) == 1).all()
    assert (table.argmax(axis=-1) == codes).all()


def fd(
    mapping: Any, *, determinants: Any = ("city",), dependent: str = "state", **more: Any
) -> FunctionalDependency:
    return FunctionalDependency(determinants=determinants, dependent=dependent, mapping=mapping, **more)


@pytest.mark.parametrize(
    ("constraints", "says"),
    [
        (("age",), "nothing but constraints"),
        ((ImpossibleCombinations(columns=("age", "salary"), combinations=[]),), "no column 'salary'"),
        ((ImpossibleCombinations(columns=("age", "note"), combinations=[]),), "'note'.*text columns are not modelled"),
        ((fd({}, dependent="id"),), "'id'.*identifier columns are not modelled"),
        ((ImpossibleCombinations(columns=("age", "city"), combinations=[(..., ...)]),), "nothing possible"),
        ((ImpossibleCombinations(columns=("age", "city"), allowed=[]),), "nothing possible"),
        ((fd({"Boston": "MA"}),), r"'state'.*nothing about \{'city': 'Salem'\}.*default"),
        ((fd({"Boston": "MA", "Salem": "MA", "Reno": "NV"}),), r"\{'city': 'other'\}"),
        ((fd([("Boston", "MA"), (["Boston", "Reno"], "NV")], default=None),), "'state'.*contradict each other"),
        ((fd({"Boston": (0, 99)}, dependent="age", default=None),), "'age'.*one cell.*several"),
        ((fd({}, dependent="age", default=20),), "declare an edge at 20"),
        (
            (fd({}, default=None), fd({}, determinants=("state",), dependent="age", default=None),
             fd({}, determinants=("age",), dependent="city", default="other")),
            "in a circle",
        ),
    ],
)  # fmt: skip
def test_constraints_that_do_not_fit_are_refused(constraints: Any, says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        replace(SCHEMA, constraints=constraints)


def test_open_columns_cannot_be_constrained() -> None:
    columns: tuple[Column, ...] = (Categorical(name="a"), STATE)
    with pytest.raises(SchemaError, match=r"'a'.*needs declared categories"):
        Schema(
            columns=columns, constraints=(ImpossibleCombinations(columns=("a", "state"), combinations=[]),)
        )


def test_other_cells_have_to_fit_too() -> None:
    schema = replace(
        SCHEMA,
        constraints=(ImpossibleCombinations(columns=("age", "state"), combinations=[((0, 14), "MA")]),),
    )
    with pytest.raises(SchemaError, match="declare an edge at 15"):
        schema.replace_columns({"age": replace(AGE, edges=(0, 20, 99))})


def test_large_tables_are_refused() -> None:
    columns = tuple(Integer(name=name, minimum=0, maximum=999, cells=1000) for name in ("a", "b", "c"))
    pair = ImpossibleCombinations(columns=("a", "b"), combinations=[(0, 0)])
    with pytest.raises(SchemaError, match=r"\['a', 'b', 'c'\].*1003003001 combinations.*coarser"):
        Schema(
            columns=columns, constraints=(ImpossibleCombinations(columns=("a", "b", "c"), combinations=[]),)
        )
    wide = fd({}, determinants=("a", "b"), dependent="c", default=None)
    schema = Schema(columns=columns, constraints=(pair, wide))  # the dependency itself is small enough
    assert allowed_table(schema, pair).sum() == 1001**2 - 1
    with pytest.raises(SchemaError, match="combinations"):
        allowed_table(schema, wide)
    assert constraint_tables.MOST_COMBINATIONS == 2**24


def test_dependencies_come_after_those_of_their_determinants() -> None:
    first = fd({}, default=None)
    second = fd({}, determinants=("state", "member"), dependent="age", default=None)
    third = fd({}, determinants=("age", "city"), dependent="top", default=None)
    schema = replace(SCHEMA, constraints=(third, second, first))
    assert dependency_order(schema) == (first, second, third)
    assert dependency_order(SCHEMA) == ()


VALUES: dict[str, list[Any]] = {
    "age": [None, *range(100)],
    "state": [None, "MA", "NV"],
    "wage": [None, *(k / 100 for k in range(0, 1001, 7)), 0.0, 0.01, 4.99, 5.0],
}
ENTRIES: dict[str, st.SearchStrategy[Any]] = {
    "age": st.sampled_from([(0, 2), (3, 14), (None, 15), (16, None), 15, None]),
    "state": st.sampled_from(["MA", "NV", None]),
    "wage": st.sampled_from([0, (0.01, 4.99), (5, None), (None, 4.99), None]),
}


def meant(entry: Any, value: Any) -> bool:
    """Whether a value is meant by an entry, read from the documentation and not from the code."""
    if entry is ...:
        return True
    if isinstance(entry, frozenset):
        return any(meant(choice, value) for choice in entry)
    if isinstance(entry, tuple):
        low, high = entry
        return value is not None and (low is None or low <= value) and (high is None or value <= high)
    return (entry is None) == (value is None) and entry == value


def any_entry(name: str) -> st.SearchStrategy[Any]:
    return ENTRIES[name] | st.just(...) | st.frozensets(ENTRIES[name], min_size=1)


@given(data=st.data(), allowed=st.booleans())
def test_tables_agree_with_a_reading_of_each_row(data: st.DataObject, allowed: bool) -> None:
    names = ("age", "state", "wage")
    combinations = data.draw(st.lists(st.tuples(*map(any_entry, names)), min_size=1, max_size=4))
    told: Any = {"allowed" if allowed else "combinations": combinations}
    constraint = ImpossibleCombinations(columns=names, **told)
    table = allowed_table(SCHEMA, constraint)
    rows = data.draw(st.lists(st.tuples(*(st.sampled_from(VALUES[name]) for name in names)), min_size=1))
    codes = [
        encode_column(SCHEMA.column(name), pd.Series([row[i] for row in rows], dtype=object))  # type: ignore[arg-type]
        for i, name in enumerate(names)
    ]
    for row, possible in zip(rows, table[tuple(codes)], strict=True):
        listed = any(all(map(meant, combination, row)) for combination in combinations)
        assert possible == (listed == allowed)
