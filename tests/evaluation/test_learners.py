from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from evaluation.five import five
from evaluation.people import SCHEMA, people

from dpsynth.evaluation.learners import CLASSIFIERS, REGRESSORS, fit, one_hot, plain_inputs
from dpsynth.evaluation.scoring import score
from dpsynth.evaluation.splits import Target
from dpsynth.evaluation.tables import Tables


@pytest.mark.parametrize("encode", [one_hot, plain_inputs])
def test_a_row_is_encoded_alike_in_every_table(encode: object) -> None:
    """Others fit an encoder to each table: a category that one of them lacks shifts all that follow."""
    tables = five()["sample"]
    assert tables.holdout is not None
    places = (0, 1, 2, 3)
    east = np.flatnonzero(tables.holdout.codes[:, 2] == 1)
    few = tables.holdout.take(east)
    whole, cut = encode(tables, places, tables.holdout), encode(tables, places, few)  # type: ignore[operator]
    if encode is one_hot:
        whole, cut = whole.toarray(), cut.toarray()
        assert (whole.sum(axis=1) == 4).all()
    np.testing.assert_array_equal(whole[east], cut)


@pytest.mark.parametrize("family", CLASSIFIERS)
@pytest.mark.parametrize("name", ["class", "town"])
def test_classifiers_learn_and_repeat(family: str, name: str) -> None:
    tables = five()["sample"]
    target = Target.of(tables, name)
    first, second = (fit(tables, target, family, tables.real, quick=True) for _ in range(2))
    assert tables.holdout is not None
    test = target.known(tables.holdout)
    found = first.scores(test)
    np.testing.assert_array_equal(found, second.scores(test))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert score(target, found, target.values(test))[0] > 0.75
    assert first.scores(test.take(np.arange(0))).shape == (0, found.shape[1])
    # One by one is like all together: what is predicted of a row does not depend on other rows.
    np.testing.assert_allclose(first.scores(test.take(np.arange(5, 9))), found[5:9])


@pytest.mark.parametrize("family", REGRESSORS)
def test_regressions_learn(family: str) -> None:
    tables = five()["sample"]
    target = Target.of(tables, "income")
    assert tables.holdout is not None
    test = target.known(tables.holdout)
    found = fit(tables, target, family, tables.real, quick=True).scores(test)
    assert score(target, found, target.values(test))[0] > 0.4


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_a_table_of_one_class_teaches_nothing(family: str) -> None:
    real = people(200)
    one = real.assign(**{"class": "low"})
    tables = Tables.read(real, one, SCHEMA)
    target = Target.of(tables, "class")
    found = fit(tables, target, family, tables.synthetic).scores(tables.real)
    assert score(target, found, target.values(tables.real))[0] == 0.5


def test_a_class_that_was_not_trained_gets_nothing() -> None:
    real = people(300)
    some = real[real["town"] != "north"]
    tables = Tables.read(real, some, SCHEMA)
    target = Target.of(tables, "town")
    assert (fit(tables, target, "logistic", tables.synthetic).scores(tables.real)[:, 0] == 0).all()


def test_numbers_and_dates_without_a_cell_are_missing_to_trees() -> None:
    real = people(100)
    odd = real.astype(object)
    odd.loc[0, "age"] = "unreadable"
    tables = Tables.read(real, pd.DataFrame(odd), SCHEMA)
    assert np.isnan(plain_inputs(tables, (0,), tables.synthetic)[:, 0]).sum() == 1
