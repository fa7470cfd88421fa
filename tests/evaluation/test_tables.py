from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from evaluation.people import SCHEMA, independent, people, shuffled, uniform

from dpsynth.errors import DataError
from dpsynth.evaluation.anchors import Anchors, Score
from dpsynth.evaluation.tables import Cells, Tables, generator


def test_cells_are_values_where_they_are_few_and_quantiles_where_they_are_many() -> None:
    few = Cells.of(np.array([3.0, 1.0, np.nan, 1.0]), numeric=True)
    assert few.codes(np.array([1.0, 3.0, 2.0, np.nan, np.inf, 9.0])).tolist() == [1, 2, 3, 0, 3, 3]
    assert few.size == 4
    many = Cells.of(np.arange(640.0), numeric=True)
    assert many.size == 32 + 2
    counts = np.bincount(many.codes(np.arange(640.0)), minlength=many.size)
    assert counts[0] == counts[-1] == 0
    assert counts[1:-1].tolist() == [20] * 32
    assert many.codes(np.array([-5.0, 1e9, np.nan, np.inf])).tolist() == [1, 32, 0, 33]
    assert Cells.of(np.full(3, np.nan), numeric=True).codes(np.array([1.0, np.nan])).tolist() == [1, 0]
    assert Cells.of(np.arange(60.0), numeric=False).size == 62


def test_tables_are_read_alike_and_frames_left_as_they_are() -> None:
    real, synthetic = people(400), people(300, seed=1)
    before = real.copy(deep=True), synthetic.copy(deep=True)
    tables = Tables.read(real, synthetic, SCHEMA, holdout=people(100, seed=2))
    pd.testing.assert_frame_equal(real, before[0])
    pd.testing.assert_frame_equal(synthetic, before[1])
    assert tables.real.codes.shape == (400, 5)
    assert tables.synthetic.codes.shape == (300, 5)
    assert tables.holdout is not None
    assert len(tables.holdout) == 100
    assert (tables.real.codes[:, 2] == 0).sum() == real["town"].isna().sum()
    assert (tables.real.codes.max(axis=0) < tables.sizes).all()
    assert [tables.numeric(name) for name in tables.columns] == [True, True, False, False, False]
    again = Tables.read(shuffled(real), synthetic, SCHEMA)
    np.testing.assert_array_equal(again.real.codes, tables.real.codes)
    np.testing.assert_array_equal(again.floor().synthetic.codes, tables.floor().synthetic.codes)


def test_text_and_numbers_of_one_value_are_one_value() -> None:
    real = people(200)
    texts = real.astype(object).where(real.notna(), "").astype(str)
    tables = Tables.read(real, texts, SCHEMA)
    np.testing.assert_array_equal(tables.real.codes, tables.synthetic.codes)


def test_what_cannot_be_compared_is_refused_by_name() -> None:
    real = people(10)
    with pytest.raises(DataError, match=r"synthetic table lacks the columns \['town'\]"):
        Tables.read(real, real.drop(columns="town"), SCHEMA)
    with pytest.raises(DataError, match="holdout table has no rows"):
        Tables.read(real, real, SCHEMA, holdout=real[:0])
    with pytest.raises(DataError, match="no column 'height'"):
        Tables.read(real, real, SCHEMA).place("height")


def distance(tables: Tables) -> Score:
    """Of shares of the first two columns' cells together."""
    shape = tables.sizes[:2]
    shares = [
        np.bincount(np.ravel_multi_index(rows.codes[:, :2].T, shape), minlength=np.prod(shape)) / len(rows)
        for rows in (tables.real, tables.synthetic)
    ]
    value = float(np.abs(shares[0] - shares[1]).sum() / 2)
    return Score(value=value, parts={("age",): 0.1, ("income",): 0.3})


def test_anchors_are_in_order() -> None:
    real = people(3000)
    found = {
        name: Anchors.of(Tables.read(real, synthetic, SCHEMA)).result(
            distance, name="d", family="fidelity", title="Distance"
        )
        for name, synthetic in {
            "copy": real,
            "sample": people(3000, seed=3),
            "independent": independent(real),
            "uniform": uniform(3000),
        }.items()
    }
    values = [found[name].value for name in ("copy", "sample", "independent", "uniform")]
    assert values == sorted(values)
    assert values[0] == 0
    sample = found["sample"]
    assert sample.ceiling == pytest.approx(sample.value, rel=0.1)
    assert found["independent"].achieved == pytest.approx(0, abs=0.1)
    assert [part.label for part in sample.parts] == [("income",), ("age",)]


def test_draws_repeat_with_the_seed_and_differ_between_purposes() -> None:
    tables = Tables.read(people(50), people(50), SCHEMA, seed=4)
    first, second, other = (generator(tables, purpose).random(4).tolist() for purpose in ("a", "a", "b"))
    assert first == second != other
