from __future__ import annotations

import math

import numpy as np
import pytest
from evaluation.five import five
from evaluation.people import SCHEMA, people

from dpsynth.evaluation.anchors import Anchors
from dpsynth.evaluation.groups import Groups
from dpsynth.evaluation.learners import fit
from dpsynth.evaluation.outcomes import (
    GAPS,
    Outcome,
    outcome_association,
    outcome_gaps,
    rates_by_group,
)
from dpsynth.evaluation.tables import Tables


def test_outcomes_are_reached_or_not() -> None:
    tables = five()["sample"]
    two, many, number = (Outcome.of(tables, name) for name in ("class", "town", "income"))
    real = people(1500)
    common = real["town"].value_counts().index[0]
    ages = tables.real.readings["age"]  # rows come sorted; ages tell that values go with their rows
    for outcome, reached in ((two, real["class"] == "high"), (many, real["town"] == common)):
        values = outcome.values(tables.real)
        assert values.sum() == reached.sum()
        assert (values * ages).sum() == real["age"][reached].sum()
    known = number.known(tables.real)
    assert number.values(known).mean() == pytest.approx(0.5, abs=0.01)
    assert "median" in number.note
    assert len(many.known(tables.real)) == real["town"].notna().sum()


def test_parity_is_tested_on_real_rows_and_not_on_synthetic_ones() -> None:
    """A table that wipes out who is who looks fair to whoever tests on it; decisions on real people do not."""
    synthetic = people(1500, seed=1)
    synthetic["town"] = synthetic["town"].sample(frac=1, random_state=0).to_numpy()
    tables = Tables.read(people(1500), synthetic, SCHEMA, holdout=people(1000, seed=2))
    results = {result.name: result for result in outcome_gaps(tables, "class", ["town"], quick=True)}
    ours = results["selection_rate_gap"]
    model = fit(tables, Outcome.of(tables, "class"), "gradient_boosting", tables.synthetic, quick=True)
    rates = rates_by_group(tables, model, Groups.of(tables, "town"), tables.synthetic)["selection_rate"]
    broken = max(rates.values()) - min(rates.values())
    assert broken < 0.2
    assert ours.value > 0.5
    assert ours.ceiling == pytest.approx(ours.value, abs=0.1)


def test_rates_are_what_they_say() -> None:
    tables = five()["sample"]
    assert tables.holdout is not None
    outcome = Outcome.of(tables, "class")
    model = fit(tables, outcome, "gradient_boosting", tables.real, quick=True)
    rates = rates_by_group(tables, model, Groups.of(tables, "owner"), tables.holdout)
    owners = tables.holdout.take(np.flatnonzero(tables.holdout.readings["owner"] == 1))
    truth, chance = outcome.values(owners), model.scores(owners)[:, 1]
    label = ("owner", "True")
    assert rates["selection_rate"][label] == pytest.approx((chance >= 0.5).mean())
    assert rates["true_positive_rate"][label] == pytest.approx((chance[truth == 1] >= 0.5).mean())
    assert rates["false_positive_rate"][label] == pytest.approx((chance[truth == 0] >= 0.5).mean())
    assert rates["calibration"][label] == pytest.approx(chance.mean() - truth.mean())


def test_gaps_of_five_tables() -> None:
    found = {
        name: outcome_gaps(tables, "class", ("town", "owner"), quick=True) for name, tables in five().items()
    }
    assert [result.name for result in found["copy"]] == [f"{name}_gap" for name in GAPS]
    for place, result in enumerate(found["sample"]):
        values = {name: results[place].value for name, results in found.items()}
        assert values["copy"] == values["shuffled"] == found["copy"][place].ceiling
        assert result.ceiling == found["copy"][place].ceiling
        distance = {name: abs(value - values["copy"]) for name, value in values.items()}
        if place != 2:  # few are false positives
            assert distance["sample"] < max(distance["independent"], distance["uniform"])
        assert {part.label[0] for part in result.parts} == {"town", "owner"}
        assert result.value == result.parts[0].value


def test_ties_of_the_outcome() -> None:
    found = {
        name: outcome_association(Anchors.of(tables), "class", ("town", "age"))
        for name, tables in five().items()
    }
    value = {name: result.value for name, result in found.items()}
    assert value["copy"] == value["shuffled"] == 0
    assert value["sample"] < value["independent"]
    assert value["sample"] < value["uniform"]
    assert all(part.value < -0.2 for part in found["independent"].parts)
    real = people(1500)
    closer = real.assign(town=np.where(real["class"] == "high", "north", "east"))
    result = outcome_association(Anchors.of(Tables.read(real, closer, SCHEMA)), "class", ["town"])
    assert result.parts[0].value > 0.1


def test_small_groups_are_left_out_and_said_so() -> None:
    real = people(400)
    tables = Tables.read(real, real, SCHEMA, holdout=people(20, seed=2))
    for result in outcome_gaps(tables, "class", ["town"], quick=True):
        assert math.isnan(result.value)
        assert "no two groups" in result.note
    constant = real.assign(**{"class": "low"})
    for result in outcome_gaps(Tables.read(constant, real, SCHEMA), "class", ["town"], quick=True):
        assert isinstance(result.value, float)
    unknown = real.astype(object).assign(income=None)
    for result in outcome_gaps(Tables.read(unknown, unknown, SCHEMA), "income", ["town"], quick=True):
        assert math.isnan(result.value)
