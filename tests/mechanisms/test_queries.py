from __future__ import annotations

import math

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.mechanisms.queries import CELLS_LIMIT, Marginal, MergedMarginal, Total
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

FORMS = [
    (Unit(), 1, 1, 1.0),
    (Unit(relation="replace_one"), 1, 2, math.sqrt(2)),
    (Unit(id_column="id", contributions=3), 3, 3, 3.0),
    (Unit(relation="replace_one", id_column="id", contributions=3), 3, 6, 3 * math.sqrt(2)),
]


def answer(query: Marginal | Total, table: EncodedTable) -> np.ndarray:
    return table.counts_of([query.counted])[0]


@pytest.mark.parametrize(("unit", "k", "l1", "l2"), FORMS)
def test_sensitivities(unit: Unit, k: int, l1: float, l2: float) -> None:
    marginal = Marginal(columns=("a",)).sensitivity(unit)
    assert marginal.l1 == l1
    assert l2 <= marginal.l2 <= l2 * (1 + 1e-15)
    assert MergedMarginal(columns=("a",), groups=((0, 0),)).sensitivity(unit) == marginal
    total = Total().sensitivity(unit)
    assert (total.l1, total.l2) == (k, k)


def test_answers(table: EncodedTable, codes: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(
        answer(Marginal(columns=("a",)), table), np.bincount(codes["a"], minlength=2)
    )
    assert answer(Total(), table).tolist() == [200]
    assert answer(Total(), table).dtype == np.int64


def test_descriptions_tell_queries_apart() -> None:
    queries = [Marginal(columns=("a",)), Marginal(columns=("a", "b")), Marginal(columns=("b", "a")), Total()]
    assert len({str(query.describe()) for query in queries}) == 4
    assert Marginal(columns=["a", "b"]) == Marginal(columns=("a", "b"))
    assert Marginal(columns=("a",)).describe() == {"type": "marginal/1", "columns": ["a"]}


@pytest.mark.parametrize("columns", [(), "age", ("a", "a")])
def test_marginals_need_different_names(columns: object) -> None:
    with pytest.raises(ConfigurationError, match="different names"):
        Marginal(columns=columns)


def test_what_does_not_fit_the_schema_is_refused_by_name(domain: Domain) -> None:
    with pytest.raises(ConfigurationError, match="'salary'"):
        Marginal(columns=("a", "salary")).check(domain)
    wide = Domain(columns=("a", "b"), sizes=(CELLS_LIMIT, 2))
    with pytest.raises(ConfigurationError, match="cells"):
        Marginal(columns=("a", "b")).check(wide)
    Marginal(columns=("a",)).check(wide)
    Total().check(domain)


def test_merged_answers_are_merged_counts(table: EncodedTable, codes: dict[str, np.ndarray]) -> None:
    fine, coarse = (0, 1, 2), (1, 0, 1, 0)
    for _ in range(2):
        for group in (coarse, (0, 0, 0, 1)):
            query = MergedMarginal(columns=("b", "c"), groups=(fine, group))
            assert query.shape == (3, 2)
            counts = answer(query, table)
            cells = codes["b"] * 2 + np.array(group)[codes["c"]]
            np.testing.assert_array_equal(counts, np.bincount(cells, minlength=6))
            assert counts.dtype == np.int64


def test_merged_cells_that_no_row_has_are_answered(domain: Domain) -> None:
    empty = EncodedTable(domain, {name: np.array([], np.int32) for name in "abc"}, rows=0)
    query = MergedMarginal(columns=("a", "c"), groups=((0, 1), (0, 1, 1, 2)))
    assert answer(query, empty).tolist() == [0] * 6


def test_descriptions_tell_groups_apart() -> None:
    groups = [((0, 0, 1),), ((0, 1, 1),), ((0, 1, 2),)]
    queries = [MergedMarginal(columns=("b",), groups=group) for group in groups]
    assert len({str(query.describe()) for query in queries}) == 3
    assert MergedMarginal(columns=["b"], groups=[np.array([0, 0, 1])]) == queries[0]
    assert queries[2].describe()["shape"] == [3]


@pytest.mark.parametrize("groups", [(), ((),), ((0, 2),), ((1, 1),), ((-1, 0),), ((0, 1), (0, 1))], ids=str)
def test_buckets_are_numbered_without_gaps(groups: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ConfigurationError, match="without gaps"):
        MergedMarginal(columns=("a",), groups=groups)


def test_merged_marginals_need_different_names() -> None:
    with pytest.raises(ConfigurationError, match="different names"):
        MergedMarginal(columns=("a", "a"), groups=((0,), (0,)))


def test_merged_marginals_that_do_not_fit_the_schema_are_refused(domain: Domain) -> None:
    with pytest.raises(ConfigurationError, match="'salary'"):
        MergedMarginal(columns=("salary",), groups=((0,),)).check(domain)
    with pytest.raises(ConfigurationError, match="one bucket for each code"):
        MergedMarginal(columns=("a",), groups=((0,),)).check(domain)
    many = tuple(range(2**14))
    wide = Domain(columns=("a", "b"), sizes=(2**14, 2**14))
    with pytest.raises(ConfigurationError, match="cells"):
        MergedMarginal(columns=("a", "b"), groups=(many, many)).check(wide)
    MergedMarginal(columns=("a", "b"), groups=((0,) * 2**14, many)).check(wide)
