from __future__ import annotations

import numpy as np
import pytest
from evaluation.five import five
from sklearn.metrics import r2_score, roc_auc_score

from dpsynth.evaluation.scoring import area, interval, score, trivial
from dpsynth.evaluation.splits import Target


def test_areas_are_those_of_scikit_learn_with_ties_and_weights() -> None:
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 9, 300) / 8, rng.random(300) < 0.3
    weights = rng.integers(0, 4, (5, 300)).astype(float)
    found = area(scores, positive, weights)
    expected = [roc_auc_score(positive, scores, sample_weight=one) for one in weights]
    np.testing.assert_allclose(found, expected)
    assert np.isnan(area(scores, np.zeros(300, bool), weights)).all()


def test_several_classes_and_numbers() -> None:
    tables, rng = five()["sample"], np.random.default_rng(1)
    town, income = Target.of(tables, "town"), Target.of(tables, "income")
    truth = rng.integers(0, 3, 200).astype(float)
    predicted = rng.dirichlet([1, 1, 1], 200)
    expected = roc_auc_score(truth, predicted, multi_class="ovr", average="macro")
    assert score(town, predicted, truth)[0] == pytest.approx(expected)
    values = rng.normal(5, 2, 100)
    guess = values + rng.normal(0, 1, 100)
    weights = rng.integers(0, 3, (4, 100)).astype(float)
    np.testing.assert_allclose(
        score(income, guess, values, weights), [r2_score(values, guess, sample_weight=w) for w in weights]
    )
    assert np.isnan(score(income, guess, np.full(100, 3.3)))[0]
    assert np.isnan(score(town, predicted, np.zeros(200)))[0]
    assert np.isnan(score(town, predicted[:0], truth[:0]))[0]
    assert trivial(town, truth, truth) == 0.5
    assert trivial(income, values, values) == pytest.approx(0)
    assert np.isnan(trivial(income, values[:0], values))


def test_intervals_hold_the_value_and_shrink_with_rows() -> None:
    target = Target.of(five()["sample"], "class")
    widths = []
    for rows in (100, 4000):
        rng = np.random.default_rng(2)
        truth = (rng.random(rows) < 0.4).astype(float)
        second = 0.3 * truth + 0.7 * rng.random(rows)
        predicted = np.stack([1 - second, second], axis=1)
        low, high = interval(target, predicted, truth, np.random.default_rng(3)) or (0.0, 0.0)
        assert low < score(target, predicted, truth)[0] < high
        assert interval(target, predicted, truth, np.random.default_rng(3)) == (low, high)
        widths.append(high - low)
    assert widths[1] < widths[0] / 3
    assert interval(target, predicted[:0], truth[:0], rng) is None
    assert interval(target, predicted, np.zeros(rows), rng) is None
