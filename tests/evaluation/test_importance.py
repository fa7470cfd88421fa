from __future__ import annotations

import numpy as np
import pytest
from evaluation.five import five
from evaluation.people import SCHEMA, people
from sklearn.metrics import cohen_kappa_score

from dpsynth.evaluation.importance import (
    Models,
    _agree,
    agreement,
    importance,
    permutation_importance,
    rank_correlation,
)
from dpsynth.evaluation.learners import fit
from dpsynth.evaluation.splits import Target, split
from dpsynth.evaluation.tables import Tables


def models(tables: Tables, name: str) -> Models:
    return Models.of(tables, Target.of(tables, name), split(tables), quick=True)


def test_kappa_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    left = rng.integers(0, 4, 500)
    right = np.where(rng.random(500) < 0.6, left, rng.integers(0, 4, 500))
    share, kappa = _agree(left, right)
    assert share == (left == right).mean()
    assert kappa == pytest.approx(cohen_kappa_score(left, right))
    assert np.isnan(_agree(left * 0, left * 0)[1])
    assert np.isnan(_agree(left[:0], left[:0])).all()


def test_rank_correlations() -> None:
    one = np.array([0.3, 0.1, 0.2, 0.1])
    assert rank_correlation(one, 5 * one) == pytest.approx(1)
    assert rank_correlation(one, -one) == pytest.approx(-1)
    assert np.isnan(rank_correlation(one, one * 0))
    assert np.isnan(rank_correlation(one[:1], one[:1]))


def test_importance_finds_the_column_that_matters() -> None:
    tables = five()["sample"]
    result = importance(tables, models(tables, "class"), quick=True)
    by_column = {part.label: part for part in result.parts}
    assert max(by_column, key=lambda label: by_column[label].value) == ("income",)
    assert max(by_column, key=lambda label: by_column[label].ceiling or 0) == ("income",)
    assert importance(tables, models(tables, "class"), quick=True) == result


def test_numbers_agree_by_cell() -> None:
    tables = five()["sample"]
    share, kappa = agreement(tables, models(tables, "income"))
    assert share.floor is not None
    assert share.ceiling is not None
    assert share.floor < share.value <= 1
    assert kappa.value < share.value


def test_importances_do_not_depend_on_how_many_columns_are_asked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables = Tables.read(people(400), people(400, seed=1), SCHEMA)
    target = Target.of(tables, "class")
    model = fit(tables, target, "gradient_boosting", tables.real, quick=True)
    found = []
    for cells in (1, 2**22):
        monkeypatch.setattr("dpsynth.evaluation.importance._MOST_CELLS", cells)
        found.append(permutation_importance(model, tables.real, repeats=2, seed=0).tolist())
    assert found[0] == found[1]
    assert max(found[0]) > 0.1
