from __future__ import annotations

import math

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.mechanisms.queries import CELLS_LIMIT, Marginal, Total
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

FORMS = [
    (Unit(), 1, 1, 1.0),
    (Unit(relation="replace_one"), 1, 2, math.sqrt(2)),
    (Unit(id_column="id", contributions=3), 3, 3, 3.0),
    (Unit(relation="replace_one", id_column="id", contributions=3), 3, 6, 3 * math.sqrt(2)),
]


@pytest.mark.parametrize(("unit", "k", "l1", "l2"), FORMS)
def test_sensitivities(unit: Unit, k: int, l1: float, l2: float) -> None:
    marginal = Marginal(columns=("a",)).sensitivity(unit)
    assert marginal.l1 == l1
    assert l2 <= marginal.l2 <= l2 * (1 + 1e-15)
    total = Total().sensitivity(unit)
    assert (total.l1, total.l2) == (k, k)


def test_answers(table: EncodedTable, codes: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(
        Marginal(columns=("a",)).evaluate(table), np.bincount(codes["a"], minlength=2)
    )
    assert Total().evaluate(table).tolist() == [200]
    assert Total().evaluate(table).dtype == np.int64


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
