"""Rows that exchange codes never come to violate a structural zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from graphical.test_zeros import SIZES, every_row, some_tables
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.graphical.row_rules import RowRules, may_take
from dpsynth.graphical.zeros import AllowedTable, allowed_rows


def with_code(rows: Any, node: int, codes: Any) -> Any:
    changed = rows.copy()
    changed[:, node] = codes
    return changed


@given(some_tables(), st.integers(0, len(SIZES) - 1), st.integers(0, 2**32))
def test_a_code_may_be_taken_if_the_tables_of_its_column_allow_it(
    tables: list[AllowedTable], node: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    codes = every_row().astype(np.int32)
    rows = rng.integers(0, len(codes), 50)
    taken = rng.integers(0, SIZES[node], 50).astype(np.int32)
    rules = RowRules.of_tables(tables, len(SIZES))
    mine = [table for table in tables if node in table.nodes]
    expected = allowed_rows(with_code(codes[rows], node, taken), mine)
    assert (rules.may_take(codes, node, rows, taken) == expected).all()


@given(some_tables(), st.integers(0, len(SIZES) - 1), st.integers(0, 2**32))
def test_exchanges_that_are_admitted_keep_admissible_rows_admissible(
    tables: list[AllowedTable], node: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    codes = every_row().astype(np.int32)
    codes = codes[allowed_rows(codes, tables)]
    if not len(codes):
        return
    ours, theirs = rng.integers(0, len(codes), (2, 40))
    admitted = RowRules.of_tables(tables, len(SIZES)).may_exchange(codes, node, ours, theirs)
    left = allowed_rows(with_code(codes[ours], node, codes[theirs, node]), tables)
    right = allowed_rows(with_code(codes[theirs], node, codes[ours, node]), tables)
    assert (admitted == (left & right)).all()


@given(some_tables(), st.integers(0, len(SIZES) - 1), st.integers(0, 2**32))
def test_all_forms_of_the_kernel_agree(tables: list[AllowedTable], node: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = every_row().astype(np.int32)
    rows = rng.integers(0, len(codes), 30)
    taken = rng.integers(0, SIZES[node], 30).astype(np.int32)
    rules = RowRules.of_tables(tables, len(SIZES))
    given_arrays = (codes, rows, taken, rules.allowed, rules.uses[rules.first[node] : rules.first[node + 1]])
    answers = [form(*given_arrays) for form in (may_take.loop, may_take.vectorised, may_take)]
    assert all(answer.dtype == bool and answer.tolist() == answers[0].tolist() for answer in answers)


def test_the_layout_is_flat() -> None:
    wide = AllowedTable(nodes=(2, 0, 1), allowed=np.arange(24).reshape(2, 3, 4) % 2 == 0)
    pair = AllowedTable(nodes=(0, 3), allowed=np.ones((3, 5), dtype=bool))
    rules = RowRules.of_tables([wide, pair], 5)
    assert len(rules.allowed) == 24 + 15
    assert rules.of(0).tolist() == [[0, 4, 2, 12, 1, 1], [24, 5, 3, 1, 0, 0]]
    assert rules.of(1).tolist() == [[0, 1, 2, 12, 0, 4]]
    assert rules.of(3).tolist() == [[24, 1, 0, 5, 0, 0]]
    assert rules.of(4).shape == (0, 6)


def test_no_tables_rule_nothing_out() -> None:
    rules = RowRules.of_tables([], 2)
    codes = np.zeros((3, 2), np.int32)
    assert rules.may_exchange(codes, 1, np.array([0, 1]), np.array([2, 2])).all()
