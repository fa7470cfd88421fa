"""Structural zeros over codes and buckets, held against enumeration of all rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError
from dpsynth.graphical.zeros import (
    AllowedTable,
    allowed_rows,
    allowed_tables,
    bucket_allowed,
    distinct_codes,
    possible_cells,
    propagate,
    refine,
)
from dpsynth.schema import Categorical, FunctionalDependency, ImpossibleCombinations, Integer, Schema

SIZES = (3, 4, 2, 5)


@st.composite
def some_tables(draw: st.DrawFn, sizes: tuple[int, ...] = SIZES) -> list[AllowedTable]:
    tables = []
    for _ in range(draw(st.integers(0, 3))):
        nodes = draw(st.permutations(range(len(sizes))))[: draw(st.integers(1, 3))]
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        # Repeated slices are what makes codes alike.
        parts = [rng.integers(0, 2, sizes[node]) for node in nodes]
        coarse = rng.random([2] * len(nodes)) < draw(st.sampled_from([0.5, 0.8]))
        tables.append(AllowedTable(nodes=tuple(nodes), allowed=coarse[np.ix_(*parts)]))
    return tables


def every_row(sizes: tuple[int, ...] = SIZES) -> np.ndarray[Any, Any]:
    return np.array(list(itertools.product(*map(range, sizes))))


def meets(row: Any, tables: list[AllowedTable]) -> bool:
    return all(table.allowed[tuple(row[node] for node in table.nodes)] for table in tables)


@given(some_tables())
def test_rows_are_looked_up_in_every_table(tables: list[AllowedTable]) -> None:
    rows = every_row()
    assert allowed_rows(rows, tables).tolist() == [meets(row, tables) for row in rows]


@given(some_tables())
def test_codes_of_one_class_can_replace_each_other(tables: list[AllowedTable]) -> None:
    rows = every_row()
    possible = allowed_rows(rows, tables)
    for node, classes in enumerate(distinct_codes(tables, SIZES)):
        assert list(dict.fromkeys(classes.tolist())) == list(range(classes.max() + 1))
        for left, right in itertools.combinations(range(SIZES[node]), 2):
            swapped = rows.copy()
            swapped[rows[:, node] == left, node] = right
            swapped[rows[:, node] == right, node] = left
            same_in_each = all(
                (allowed_rows(rows, [table]) == allowed_rows(swapped, [table])).all() for table in tables
            )
            assert (classes[left] == classes[right]) == same_in_each
            if classes[left] == classes[right]:
                assert (allowed_rows(swapped, tables) == possible).all()


@given(some_tables(), st.data())
def test_refined_buckets_hold_the_zeros_exactly(tables: list[AllowedTable], data: st.DataObject) -> None:
    classes = distinct_codes(tables, SIZES)
    groups = []
    for node, size in enumerate(SIZES):
        raw = data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
        coarse = np.unique(raw, return_inverse=True)[1]
        fine = np.array(refine(coarse.tolist(), classes[node]))
        assert set(fine) == set(range(fine.max() + 1))
        assert len({*zip(fine, coarse, classes[node], strict=True)}) == fine.max() + 1
        assert sorted(fine) == fine[np.argsort(coarse * size + classes[node])].tolist()  # in the same order
        groups.append(tuple(fine.tolist()))
    rows = every_row()
    buckets = np.stack([np.array(groups[node])[rows[:, node]] for node in range(len(SIZES))], axis=1)
    over_buckets = [bucket_allowed(table, groups) for table in tables]
    assert (allowed_rows(buckets, over_buckets) == allowed_rows(rows, tables)).all()


def test_a_bucket_of_alike_codes_stays_whole() -> None:
    assert refine((0, 0, 1, 1, 0), np.array([0, 0, 1, 0, 0])) == (0, 0, 2, 1, 0)
    assert refine((1, 1, 0), np.zeros(3, np.int64)) == (1, 1, 0)


def test_buckets_that_mix_are_refused() -> None:
    table = AllowedTable(nodes=(0, 1), allowed=np.array([[True, True], [True, False], [True, True]]))
    assert bucket_allowed(table, ((0, 1, 0), (0, 1))).allowed.tolist() == [[True, True], [True, False]]
    with pytest.raises(ConfigurationError, match="mix"):
        bucket_allowed(table, ((0, 0, 1), (0, 1)))


@given(some_tables(), st.permutations(range(len(SIZES))), st.integers(1, len(SIZES)))
def test_masks_keep_every_row_and_are_exact_where_they_can(
    tables: list[AllowedTable], order: list[int], wanted: int
) -> None:
    nodes = order[:wanted]
    cells = possible_cells(nodes, SIZES, tables)
    assert cells.shape == tuple(SIZES[node] for node in nodes)
    rows = every_row()
    for cell in itertools.product(*(range(SIZES[node]) for node in nodes)):
        matching = rows[(rows[:, nodes] == cell).all(axis=1)]
        alone = [allowed_rows(matching, [table]).any() for table in tables]
        assert cells[cell] == all(alone)


@given(some_tables())
def test_propagation_keeps_every_admissible_code(tables: list[AllowedTable]) -> None:
    rows = every_row()
    admissible = rows[allowed_rows(rows, tables)]
    try:
        left = propagate(tables, SIZES)
    except ConfigurationError as error:
        assert len(admissible) == 0, error  # noqa: PT017
        return
    for node, codes in enumerate(left):
        assert codes[admissible[:, node]].all()
    for table in tables:  # and whatever is left has support in each table
        sub = table.allowed[np.ix_(*(left[node] for node in table.nodes))]
        assert all(
            sub.any(axis=tuple(a for a in range(sub.ndim) if a != axis)).all() for axis in range(sub.ndim)
        )


def test_propagation_goes_through_several_tables() -> None:
    follows = np.eye(3, dtype=bool)  # 0 -> 1 -> 2, all equal
    first = np.array([True, False, True])
    tables = [
        AllowedTable(nodes=(1, 2), allowed=follows),
        AllowedTable(nodes=(0, 1), allowed=follows),
        AllowedTable(nodes=(0,), allowed=first),
    ]
    assert [codes.tolist() for codes in propagate(tables, (3, 3, 3))] == [first.tolist()] * 3
    contradiction = AllowedTable(nodes=(2,), allowed=~first)
    with pytest.raises(ConfigurationError, match="contradict"):
        propagate([*tables, contradiction], (3, 3, 3))


def test_tables_come_from_the_schema() -> None:
    schema = Schema(
        columns=(
            Categorical(name="city", categories=("a", "b"), required=True),
            Integer(name="age", minimum=0, maximum=3),
            Categorical(name="state", categories=("x", "y"), required=True),
        ),
        constraints=(
            ImpossibleCombinations(columns=("age", "city"), combinations=[((0, 1), "b")]),
            FunctionalDependency(determinants=("city",), dependent="state", mapping={"a": "x", "b": "y"}),
        ),
    )
    never, follows = allowed_tables(schema)
    assert (never.nodes, follows.nodes) == ((1, 0), (0, 2))
    assert (~never.allowed).sum() == 2
    assert follows.allowed.tolist() == [[True, False], [False, True]]
    with pytest.raises(ValueError, match="read-only"):
        never.allowed[0, 0] = False
    ages, cities = distinct_codes([never, follows], schema.domain.sizes)[1::-1]
    assert (ages.tolist(), cities.tolist()) == ([0, 0, 1, 1, 1], [0, 1])


@pytest.mark.parametrize("nodes", [(0,), (0, 0), (0, 1, 2)])
def test_a_table_has_an_axis_for_each_column(nodes: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match="one axis"):
        AllowedTable(nodes=nodes, allowed=np.ones((2, 2), dtype=bool))
