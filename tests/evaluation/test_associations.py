from __future__ import annotations

import math

import numpy as np
import pytest
from evaluation.anchored import NUMBERS, anchored, five, odd, two_numbers, unordered
from scipy import stats

from dpsynth import Categorical, Real, Schema
from dpsynth.evaluation import associations as subject
from dpsynth.evaluation.anchors import Anchors
from dpsynth.evaluation.associations import (
    associations,
    correlation_ratio,
    cramers_v,
    difference,
)
from dpsynth.evaluation.tables import Tables

MIXED = ("spearman", "cramers_v", "correlation_ratio")
KINDS = ["pearson", "spearman", "cramers_v", "correlation_ratio"]


@pytest.mark.parametrize("kinds", [MIXED, *[(kind,) for kind in KINDS]])
def test_the_anchors_are_in_order(kinds: tuple[subject.Kind, ...]) -> None:
    found = five(lambda tables: difference(tables, kinds=kinds).value)
    assert found["copy"] == pytest.approx(0, abs=1e-9)
    assert found["shuffled"] == pytest.approx(0, abs=1e-9)
    assert found["copy"] < found["sample"] < found["independent"]
    assert found["uniform"] == pytest.approx(found["independent"], abs=0.05)


def test_cramers_v_is_corrected() -> None:
    """The uncorrected one calls independent columns of many categories associated."""
    rng = np.random.default_rng(0)
    counts = np.zeros((20, 20))
    np.add.at(counts, (rng.integers(0, 20, 500), rng.integers(0, 20, 500)), 1)
    plain = stats.contingency.association(counts.astype(int), method="cramer")
    assert plain > 0.15
    assert cramers_v(counts) < 0.06
    assert cramers_v(np.diag([500.0, 300, 200])) == pytest.approx(1, abs=0.01)
    n = 400
    table = np.array([[120.0, 80], [80, 120]])
    chi = stats.chi2_contingency(table, correction=False).statistic
    expected = math.sqrt((chi / n - 1 / (n - 1)) / (1 - 1 / (n - 1)))
    assert cramers_v(table) == pytest.approx(expected)
    assert math.isnan(cramers_v(np.array([[5.0, 3]])))


def test_correlation_ratios_are_those_of_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 300)
    values = codes * 1.0 + rng.normal(size=300)
    f = stats.f_oneway(*[values[codes == code] for code in range(3)]).statistic
    assert correlation_ratio(codes, values) == pytest.approx(math.sqrt(2 * (f - 1) / (2 * f + 297)))
    assert correlation_ratio(rng.integers(0, 100, 300), rng.normal(size=300)) < 0.3
    assert math.isnan(correlation_ratio(codes, np.ones(300)))
    assert math.isnan(correlation_ratio(np.zeros(300, np.int64), values))


def test_correlations_use_the_rows_where_both_are_known() -> None:
    rng = np.random.default_rng(0)
    real = two_numbers(0.7)
    real = real.where(rng.random(real.shape) > 0.2)
    tables = Tables.read(real, real, NUMBERS)
    expected = real["first"].corr(real["second"])
    assert subject.matrix(tables.real, tables, "pearson")["first", "second"] == pytest.approx(expected)
    ranks = subject.matrix(tables.real, tables, "spearman")["first", "second"]
    assert ranks == pytest.approx(real["first"].corr(real["second"], method="spearman"), abs=0.01)


def test_signs_and_strengths_count() -> None:
    """Absolute values, or matrices that are rescaled for each table, would call these equal."""
    real = two_numbers(0.8)
    mirrored = real.assign(second=-real["second"])
    found = difference(Tables.read(real, mirrored, NUMBERS), kinds=("pearson",))
    assert found.value == pytest.approx(1.6, abs=0.05)
    weaker = difference(Tables.read(real, two_numbers(0.4), NUMBERS), kinds=("pearson",))
    assert weaker.value == pytest.approx(0.4, abs=0.06)


def test_one_category_is_enough_for_the_other_pairs() -> None:
    """A matrix of categories alone is not a number for tables with one of them."""
    schema = Schema(
        name="one",
        columns=(
            Categorical(name="letter", categories=(0, 1)),
            Real(name="first", minimum=-9, maximum=9),
            Real(name="second", minimum=-9, maximum=9),
        ),
    )
    frame = two_numbers(0.5).assign(letter=lambda table: (table["first"] > 0).astype(int))
    found = associations(Anchors.of(Tables.read(frame, frame, schema)))
    assert {result.name: math.isfinite(result.value) for result in found[:5]} == {
        "association_difference": True,
        "pearson_difference": True,
        "spearman_difference": True,
        "cramers_v_difference": False,
        "correlation_ratio_difference": True,
    }
    assert "Not defined" in found[3].note


def test_a_column_that_became_constant_lost_its_associations() -> None:
    real = two_numbers(0.8)
    found = difference(Tables.read(real, real.assign(second=1.0), NUMBERS), kinds=("pearson",))
    assert found.value == pytest.approx(0.8, abs=0.05)


def test_the_results_come_with_yardsticks() -> None:
    found = {result.name: result for result in associations(Anchors.of(anchored()["independent"]))}
    whole = found["association_difference"]
    assert len(whole.parts) == 10
    assert whole.achieved == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("kinds", [MIXED, *[(kind,) for kind in KINDS]])
def test_the_order_of_rows_means_nothing(kinds: tuple[subject.Kind, ...]) -> None:
    """A table of counts of real against synthetic values row by row would change."""
    first, second = unordered(lambda tables: difference(tables, kinds=kinds).value)
    assert first == pytest.approx(second, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", odd())
def test_odd_tables_have_scores_or_say_why(name: str) -> None:
    for result in associations(Anchors.of(odd()[name])):
        assert math.isfinite(result.value) or "Not defined" in result.note
