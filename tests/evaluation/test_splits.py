from __future__ import annotations

import numpy as np
import pytest
from evaluation.people import SCHEMA, people, shuffled

from dpsynth.errors import DataError
from dpsynth.evaluation.splits import Target, split
from dpsynth.evaluation.tables import Tables


def test_sorted_tables_do_not_depend_on_the_order_of_rows() -> None:
    real, synthetic = people(200), people(150, seed=1)
    first = Tables.read(real, synthetic, SCHEMA, holdout=people(40, seed=2))
    second = Tables.read(shuffled(real), shuffled(synthetic), SCHEMA, holdout=shuffled(people(40, seed=2)))
    for name in ("real", "synthetic", "holdout"):
        np.testing.assert_array_equal(getattr(first, name).codes, getattr(second, name).codes)
        for column, readings in getattr(first, name).readings.items():
            np.testing.assert_array_equal(readings, getattr(second, name).readings[column])


def test_without_a_holdout_real_rows_are_cut_and_the_note_says_so() -> None:
    tables = Tables.read(people(200), people(150, seed=1), SCHEMA)
    found, again = split(tables), split(tables)
    assert (len(found.train), len(found.test)) == (140, 60)
    assert "may have seen them" in found.note
    np.testing.assert_array_equal(found.test.codes, again.test.codes)
    both = np.concatenate([found.train.codes, found.test.codes])
    assert sorted(map(tuple, both)) == sorted(map(tuple, tables.real.codes))
    with_holdout = Tables.read(people(200), people(150, seed=1), SCHEMA, holdout=people(40, seed=2))
    assert split(with_holdout).note == ""
    assert split(with_holdout).test is with_holdout.holdout


def test_targets_are_classes_or_numbers() -> None:
    real = people(300)
    tables = Tables.read(real, people(300, seed=1), SCHEMA)
    town = Target.of(tables, "town")
    assert town.classes is not None
    assert town.classes.tolist() == [1, 2, 3]
    known = town.known(tables.real)
    assert len(known) == int(real["town"].notna().sum())
    assert set(town.values(known)) == {0.0, 1.0, 2.0}
    income = Target.of(tables, "income")
    assert income.classes is None
    assert len(income.known(tables.real)) == int(real["income"].notna().sum())
    assert [tables.columns[i] for i in income.inputs] == ["age", "town", "owner", "class"]
    with pytest.raises(DataError, match="no column 'height'"):
        Target.of(tables, "height")


def test_a_number_of_two_values_is_two_classes_and_many_classes_are_cut() -> None:
    from dpsynth import Categorical, Integer, Schema

    schema = Schema(
        columns=(
            Integer(name="sick", minimum=0, maximum=1),
            Categorical(name="code", categories=tuple(range(30))),
        )
    )
    import pandas as pd

    rng = np.random.default_rng(0)
    weights = np.arange(1, 31) / np.arange(1, 31).sum()
    frame = pd.DataFrame({"sick": rng.integers(0, 2, 2000), "code": rng.choice(30, 2000, p=weights)})
    tables = Tables.read(frame, frame, schema)
    sick, code = Target.of(tables, "sick"), Target.of(tables, "code")
    assert sick.classes is not None
    assert sick.classes.tolist() == [1, 2]
    assert code.classes is not None
    assert len(code.classes) == 20
    assert "20 commonest" in code.note
    assert len(code.known(tables.real)) < 2000
