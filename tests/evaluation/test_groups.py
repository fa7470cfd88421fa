from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from evaluation.five import five
from evaluation.people import SCHEMA, people

from dpsynth.errors import DataError
from dpsynth.evaluation.anchors import Anchors
from dpsynth.evaluation.groups import (
    Groups,
    fidelity_by_group,
    group_shares,
    majority_shift,
    mean_pair_distance,
    pair_shares,
)
from dpsynth.evaluation.tables import Tables

PROTECTED = ("town", "owner", "age")


def anchors() -> dict[str, Anchors]:
    return {name: Anchors.of(tables) for name, tables in five().items()}


def test_groups_are_values_bands_and_what_is_missing() -> None:
    tables = five()["sample"]
    town, age, owner = (Groups.of(tables, name) for name in ("town", "age", "owner"))
    assert town.labels == tuple(("town", each) for each in ("(missing)", "north", "east", "south", "(other)"))
    assert len(age.labels) == 4 + 2
    assert age.labels[1][1].startswith("below ")
    assert age.labels[4][1].endswith(" or more")
    assert [name for _, name in owner.labels] == ["(missing)", "False", "True", "(other)"]
    real = people(1500)
    shares = town.shares(tables, tables.real)
    assert shares[0] == real["town"].isna().mean()
    assert shares[2] == (real["town"] == "east").mean()
    np.testing.assert_allclose(age.shares(tables, tables.real)[1:5], 0.25, atol=0.03)
    both = Groups.of(tables, "town", "owner")
    assert len(both.labels) == 5 * 4
    found = dict(zip(both.labels, both.shares(tables, tables.real), strict=True))
    assert found["town x owner", "east x True"] == ((real["town"] == "east") & real["owner"]).mean()
    with pytest.raises(DataError, match="no column 'height'"):
        Groups.of(tables, "height")


def test_differences_have_signs_and_the_worst_is_first() -> None:
    real = people(1000)
    without = real[real["town"] != "east"]
    result = group_shares(Anchors.of(Tables.read(real, without, SCHEMA)), ["town"])
    assert result.parts[0].label == ("town", "east")
    assert result.parts[0].value == pytest.approx(-(real["town"] == "east").mean())
    assert result.value == -result.parts[0].value
    assert sum(part.value for part in result.parts) == pytest.approx(0, abs=1e-12)
    sizes = [abs(part.value) for part in result.parts]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("metric", [group_shares, pair_shares, fidelity_by_group])
def test_anchors_are_in_order(metric: object) -> None:
    found = {name: metric(one, PROTECTED) for name, one in anchors().items()}  # type: ignore[operator]
    value = {name: result.value for name, result in found.items()}
    assert value["copy"] == value["shuffled"] == 0
    assert value["sample"] < value["uniform"] / 2
    if metric is group_shares:  # single columns keep their shares: independence costs nothing here
        assert value["independent"] == 0
    else:
        assert value["sample"] < min(value["independent"], value["uniform"])
        assert found["sample"].ceiling < found["sample"].floor


def test_shift_tells_matthew_from_robin_hood() -> None:
    real = people(1000)
    common = real["class"].value_counts().index[0]
    more = pd.concat([real, real[real["class"] == common]])
    fewer = real.drop(real.index[real["class"] == common][::2])
    found = {
        name: majority_shift(Anchors.of(Tables.read(real, one, SCHEMA)), ["class"])
        for name, one in {"more": more, "same": real, "fewer": fewer}.items()
    }
    assert found["more"].parts[0].value > 0.05
    assert found["fewer"].parts[0].value < -0.05
    assert found["same"].value == 0
    assert found["more"].value == found["more"].parts[0].value
    values = {name: majority_shift(one, PROTECTED).value for name, one in anchors().items()}
    assert values["copy"] == values["shuffled"] == values["independent"] == 0
    assert values["sample"] < values["uniform"]


def test_the_group_that_is_badly_imitated_is_first_and_small_groups_have_their_own_ceiling() -> None:
    real = people(2000)
    synthetic = people(2000, seed=1)
    south = synthetic["town"] == "south"
    rng = np.random.default_rng(0)
    synthetic.loc[south, "age"] = rng.integers(18, 90, south.sum())
    synthetic.loc[south, "income"] = rng.uniform(0, 5e5, south.sum())
    result = fidelity_by_group(Anchors.of(Tables.read(real, synthetic, SCHEMA)), ["town"])
    assert result.parts[0].label == ("town", "south")
    assert result.value > 3 * (result.ceiling or 0)
    by_label = {part.label: part for part in result.parts}
    small, large = by_label["town", "(missing)"], by_label["town", "east"]
    assert (small.ceiling or 0) > (large.ceiling or 0)


def test_a_group_without_rows_is_as_far_as_can_be() -> None:
    real = people(300)
    tables = Tables.read(real, real[real["town"] != "east"], SCHEMA)
    parts = {part.label: part for part in fidelity_by_group(Anchors.of(tables), ["town"]).parts}
    assert parts["town", "east"].value == 1
    few = Tables.read(real[:20], real[:20], SCHEMA)
    nothing = fidelity_by_group(Anchors.of(few), ["town"])
    assert math.isnan(nothing.value)
    assert "no group" in nothing.note
    assert mean_pair_distance(tables, tables.real, tables.real) == 0


def test_one_protected_column_has_no_pairs() -> None:
    result = pair_shares(anchors()["sample"], ["town"])
    assert math.isnan(result.value)
    assert result.note == "There are no two protected columns."
