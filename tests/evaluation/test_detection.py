from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from evaluation.anchored import anchored, five, letters, odd, unordered
from evaluation.people import SCHEMA, people, shuffled

from dpsynth.evaluation import detection as subject
from dpsynth.evaluation.anchors import Anchors
from dpsynth.evaluation.detection import Classifier, auc, design, detection, pmse_ratio
from dpsynth.evaluation.tables import Tables

pytest.importorskip("sklearn")
CLASSIFIERS: tuple[Classifier, ...] = ("trees", "linear")


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_the_anchors_are_in_order(classifier: Classifier) -> None:
    found = five(lambda tables: auc(tables, classifier=classifier).value)
    assert found["copy"] == found["shuffled"] <= 0.5
    assert found["copy"] <= found["sample"] < found["independent"] < found["uniform"]
    # A classifier that scores its own training rows tells any two samples apart.
    assert found["sample"] == pytest.approx(0.5, abs=0.06)
    assert found["uniform"] > 0.9


def test_propensities_are_in_order() -> None:
    found = five(lambda tables: pmse_ratio(tables).value)
    assert found["copy"] == found["shuffled"] == pytest.approx(0, abs=1e-3)
    assert 1 < found["sample"] < 3
    assert found["sample"] < found["independent"] < found["uniform"]


def test_the_expectation_of_pmse_is_that_of_permutations() -> None:
    """Both tables vary when labels are permuted, so it is 1 / (1 - c) times that of Snoke et al.: twice."""
    pooled = people(1000)
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(30):
        order = rng.permutation(1000)
        ratios.append(
            pmse_ratio(Tables.read(pooled.iloc[order[:500]], pooled.iloc[order[500:]], SCHEMA)).value
        )
    assert np.mean(ratios) == pytest.approx(2, abs=4 * np.std(ratios) / math.sqrt(30) + 0.1)


def test_a_resample_of_the_real_rows_has_a_ratio_of_one() -> None:
    real = people(2000)
    ratios = [
        pmse_ratio(Tables.read(real, real.sample(frac=1, replace=True, random_state=seed), SCHEMA)).value
        for seed in range(8)
    ]
    assert np.mean(ratios) == pytest.approx(1, abs=0.2)


def test_the_linear_model_sees_pairs() -> None:
    """Columns that are right one by one and wrong together: a model of single columns is blind to that."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, 1500)
    real = pd.DataFrame({"a": first, "b": first})
    synthetic = pd.DataFrame({"a": first, "b": rng.permutation(first)})
    tables = Tables.read(real, synthetic, letters(a=2, b=2))
    assert auc(tables, classifier="linear").value > 0.6
    assert pmse_ratio(tables).value > 20


def test_the_design_has_common_cells_and_products() -> None:
    tables = Tables.read(people(400), people(400, seed=1), SCHEMA)
    codes = np.concatenate([tables.real.codes, tables.synthetic.codes])
    found = design(tables, codes).toarray()
    common = sum(
        int((np.bincount(codes[:, place]) >= subject._RARE).sum()) for place in range(len(tables.columns))
    )
    assert found.shape == (800, common + 5 + 10)
    assert set(np.unique(found)) == {0, 1}
    cut = subject._halved(tables, 0, tables.real.codes[:, 0])
    assert cut.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("metric", [*CLASSIFIERS, "pmse"])
def test_the_order_of_rows_means_nothing(metric: str) -> None:
    first, second = unordered(
        lambda tables: (pmse_ratio(tables) if metric == "pmse" else auc(tables, classifier=metric)).value  # type: ignore[arg-type]
    )
    assert first == pytest.approx(second, rel=1e-6)


def test_unequal_tables_are_balanced_and_large_ones_cut() -> None:
    real = people(900)
    tables = Tables.read(real, people(200, seed=3), SCHEMA)
    codes, labels = subject._balanced(tables, 10_000, "test")
    assert (len(codes), labels.sum()) == (400, 200)
    codes, labels = subject._balanced(tables, 50, "test")
    assert (len(codes), labels.sum()) == (100, 50)
    again = Tables.read(shuffled(real), people(200, seed=3), SCHEMA)
    np.testing.assert_array_equal(codes, subject._balanced(again, 50, "test")[0])


def test_the_results_come_with_yardsticks() -> None:
    found = {one.name: one for one in detection(Anchors.of(anchored()["independent"]), quick=True)}
    assert list(found) == ["detection_trees", "detection_linear", "pmse_ratio"]
    for one in list(found.values())[:2]:
        assert one.ceiling == pytest.approx(0.5, abs=0.07)
        assert one.floor is not None
        assert one.floor > 0.6
        assert one.interval is not None
        assert one.interval[0] < one.value < one.interval[1]
        assert "1,500" in one.note
    assert found["pmse_ratio"].ceiling == pytest.approx(2, abs=0.7)


def test_intervals_cover_the_area() -> None:
    """Of scores from two normal distributions, whose area is known."""
    from scipy.stats import norm

    rng = np.random.default_rng(0)
    truth, inside = float(norm.cdf(1 / math.sqrt(2))), 0
    for _ in range(200):
        scores = np.concatenate([rng.normal(0, 1, 150), rng.normal(1, 1, 150)])
        area = subject._area(scores, np.repeat([False, True], 150))
        inside += abs(area - truth) <= 1.96 * subject._hanley_mcneil(area, 150)
    assert inside >= 183


@pytest.mark.parametrize("name", odd())
def test_odd_tables_have_scores_or_say_why(name: str) -> None:
    for result in detection(Anchors.of(odd()[name]), quick=True):
        assert math.isfinite(result.value) or "Not defined here" in result.note


def test_nothing_heavy_is_loaded_with_the_room() -> None:
    code = "import sys, dpsynth.evaluation.fidelity; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
