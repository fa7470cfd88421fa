from __future__ import annotations

import numpy as np
from evaluation.people import SCHEMA, people, shuffled

from dpsynth.evaluation.results import Part, Result
from dpsynth.evaluation.tables import Tables
from dpsynth.evaluation.yardsticks import halves, sample, without_floor


def test_samples_do_not_depend_on_the_order_of_rows() -> None:
    codes = np.random.default_rng(0).integers(0, 9, (500, 4))
    moved = codes[np.random.default_rng(1).permutation(500)]
    first, second = (sample(table, 60, np.random.default_rng(2)) for table in (codes, moved))
    assert len(first) == 60
    np.testing.assert_array_equal(first, second)
    assert sorted(map(tuple, sample(codes, 900, np.random.default_rng(2)))) == sorted(map(tuple, codes))


def test_halves_share_no_row() -> None:
    real = people(301)
    found = [halves(Tables.read(frame, real, SCHEMA, seed=5)) for frame in (real, shuffled(real))]
    assert (len(found[0].real), len(found[0].synthetic)) == (151, 150)
    both = np.concatenate([found[0].real.codes, found[0].synthetic.codes])
    whole = Tables.read(real, real, SCHEMA).real.codes
    assert sorted(map(tuple, both)) == sorted(map(tuple, whole))
    np.testing.assert_array_equal(found[0].real.codes, found[1].real.codes)
    single = halves(Tables.read(real[:1], real, SCHEMA))
    assert (len(single.real), len(single.synthetic)) == (1, 1)


def test_a_floor_is_taken_from_the_parts_too() -> None:
    part = Part(label=("age",), value=0.1, ceiling=0.0, floor=0.3)
    result = Result(name="a", family="fidelity", title="A", value=0.1, ceiling=0.0, floor=0.3, parts=(part,))
    found = without_floor(result)
    assert found.floor is found.parts[0].floor is None
    assert found.parts[0].ceiling == 0
