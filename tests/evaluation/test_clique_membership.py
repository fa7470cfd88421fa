from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from evaluation.people import SCHEMA, independent, people, shuffled, uniform
from evaluation.surveys import SURVEY, released, survey

from dpsynth import Budget, Datetime, Integer, Ledger, Schema
from dpsynth.errors import ConfigurationError, DataError
from dpsynth.evaluation.ceilings import limits
from dpsynth.evaluation.clique_membership import _codes, clique_attack, clique_membership, dependent_pairs
from dpsynth.evaluation.tables import Tables
from dpsynth.generators.independent import Independent
from dpsynth.release import fit_table
from dpsynth.schema.encode import encode_column


def area(synthetic: pd.DataFrame, real: pd.DataFrame, holdout: pd.DataFrame) -> float:
    attack = clique_attack(Tables.read(real, synthetic, SURVEY, holdout=holdout))
    assert attack is not None
    return attack.area()[0]


def test_anchors_are_in_order() -> None:
    real, holdout = survey(200, seed=0), survey(800, seed=1)
    copy, columns = area(real, real, holdout), area(independent(real), real, holdout)
    assert copy > 0.8
    for synthetic in (survey(200, seed=2), independent(survey(200, seed=3))):
        assert area(synthetic, real, holdout) == pytest.approx(0.5, abs=0.09)
    assert 0.55 < columns < copy  # exact shares of each column are no noisy ones: they leak too
    assert area(shuffled(real), shuffled(real, seed=1), shuffled(holdout)) == pytest.approx(copy)


def test_too_much_budget_is_found_and_the_transcript_tells_more() -> None:
    tables, fitted = released("allpairs", 100.0, seed=0)
    told, rows_only = clique_attack(tables, transcript=fitted.transcript), clique_attack(tables)
    assert told is not None
    assert rows_only is not None
    assert told.area()[0] > 0.8
    assert 0.6 < rows_only.area()[0] < told.area()[0]
    assert told.advantage(np.random.default_rng(0))[0] > 0.4


def test_a_small_budget_is_kept() -> None:
    tables, fitted = released("mst", 1.0, seed=0)
    attack = clique_attack(tables, transcript=fitted.transcript)
    assert attack is not None
    assert attack.area()[1][0] <= limits(fitted.guarantee).area


@pytest.mark.slow
@pytest.mark.parametrize("method", ["allpairs", "mst"])
@pytest.mark.parametrize("epsilon", [0.5, 1.0, 3.0])
def test_no_attack_exceeds_what_is_certified(method: str, epsilon: float) -> None:
    """An audit of the whole path: the mean over runs stays under the limits of the guarantee."""
    areas, gains = [], []
    for seed in range(40):
        tables, fitted = released(method, epsilon, seed=seed, steady=False)
        attack = clique_attack(tables, transcript=fitted.transcript)
        assert attack is not None
        areas.append(attack.area()[0])
        gains.append(attack.advantage(np.random.default_rng(seed))[0])
    known = limits(fitted.guarantee)
    for found, limit in ((areas, known.area), (gains, known.advantage)):
        error = np.std(found, ddof=1) / math.sqrt(len(found))
        assert np.mean(found) <= limit + 3 * error
    assert np.mean(areas) > 0.5  # the attack works at all


@pytest.mark.slow
@pytest.mark.parametrize(("method", "mean"), [("allpairs", 0.81), ("mst", 0.75)])
def test_a_careless_budget_is_found_every_time(method: str, mean: float) -> None:
    areas = []
    for seed in range(10):
        tables, fitted = released(method, 100.0, seed=seed, steady=False)
        attack = clique_attack(tables, transcript=fitted.transcript)
        assert attack is not None
        assert attack.area()[1][0] > 0.6
        areas.append(attack.area()[0])
    assert np.mean(areas) > mean


def test_codes_are_those_that_the_generator_counted() -> None:
    schema = Schema(
        name="all",
        columns=(
            *SCHEMA.columns,
            Datetime(
                name="day",
                minimum="2020-01-01",
                maximum="2020-12-31",
                resolution="D",
                temporal="date",
                cells=6,
            ),
            Integer(name="kept", minimum=0, maximum=50, cells=5, out_of_domain="drop", required=True),
        ),
    )
    frame = people(300)
    rng = np.random.default_rng(0)
    frame["day"] = pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(-20, 400, 300), unit="D")
    frame.loc[::7, "day"] = pd.NaT
    frame["kept"] = rng.integers(-5, 60, 300)
    frame.loc[::9, "town"] = "west"
    tables = Tables.read(frame, frame, schema)
    wanted = [encode_column(column, frame[column.name], schema.missing_values) for column in schema.modelled]
    found = [_codes(column, tables.real) for column in schema.modelled]
    assert sorted(zip(*found, strict=True)) == sorted(zip(*wanted, strict=True))


def test_tables_of_numbers_and_missing_values_are_attacked() -> None:
    real, holdout = people(300), people(300, seed=1)
    with Ledger.in_memory() as ledger:
        fitted = fit_table(
            real,
            schema=SCHEMA,
            generator=Independent(),
            budget=Budget(epsilon=1.0, delta=1e-6),
            ledger=ledger,
            dataset="people",
            rng=0,
        )
    tables = Tables.read(real, uniform(300), SCHEMA, holdout=holdout)
    found = clique_membership(tables, transcript=fitted.transcript, limits=limits(fitted.guarantee))
    assert [one.name for one in found] == [
        f"membership_cliques_{kind}" for kind in ("auc", "advantage", "tpr_1")
    ]
    assert "transcript" in found[0].note
    assert found[0].value == pytest.approx(0.5, abs=0.1)
    assert fitted.transcript is not None
    empty = dataclasses.replace(fitted.transcript, measurements=())
    assert clique_membership(tables, transcript=empty)[0].value == clique_membership(tables)[0].value


def test_the_strongest_pairs_are_found_in_the_synthetic_rows() -> None:
    frame = people(800)
    tables = Tables.read(frame, frame, SCHEMA)
    assert ("income", "class") in dependent_pairs(tables, most=4)
    assert ("town", "owner") not in dependent_pairs(tables, most=4)
    assert len(dependent_pairs(tables)) == 10


def test_tables_of_columns_that_are_not_compared_are_left_out() -> None:
    tables, fitted = released("mst", 100.0, seed=0)
    few = Schema(name="few", columns=SURVEY.columns[:6])
    real, holdout = survey(200, seed=1000), survey(800, seed=2000)
    attack = clique_attack(Tables.read(real, real, few, holdout=holdout), transcript=fitted.transcript)
    whole = clique_attack(tables, transcript=fitted.transcript)
    assert attack is not None
    assert whole is not None
    assert 0.5 < attack.area()[0] < whole.area()[0]


def test_what_cannot_be_attacked_is_told() -> None:
    frame = people(50)
    assert all(
        math.isnan(one.value) and "holdout" in one.note
        for one in clique_membership(Tables.read(frame, frame, SCHEMA))
    )
    tables = Tables.read(frame, frame, SCHEMA, holdout=people(3))
    assert "Too few" in clique_membership(tables)[0].note
    tables = Tables.read(frame, frame, SCHEMA, holdout=people(50, seed=1))
    assert clique_attack(tables, cliques=()) is None
    with pytest.raises(DataError, match="height"):
        clique_attack(tables, cliques=[("height",)])
    with pytest.raises(ConfigurationError, match="tuples"):
        clique_attack(tables, cliques="age")  # type: ignore[arg-type]
