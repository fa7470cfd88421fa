"""P13, P14: a score with the sensitivity of another one; PrivBayes under one neighbouring relation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from dpsynth.generators.growing import Growing, Limits, Offer
from dpsynth.mechanisms import Marginal
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.unit import Unit
from dpsynth.schema.columns import Categorical, Identifier
from dpsynth.schema.layout import Domain
from dpsynth.schema.schema import Schema

NAMES = ("x", "y", "z")
DOMAIN = Domain(columns=NAMES, sizes=(2, 2, 2))
CELLS = list(itertools.product(range(2), repeat=3))
OTHERS = [CELLS[0], CELLS[0], CELLS[3], CELLS[5], CELLS[7]]
UNITS = [
    Unit(),
    Unit(relation="replace_one"),
    Unit(id_column="id", contributions=2),
    Unit(relation="replace_one", id_column="id", contributions=2),
]

Rows = list[tuple[int, int, int]]


def table(rows: Rows) -> EncodedTable:
    codes = np.array(rows, dtype=np.int32).reshape(len(rows), 3)
    return EncodedTable(DOMAIN, dict(zip(NAMES, codes.T, strict=True)), rows=len(rows))


def neighbours(unit: Unit, others: Rows = OTHERS) -> list[tuple[Rows, Rows]]:
    """All pairs of tables that differ by one unit, beside the rows of others."""
    people = [
        list(rows)
        for count in range(unit.contributions + 1)
        for rows in itertools.product(CELLS, repeat=count)
    ]
    firsts = people if unit.relation == "replace_one" else [[]]
    return [([*others, *one], [*others, *two]) for one in firsts for two in people]


def offers(unit: Unit) -> list[Offer]:
    """What PrivBayes offers first and, once a family is placed, second: with pairs of parents."""
    columns = [Categorical(name=name, categories=(0, 1), required=True) for name in NAMES]
    schema = Schema(columns=(Identifier(name="id"), *columns), unit=unit)
    noisy = {name: (np.array([3.4, 1.9]) + i / 10, 0.3) for i, name in enumerate(NAMES)}
    limits = Limits(degree=2, usefulness=0.0, noise_weight=1.0, largest_table=100, memory_limit=2**20)
    growing = Growing(schema, noisy, limits, 0.5)
    first = growing.offer()
    growing.add(first.families[0], np.array([2, 1, 0, 2]), 0.3)
    return [first, growing.offer()]


def moved(score: Callable[[Rows], float], pairs: list[tuple[Rows, Rows]]) -> float:
    return max(abs(score(one) - score(two)) for one, two in pairs)


@pytest.mark.parametrize("unit", UNITS, ids=str)
def test_the_score_moves_no_further_than_stated(unit: Unit) -> None:
    pairs = neighbours(unit)
    distinct = {tuple(rows) for pair in pairs for rows in pair}
    first, second = offers(unit)
    assert max(len(family.parents) for family in second.families) == 2
    for offer in (first, second):
        scores = {rows: offer.score.evaluate(table(list(rows))) for rows in distinct}
        moves = [np.abs(scores[tuple(one)] - scores[tuple(two)]).max() for one, two in pairs]
        stated = offer.score.sensitivity(unit)
        # Selection and measurement take one relation and one k from one unit.
        assert stated == 2**10 * Marginal(columns=("x",)).sensitivity(unit).l1
        assert 0.5 * stated < max(moves) <= stated


def test_the_sensitivity_does_not_fall_with_the_number_of_rows() -> None:
    for offer in offers(Unit()):
        for rows in (OTHERS, OTHERS * 200):
            pairs = [(table(one), table(two)) for one, two in neighbours(Unit(), rows)]
            moves = [offer.score.evaluate(one) - offer.score.evaluate(two) for one, two in pairs]
            assert np.abs(moves).max() == 2**10 == offer.score.sensitivity(Unit())


def counts(rows: Rows) -> np.ndarray:
    """Of x and y."""
    return table(rows).marginal_counts(("x", "y")).reshape(2, 2).astype(np.float64)


def against_exact_margins(rows: Rows) -> float:
    """The L1 score with a reference that moves with the data."""
    joint = counts(rows)
    return float(np.abs(joint - np.outer(joint.sum(1), joint.sum(0)) / joint.sum()).sum())


def test_a_reference_from_exact_margins_is_caught() -> None:
    others = [(0, 0, 0)] * 20
    assert moved(against_exact_margins, neighbours(Unit(), others)) > 1.5


def information(rows: Rows, *, base: float = math.e, normalised: bool = False) -> float:
    shares = counts(rows) / len(rows)
    margins = shares.sum(1), shares.sum(0)
    inside = shares > 0
    plain = float((shares[inside] * np.log(shares[inside] / np.outer(*margins)[inside])).sum())
    entropies = [-float((m[m > 0] * np.log(m[m > 0])).sum()) for m in margins]
    if normalised:
        return plain / math.sqrt(math.prod(entropies)) if min(entropies) > 0 else 0.0
    return plain / math.log(base)


def published(n: int) -> float:
    """The bound of the paper for two columns, one of them binary, in nats; tables of n rows, n public."""
    return math.log(n) / n + (n - 1) / n * math.log(n / (n - 1))


def test_mutual_information_breaks_its_bound_as_published_packages_use_it() -> None:
    others = [(0, 0, 0)] * 20
    pairs = [(one, two) for one, two in neighbours(Unit(relation="replace_one"), others) if len(one) == 21]
    pairs = [(one, two) for one, two in pairs if len(two) == 21]
    bound = published(21)
    assert moved(information, pairs) <= bound
    assert moved(lambda rows: information(rows, base=2), pairs) > bound
    assert moved(lambda rows: information(rows, normalised=True), pairs) > bound
