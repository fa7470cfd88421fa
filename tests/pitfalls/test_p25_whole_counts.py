"""P25: float sums whose sensitivity depends on order; counts that overflow their type."""

from __future__ import annotations

import numpy as np

from dpsynth.mechanisms import MarginalGap, on_grid
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.schema.layout import Domain

RNG = np.random.default_rng(4)
ROWS = 70_000
CODES = {"x": RNG.integers(0, 300, ROWS), "y": np.full(ROWS, 299)}
DOMAIN = Domain(columns=("x", "y"), sizes=(300, 300))


def test_counts_are_64_bit_and_do_not_overflow_the_type_of_the_codes() -> None:
    table = EncodedTable(DOMAIN, CODES, rows=ROWS)
    assert table.codes("y").dtype == np.uint16
    counts = table.marginal_counts(("y", "x"))
    assert counts.dtype == np.int64
    assert counts.sum() == counts.reshape(300, 300)[299].sum() == ROWS
    narrow = table.codes("y") * np.uint16(300) + table.codes("x")  # the broken twin wraps around
    assert np.bincount(narrow, minlength=90_000)[299 * 300 :].sum() == 0


def test_scores_do_not_depend_on_the_order_of_rows_or_cells() -> None:
    estimate = on_grid(RNG.normal(0, 1e3, 300), 8)
    score = MarginalGap(cliques=(("x",),), estimates=(estimate,), bits=8)
    order = RNG.permutation(ROWS)
    straight = EncodedTable(DOMAIN, CODES, rows=ROWS)
    shuffled = EncodedTable(DOMAIN, {name: codes[order] for name, codes in CODES.items()}, rows=ROWS)
    assert score.evaluate(straight).tolist() == score.evaluate(shuffled).tolist()


def test_one_row_moves_an_integer_score_by_exactly_its_grid_and_a_float_score_by_more() -> None:
    huge = 2**44
    estimate = np.array([-(2**60) // huge * huge, 0], dtype=np.int64)
    domain = Domain(columns=("x",), sizes=(2,))

    def table(rows: int) -> EncodedTable:
        return EncodedTable(domain, {"x": np.zeros(rows, dtype=np.int32)}, rows=rows)

    score = MarginalGap(cliques=(("x",),), estimates=(estimate,), bits=4)
    moves = [int(np.abs(score.evaluate(table(n + 1)) - score.evaluate(table(n)))[0]) for n in range(40)]
    assert set(moves) == {16}

    def floating(rows: int) -> float:  # the broken twin: sensitivity 16 was promised
        return float(np.abs(np.array([16.0 * rows, 0.0]) - estimate.astype(np.float64)).sum())

    assert max(abs(floating(n + 1) - floating(n)) for n in range(40)) > 16
