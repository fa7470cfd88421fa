"""P14: selection under one neighbouring relation, measurement under another; 1 for 2, 1 for sqrt(2)."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from dpsynth.mechanisms import Marginal, MarginalGap, PredictionHits, Total
from dpsynth.mechanisms._additive import exact_answers
from dpsynth.mechanisms.base import Sensitivity
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

DOMAIN = Domain(columns=("x", "y"), sizes=(2, 2))
ROWS = list(itertools.product(range(2), range(2)))
PEOPLE = {k: [p for n in range(k + 1) for p in itertools.product(ROWS, repeat=n)] for k in (1, 2)}
QUERIES = (
    Marginal(columns=("x",)),
    Marginal(columns=("x", "y")),
    Total(),
    PredictionHits(target="y", columns=("x",), weights=(np.array([[1, 0], [0, 1]]),)),
)
SCORE = MarginalGap(
    cliques=(("x",), ("x", "y")),
    estimates=(np.array([3, -1]), np.array([9, 0, 0, -2])),
    bits=1,
    weights=(1, 3),
)


def table(rows: list[tuple[int, int]]) -> EncodedTable:
    codes = np.array(rows, dtype=np.int32).reshape(len(rows), 2)
    return EncodedTable(DOMAIN, {"x": codes[:, 0], "y": codes[:, 1]}, rows=len(rows))


def neighbours(unit: Unit) -> list[tuple[EncodedTable, EncodedTable]]:
    """All pairs of tables that differ by one unit, beside a few rows of others."""
    others = [ROWS[0], ROWS[3], ROWS[3]]
    people = PEOPLE[unit.contributions]
    if unit.relation == "add_remove":
        return [(table(others), table([*others, *person])) for person in people]
    return [(table([*others, *one]), table([*others, *two])) for one in people for two in people]


UNITS = [
    Unit(),
    Unit(relation="replace_one"),
    Unit(id_column="id", contributions=2),
    Unit(relation="replace_one", id_column="id", contributions=2),
]


def observed(query, pairs) -> tuple[float, float]:
    moves = [exact_answers(one, [query])[0] - exact_answers(two, [query])[0] for one, two in pairs]
    return max(np.abs(m).sum() for m in moves), max(math.sqrt((m**2).sum()) for m in moves)


@pytest.mark.parametrize("unit", UNITS, ids=str)
@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.describe()["type"])
def test_sensitivities_are_the_largest_change_between_neighbours(query, unit: Unit) -> None:
    stated, (l1, l2) = query.sensitivity(unit), observed(query, neighbours(unit))
    assert stated.l1 == l1
    assert l2 <= stated.l2 == pytest.approx(l2)


@pytest.mark.parametrize("unit", UNITS, ids=str)
def test_selection_and_measurement_agree_on_the_relation(unit: Unit) -> None:
    moves = [np.abs(SCORE.evaluate(one) - SCORE.evaluate(two)).max() for one, two in neighbours(unit)]
    assert SCORE.sensitivity(unit) == 2 * 3 * Marginal(columns=("x",)).sensitivity(unit).l1
    assert max(moves) <= SCORE.sensitivity(unit)


def test_add_remove_sensitivities_are_caught_under_replacement() -> None:
    broken = Sensitivity(l1=1.0, l2=1.0)
    l1, l2 = observed(QUERIES[0], neighbours(Unit(relation="replace_one")))
    assert (l1, l2) == (2, pytest.approx(math.sqrt(2)))
    assert broken.l1 < l1
    assert broken.l2 < l2
