"""A public classifier on private rows: whole numbers, each row in one of two cells."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import GaussianMechanism, LaplaceMechanism, Marginal, PredictionHits
from dpsynth.mechanisms._additive import exact_answers
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.mechanisms.predictions import WEIGHT_LIMIT
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

RNG = np.random.default_rng(3)
A, B = RNG.integers(-3, 4, (2, 4)), RNG.integers(-3, 4, (3, 4))


def asked(**more: Any) -> PredictionHits:
    return PredictionHits(**{"target": "c", "columns": ("a", "b"), "weights": (A, B)} | more)


def said(a: int, b: int) -> int:
    """By the definition: the largest sum, of several the smallest code."""
    return max(range(4), key=lambda code: (int(A[a, code]) + int(B[b, code]), -code))


def right(codes: dict[str, np.ndarray]) -> int:
    return sum(said(a, b) == c for a, b, c in zip(codes["a"], codes["b"], codes["c"], strict=True))


def repeated(codes: dict[str, np.ndarray], domain: Domain, times: int) -> EncodedTable:
    return EncodedTable(domain, {n: np.tile(one, times) for n, one in codes.items()}, rows=200 * times)


def test_every_row_counts_once_as_hit_or_as_miss(codes: dict[str, np.ndarray], domain: Domain) -> None:
    hits = right(codes)
    assert 0 < hits < 200
    for times in (0, 1, 100):  # 100: several blocks
        answer = asked().answer(repeated(codes, domain, times))
        assert answer.tolist() == [times * hits, times * (200 - hits)]
        assert answer.dtype == np.int64


def test_of_equal_sums_the_smallest_code_is_said(table: EncodedTable, codes: dict[str, np.ndarray]) -> None:
    flat = asked(weights=(np.zeros((2, 4), int), np.zeros((3, 4), int)))
    assert flat.answer(table)[0] == (codes["c"] == 0).sum()


def test_the_largest_weights_do_not_overflow() -> None:
    """70 columns at the limit: in 32 bits, and in the mantissa of single precision, the sums would be wrong."""
    names = tuple(f"x{i}" for i in range(70))
    domain = Domain(columns=("y", *names), sizes=(2,) * 71)
    most = np.array([[WEIGHT_LIMIT - 1, WEIGHT_LIMIT], [-WEIGHT_LIMIT, WEIGHT_LIMIT]])
    weights = (np.array([[WEIGHT_LIMIT, WEIGHT_LIMIT - 1], [0, 0]]), *[most] * 69)
    rows = {name: np.zeros(1, int) for name in domain.columns}
    query = PredictionHits(target="y", columns=names, weights=weights)
    query.check(domain)
    assert query.answer(EncodedTable(domain, rows | {"y": np.ones(1, int)}, rows=1)).tolist() == [1, 0]


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_mechanisms_answer_it_beside_tables_of_counts(
    kind: str, table: EncodedTable, codes: dict[str, np.ndarray]
) -> None:
    queries = (Marginal(("a",)), asked(), Marginal(("b",)))
    mechanism = (
        GaussianMechanism(queries=queries, mus=(1e3,) * 3)
        if kind == "gaussian"
        else LaplaceMechanism(queries=queries, epsilons=(1e3,) * 3)
    )
    measured = mechanism.run(table, Unit())
    expected = [np.bincount(codes["a"]), [right(codes), 200 - right(codes)], np.bincount(codes["b"])]
    for value, wanted in zip(measured.values, expected, strict=True):
        assert value.tolist() == list(wanted)
        assert not value.flags.writeable
    assert measured.mechanism["queries"][1] == asked().describe()


@pytest.mark.parametrize("relation", ["add_remove", "replace_one"])
def test_between_neighbours_the_answer_moves_by_its_sensitivity_at_most(
    relation: str, domain: Domain, codes: dict[str, np.ndarray]
) -> None:
    """All single rows that can come, go or be exchanged, beside 200 others: the bound is met and kept."""
    unit = Unit(relation=relation)  # type: ignore[arg-type]
    rows = list(itertools.product(range(2), range(3), range(4)))

    def answer(row: tuple[int, ...] | None) -> np.ndarray:
        more = [] if row is None else [row]
        columns = {n: np.append(codes[n], [one[i] for one in more]).astype(int) for i, n in enumerate("abc")}
        return exact_answers(EncodedTable(domain, columns, rows=200 + len(more)), [asked()])[0]

    answers = [answer(row) for row in rows]
    others = answers if relation == "replace_one" else [answer(None)]
    moves = [one - two for one in answers for two in others]
    stated = asked().sensitivity(unit)
    assert max(np.abs(move).sum() for move in moves) == stated.l1
    assert max(np.sqrt((move**2).sum()) for move in moves) <= stated.l2
    assert stated == Marginal(("a",)).sensitivity(unit)


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": ()},
        {"columns": ("a", "a")},
        {"columns": ("a", "c")},
        {"weights": (A,)},
        {"weights": (A, B * 0.5)},
        {"weights": (A, B[:0])},
        {"weights": (A, B + WEIGHT_LIMIT + 4)},
        {"weights": (A, B - WEIGHT_LIMIT - 4)},
    ],
)
def test_what_is_no_classifier_in_whole_numbers_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="Expected"):
        asked(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"weights": (A, B[:2])}, {"weights": (A[:, :3], B)}, {"columns": ("b", "a")}]
)
def test_weights_of_another_table_are_refused_before_anything_is_drawn(
    wrong: dict[str, Any], domain: Domain, table: EncodedTable, scripted
) -> None:
    mechanism = GaussianMechanism(queries=(asked(**wrong),), mus=(1.0,))
    with scripted(), pytest.raises(ConfigurationError, match="each code"):
        mechanism.run(table, Unit())
    asked().check(domain)
    with pytest.raises(ConfigurationError, match="'salary'"):
        asked(target="salary").check(domain)


def test_the_description_changes_with_everything_and_the_weights_with_nothing() -> None:
    weights = B.copy()
    query = asked(weights=(A, weights))
    told = query.describe()
    weights[0, 0] += 1
    assert query.describe() == told == asked().describe()
    others = [asked(weights=(A, weights)), asked(target="d"), asked(columns=("a", "d"))]
    assert len({str(one.describe()) for one in (query, *others)}) == 4
    with pytest.raises(ValueError, match="read-only"):
        query.weights[0][0, 0] = 1
