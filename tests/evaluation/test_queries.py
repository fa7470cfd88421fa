from __future__ import annotations

import numpy as np
import pytest
from evaluation.five import five

from dpsynth.evaluation.queries import Query, queries, query_errors, random_queries


def test_a_query_counts_rows() -> None:
    tables = five()["copy"]
    town = np.zeros(tables.sizes[2], bool)
    town[1] = True
    owner = np.zeros(tables.sizes[3], bool)
    owner[2] = True
    query = Query(kind="group", places=(2, 3), asked=(town, owner))
    expected = ((tables.real.codes[:, 2] == 1) & (tables.real.codes[:, 3] == 2)).mean()
    assert query.share(tables.real) == pytest.approx(expected)


def test_what_is_asked_is_public() -> None:
    one, other = five()["sample"], five()["uniform"]
    asked = [[query.places for query in random_queries(tables, 30)] for tables in (one, other)]
    assert asked[0] == asked[1]
    assert {len(places) for places in asked[0]} == {1, 2, 3}
    assert not any(query.asked[0][0] or query.asked[0][-1] for query in random_queries(one, 30))


def test_anchors_are_in_order() -> None:
    found = {name: queries(tables) for name, tables in five().items()}
    for place in (0, 1):
        values = {name: results[place].value for name, results in found.items()}
        assert values["copy"] == values["shuffled"] == 0
        assert 0 < values["sample"] < values["independent"] < values["uniform"]
        ceiling, floor = found["sample"][place].ceiling, found["sample"][place].floor
        assert ceiling is not None
        assert floor is not None
        assert 0 < ceiling < floor
        assert floor == pytest.approx(values["independent"], rel=0.3)
    mean, high = found["sample"]
    assert mean.value < high.value
    assert {part.label for part in mean.parts} == {
        (kind, columns) for kind in ("range", "group") for columns in ("1 column", "2 columns", "3 columns")
    }


def test_errors_are_percent_of_rows() -> None:
    tables = five()["uniform"]
    errors = query_errors(tables, random_queries(tables, 40))
    assert errors.shape == (40,)
    assert 5 < errors.max() <= 100
