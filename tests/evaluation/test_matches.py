from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from evaluation.people import SCHEMA, independent, people, shuffled, uniform

from dpsynth import Categorical, Schema
from dpsynth.errors import DataError
from dpsynth.evaluation.matches import exact_matches, numbered
from dpsynth.evaluation.results import Result
from dpsynth.evaluation.tables import Tables

REAL, HOLDOUT = people(600), people(600, seed=1)


def found(synthetic: pd.DataFrame, **more: pd.DataFrame) -> tuple[Result, Result]:
    frames = {"real": REAL, "holdout": HOLDOUT, **more}
    share, excess = exact_matches(
        Tables.read(frames["real"], synthetic, SCHEMA, holdout=frames["holdout"]), sensitive=("income",)
    )
    return share, excess


def part(result: Result, label: str) -> float:
    return {part.label[-1]: part.value for part in result.parts}[label]


def test_equal_numbers_are_equal_rows() -> None:
    first, second = numbered([np.array([[1.0, np.nan], [1.0, 2.0]]), np.array([[1.0, 2.0], [1.0, np.nan]])])
    assert first.tolist() == second[::-1].tolist()
    assert first[0] != first[1]


def test_anchors_are_in_order() -> None:
    copy, sample, apart, noise = (
        found(synthetic) for synthetic in (REAL, people(600, seed=2), independent(HOLDOUT), uniform(600))
    )
    assert copy[0].value == 1.0
    assert part(copy[0], "to the last digit") == 1.0
    assert copy[0].value > sample[0].value > apart[0].value >= noise[0].value
    assert copy[1].value > 0.5
    for one in (sample, apart, noise):
        low, high = one[1].interval or (math.nan, math.nan)
        assert low <= 0 <= high
    again = found(shuffled(REAL))
    assert [one.value for one in again] == [one.value for one in copy]


def test_a_share_comes_with_that_of_new_real_rows() -> None:
    """Six in ten rows equal a training row, and so do six in ten real rows that were never seen."""
    sample = found(people(600, seed=2))[0]
    assert sample.ceiling == pytest.approx(sample.value, abs=0.1)
    assert sample.floor is not None
    assert sample.floor < sample.value
    assert part(sample, "identifying columns") > sample.value


def test_sizes_are_made_equal() -> None:
    """Four times as many training rows meet more synthetic rows by chance; that is no copying."""
    low, high = found(people(600, seed=3), real=people(2400))[1].interval or (math.nan, math.nan)
    assert low <= 0 <= high


def test_copies_are_found_in_unequal_tables() -> None:
    excess = found(people(2400), real=people(2400))[1]
    assert excess.interval is not None
    assert excess.interval[0] > 0


def test_rows_of_one_combination_are_one_observation() -> None:
    schema = Schema(name="s", columns=(Categorical(name="a", categories=(0, 1, 2)),))
    real, holdout = (pd.DataFrame({"a": values}) for values in ([0, 1] * 50, [1, 2] * 50))
    synthetic = pd.DataFrame({"a": [0] * 90 + [1] * 5 + [2] * 5})
    excess = exact_matches(Tables.read(real, synthetic, schema, holdout=holdout))[1]
    assert excess.value == pytest.approx(0.85)
    assert excess.interval is not None
    assert excess.interval[0] < 0.8  # each row by itself would say 0.75 .. 0.95, three cells say nothing


def test_without_a_holdout_the_share_stands_alone_and_says_so() -> None:
    share, excess = exact_matches(Tables.read(REAL, REAL, SCHEMA))
    assert share.value == 1.0
    assert share.ceiling is None
    assert "holdout" in share.note
    assert math.isnan(excess.value)


def test_a_sensitive_column_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match="height"):
        exact_matches(Tables.read(REAL, REAL, SCHEMA), sensitive=("height",))


def test_many_columns_of_many_codes_are_numbered_without_overflow() -> None:
    """Thirty columns of a thousand codes: their combinations do not fit 64 bits, so they are squeezed."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 1000, (50, 30))
    first, second = numbered([rows, rows[::-1]])
    assert len(set(first.tolist())) == 50
    assert first.tolist() == second[::-1].tolist()
    nearly = rows.copy()
    nearly[:, 0] += 1
    ours, theirs = numbered([rows, nearly])
    assert not np.isin(ours, theirs).any()
