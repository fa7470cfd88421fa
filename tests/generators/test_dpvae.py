from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from generators.deep import BRIEF, BUDGET, chain, distance, schema_of, shares

from dpsynth.errors import StorageError
from dpsynth.generators import dpvae
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.deep import Schedule
from dpsynth.generators.dpvae import DPVAE
from dpsynth.generators.fitted import FittedModel
from dpsynth.generators.pretraining import Pretraining
from dpsynth.generators.registry import get
from dpsynth.graphical.product_mixture import ProductMixture
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import DpSgd
from dpsynth.privacy.accountant import price
from dpsynth.release.pipeline import fit_table
from dpsynth.session import Replay
from dpsynth.testing.insecure import insecure_noise

Build = Callable[..., Any]
SIZES = (3, 4, 2)
SCHEMA = schema_of(*SIZES)
CODES = chain(2000, *SIZES)
SMALL = DPVAE(
    hidden=(16,), latent=3, points=100, pretraining=Pretraining(rows=300, epochs=2, batch=50), schedule=BRIEF
)


@pytest.fixture(autouse=True)
def repeatable() -> Iterator[None]:
    with insecure_noise(4):
        yield


def test_rows_go_together_as_those_of_the_table(measurer: Build) -> None:
    method = DPVAE(
        hidden=(32,),
        latent=4,
        points=1000,
        pretraining=Pretraining(rows=2000, epochs=20, batch=100, learning_rate=0.01),
        schedule=BRIEF,
    )
    model = method.fit(measurer(CODES, schema=SCHEMA, epsilon=20.0), rng=0)
    assert isinstance(model, ProductMixture)
    drawn = model.sample_codes(20_000, np.random.default_rng(1))
    for left, right in ((0, 1), (1, 2), (0, 2)):
        names, sizes = (f"c{left}", f"c{right}"), (SIZES[left], SIZES[right])
        truth = shares(CODES, names, sizes)
        table = truth.reshape(sizes)
        alone = np.outer(table.sum(1), table.sum(0))
        assert distance(model.marginal(names), truth) < 0.4 * distance(alone, truth)
        assert distance(shares(drawn, names, sizes), model.marginal(names)) < 0.02
    assert model.total == pytest.approx(2000, rel=0.02)


def test_columns_have_their_counts_though_the_network_is_poor(measurer: Build) -> None:
    asked = measurer(CODES, schema=SCHEMA)
    model = replace(SMALL, cold=True).fit(asked, rng=0)
    for name, size in zip(CODES, SIZES, strict=True):
        assert distance(model.marginal([name]), shares(CODES, (name,), (size,))) < 0.03


@pytest.mark.parametrize("cold", [False, True])
def test_fit_asks_what_was_planned(measurer: Build, cold: bool) -> None:
    asked, method = measurer(CODES, schema=SCHEMA), replace(SMALL, cold=cold)
    method.fit(asked, rng=0)
    assert asked.events == method.plan(SCHEMA, asked.budget).events
    assert [type(mechanism) is DpSgd for mechanism in asked.asked[-3:]] == [False, True, True]


def test_a_cold_start_trains_on_private_rows_alone(measurer: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("pre-trained")

    warm, cold = measurer(CODES, schema=SCHEMA), measurer(CODES, schema=SCHEMA)
    SMALL.fit(warm, rng=0)
    monkeypatch.setattr(dpvae, "pretrained", refuse)
    replace(SMALL, cold=True).fit(cold, rng=0)
    assert [len(mechanism.public) for mechanism in warm.asked[-2:]] == [300, 300]
    assert [len(mechanism.public) for mechanism in cold.asked[-2:]] == [0, 0]


@pytest.mark.parametrize(("points", "components"), [(100, 100), (10_000, 300)])
def test_a_model_has_as_many_points_as_asked_for_or_rows(
    measurer: Build, points: int, components: int
) -> None:
    model = replace(SMALL, points=points).fit(measurer(CODES, schema=SCHEMA), rng=0)
    assert model.tables.shape == (components, sum(SIZES))
    np.testing.assert_allclose(model.weights, 1 / components)


def test_the_plan_counts_the_memory_of_the_model() -> None:
    few, many = (replace(SMALL, points=points).plan(SCHEMA, BUDGET).memory_bytes for points in (100, 1100))
    assert many - few >= 1000 * 4 * sum(SIZES)


def test_the_target_is_that_of_the_counts() -> None:
    plan = replace(SMALL, target="c1").plan(SCHEMA, BUDGET)
    assert any("each class of c1" in step.detail for step in plan.steps)


def test_one_seed_gives_one_model(measurer: Build) -> None:
    tables = []
    for seed in (1, 1, 2):
        with insecure_noise(7):
            tables.append(SMALL.fit(measurer(CODES, schema=SCHEMA), rng=seed).tables)
    np.testing.assert_array_equal(tables[0], tables[1])
    assert np.abs(tables[0] - tables[2]).max() > 0.01


def fitted_through_the_door(ledger: Ledger, method: DPVAE = SMALL) -> FittedModel:
    return fit_table(
        pd.DataFrame(CODES),
        schema=SCHEMA,
        generator=method,
        budget=BUDGET,
        ledger=ledger,
        dataset="people",
        rng=0,
    )


def test_a_model_is_saved_with_the_counts_of_its_transcript(ledger: Ledger, tmp_path: Path) -> None:
    fitted = fitted_through_the_door(ledger)
    fitted.save(tmp_path / "model.dps")
    loaded = FittedModel.load(tmp_path / "model.dps")
    assert loaded.guarantee == fitted.guarantee
    assert loaded.sample(50, rng=3).frame.equals(fitted.sample(50, rng=3).frame)
    assert loaded.measurements().equals(fitted.measurements())
    assert loaded.error_bars({"c0": 1}) == fitted.error_bars({"c0": 1})
    assert fitted.transcript is not None
    assert loaded.transcript is not None
    kept = loaded.transcript.measurements
    assert [len(measurement.values) > 0 for measurement in kept[-3:]] == [True, False, False]
    assert [m.event for m in kept] == [m.event for m in fitted.transcript.measurements]


@pytest.mark.slow
def test_a_thorough_price_is_read_back(ledger: Ledger, tmp_path: Path) -> None:
    """No other accountant covers what privacy loss distributions do."""
    schedule = Schedule(rounds=1, steps=2, sampling_rate=0.1)
    fitted = fitted_through_the_door(ledger, replace(SMALL, schedule=schedule))
    assert fitted.guarantee.engine == "pld"
    assert price(fitted.guarantee.events, delta=1e-6).epsilon > fitted.guarantee.epsilon
    fitted.save(tmp_path / "model.dps")
    assert FittedModel.load(tmp_path / "model.dps").guarantee == fitted.guarantee
    assert not replace(fitted.guarantee, epsilon=0.97 * fitted.guarantee.epsilon).holds()


def test_the_whole_transcript_gives_the_model_again(ledger: Ledger) -> None:
    fitted = fitted_through_the_door(ledger)
    assert fitted.transcript is not None
    again = SMALL.fit(Replay(fitted.transcript), rng=0)
    np.testing.assert_array_equal(again.tables, fitted.model.state()[1]["tables"])


def test_records_can_be_completed(measurer: Build) -> None:
    model = SMALL.fit(measurer(CODES, schema=SCHEMA), rng=0)
    known = {"c0": np.arange(30) % 3}
    drawn = model.complete_codes(30, known, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn["c0"], known["c0"])
    assert model.probability({"c0": [0, 1, 2]}) == pytest.approx(1.0, abs=1e-5)


def test_a_file_with_other_tables_is_refused(measurer: Build) -> None:
    header, arrays = SMALL.fit(measurer(CODES, schema=SCHEMA), rng=0).state()
    with pytest.raises(StorageError):
        ProductMixture.from_state(schema_of(3, 4, 3), header, arrays)


def test_the_method_is_known_by_its_name() -> None:
    assert get("dpvae", latent=4) == DPVAE(latent=4)
    assert (
        SMALL.plan(SCHEMA, BUDGET).steps[0]
        in AllPairs().plan(SCHEMA, SMALL._design(SCHEMA, BUDGET).counts_budget).steps
    )
