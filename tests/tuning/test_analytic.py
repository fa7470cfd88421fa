from __future__ import annotations

import math
from typing import Any

import pytest

from dpsynth import datasets
from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.results import PUBLIC
from dpsynth.privacy.gdp import advantage
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema
from dpsynth.tuning import analytic

EPSILONS = (0.1, 1.0, 10.0)


def test_the_formula_for_independent_columns() -> None:
    letters = tuple("abcd")
    schema = Schema(
        columns=tuple(Categorical(name=name, categories=letters, required=True) for name in ("one", "two"))
    )
    found = analytic(
        schema, methods="independent", epsilons=[1.0], delta=1e-6, rows=10_000, association=0.25
    ).points[0]
    assert found.mu is not None
    sigma = (
        math.sqrt(2) / found.mu
    )  # two columns of one size share mu squared, a removed row changes one cell
    column = schema.domain.sizes[0] * sigma / math.sqrt(2 * math.pi) / 10_000  # less than any cell holds
    assert found.utility["pair_accuracy"].median == pytest.approx(1 - 2 * column - 0.25, abs=1e-7)
    assert found.utility["k_marginal"].median == pytest.approx(1 - 3 * column - 0.5, abs=1e-7)


def test_more_epsilon_and_more_rows_are_expected_to_be_more_accurate() -> None:
    schema = datasets.adult_schema()
    few, many = (analytic(schema, epsilons=EPSILONS, rows=rows) for rows in (3_000, 300_000))
    for method in few.methods:
        for metric in ("k_marginal", "pair_accuracy"):
            values = [point.utility[metric].median for point in many.of(method)]
            assert values == sorted(values)
            assert values[0] > few.of(method)[0].utility[metric].median


def test_pairs_pay_where_there_is_epsilon_for_them() -> None:
    found = analytic(datasets.adult_schema(), epsilons=[0.05, 10.0], rows=30_000).compare()
    assert found.loc[10.0].idxmax() == "allpairs"
    assert found.loc[0.05, "mst"] < found.loc[0.05, "independent"]


def test_it_says_what_it_costs_and_what_it_assumes(schema: Schema) -> None:
    found = analytic(schema, epsilons=EPSILONS, delta=1e-6, rows=1_000)
    assert (found.cost.epsilon, found.disclosure) == (0.0, PUBLIC)
    assert "1,000 rows" in found.notes[0]
    assert all(point.replicates == 0 for point in found.points)
    assert found.choose(0.01).rate == 0
    reliable = [point.smallest_reliable_group or 0 for point in found.of("independent")]
    assert reliable == sorted(reliable, reverse=True)
    for point in found.of("independent"):
        assert point.advantage == pytest.approx(advantage(point.mu or 0))
    assert "2.72:1" in found.of("independent")[1].odds


def test_auto_stands_for_what_it_takes(schema: Schema) -> None:
    found = analytic(schema, methods="auto,allpairs", epsilons=[1.0], delta=1e-6, rows=1_000)
    (first,), (second,) = found.of("auto"), found.of("allpairs")
    assert first.utility == second.utility


@pytest.mark.parametrize("method", ["aim", "privbayes"])
def test_methods_without_a_closed_form_are_refused(schema: Schema, method: str) -> None:
    with pytest.raises(ConfigurationError, match="no closed form"):
        analytic(schema, methods=method, epsilons=[1.0], delta=1e-6, rows=1_000)


@pytest.mark.parametrize(
    "wrong", [{"rows": 0}, {"association": 1.0}, {"metric": "tstr"}, {"epsilons": []}, {"epsilons": [-1.0]}]
)
def test_arguments_without_sense_are_refused(schema: Schema, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        analytic(schema, **{"epsilons": [1.0], "rows": 100, **wrong})


def test_an_open_schema_is_refused() -> None:
    schema = Schema(columns=(Categorical(name="town"),))
    with pytest.raises(ConfigurationError, match="town"):
        analytic(schema, epsilons=[1.0], rows=100)


def test_a_single_column_has_no_pairs() -> None:
    schema = Schema(columns=(Categorical(name="town", categories=("a", "b")),))
    found = analytic(schema, epsilons=[1.0], rows=100)
    assert found.methods == ("allpairs", "independent", "mst")
