from __future__ import annotations

import numpy as np
import pandas as pd
from evaluation.people import SCHEMA, people

from dpsynth import Categorical, Integer, Schema
from dpsynth.evaluation.nearest import FAR, closest, levels
from dpsynth.evaluation.tables import Tables


def test_all_forms_find_what_plain_counting_finds() -> None:
    """Tables of different lengths: a place in one must never be looked up in the other."""
    rng = np.random.default_rng(0)
    left, right = (rng.integers(0, 5, (4, n)).astype(np.float32) * FAR / 3 for n in (90, 130))
    distances = np.minimum(np.abs(left[:, :, None] - right[:, None, :]), FAR).sum(axis=0)
    wanted = (
        distances.min(axis=1),
        distances.argmin(axis=1),
        distances.min(axis=0),
        distances.argmin(axis=0),
    )
    for form in (closest.loop, closest.vectorised, closest.fastest):
        for ours, theirs in zip(form(left, right), wanted, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_columns_add_ranks_or_zero_and_one() -> None:
    schema = Schema(
        name="s",
        columns=(Integer(name="n", minimum=0, maximum=1000), Categorical(name="c", categories=("a", "b"))),
    )
    real = pd.DataFrame({"n": [0, 1, 1000, None], "c": ["a", "a", "b", None]})
    tables = Tables.read(real, real, schema)
    codes = levels(tables, [tables.real], ranked=[tables.real])[0]
    gaps = np.minimum(np.abs(codes[:, :, None] - codes[:, None, :]), FAR).sum(axis=0) / FAR
    third = 1 / 3
    np.testing.assert_allclose(
        gaps,
        [
            [0, third, 2 * third + 1, 2],
            [third, 0, third + 1, 2],
            [2 * third + 1, third + 1, 0, 2],
            [2, 2, 2, 0],
        ],
        atol=1e-4,
    )


def test_a_row_is_at_no_distance_from_itself() -> None:
    frame = people(200)
    tables = Tables.read(frame, frame, SCHEMA)
    ours, theirs = levels(tables, [tables.real, tables.synthetic], ranked=[tables.real])
    assert (closest(ours, theirs)[0] == 0).all()
