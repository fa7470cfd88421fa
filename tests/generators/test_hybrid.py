from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from generators.deep import BRIEF, BUDGET, chain, distance, schema_of, shares
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.generators import hybrid_model, rating
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.deep import Schedule, as_table
from dpsynth.generators.fitted import FittedModel
from dpsynth.generators.hybrid import Hybrid
from dpsynth.generators.hybrid_model import HybridModel
from dpsynth.generators.pretraining import first_parameters
from dpsynth.generators.rating import Rating
from dpsynth.generators.registry import get
from dpsynth.graphical.junction_model import JunctionModel
from dpsynth.graphical.triples import Triples
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import Critic, parameter_count
from dpsynth.release.pipeline import fit_table
from dpsynth.testing.insecure import insecure_noise

Build = Callable[..., Any]
CRITIC = Critic(hidden=(8,))
SIZES = (3, 4, 2)
SCHEMA = schema_of(*SIZES)
CODES = chain(2000, *SIZES)
SMALL = Hybrid(hidden=(8,), public_rows=200, schedule=BRIEF)
BITS = schema_of(2, 2, 2)
NAMES = ("c0", "c1", "c2")


@pytest.fixture(autouse=True)
def repeatable() -> Iterator[None]:
    with insecure_noise(4):
        yield


@pytest.fixture
def counts(measurer: Build) -> Callable[..., JunctionModel]:
    def build(target: str | None = None, epsilon: float = 5.0) -> JunctionModel:
        return AllPairs(target=target).fit(measurer(CODES, schema=SCHEMA, epsilon=epsilon))

    return build


def with_critic(counts: JunctionModel, parameters: np.ndarray | None = None, **more: Any) -> HybridModel:
    """A model around `counts`; without parameters its critic says nothing."""
    size = parameter_count(CRITIC, counts.schema.domain)
    own = np.zeros(size, np.float32) if parameters is None else parameters
    return HybridModel(counts=counts, rating=Rating(critic=CRITIC, parameters=own, **more), candidates=3)


def tabled(counts: JunctionModel) -> HybridModel:
    """A model with a table of three columns."""
    sizes = counts.tree.sizes
    table = np.full(sizes, 1 / np.prod(sizes))
    groups = tuple(np.arange(size) for size in sizes)
    triples = Triples(groups=groups, wanted={(0, 1, 2): table}, expected={(0, 1, 2): table})
    return dataclasses.replace(with_critic(counts), triples=triples)


def decided(counts: JunctionModel, seed: int = 0, size: float = 1.0) -> HybridModel:
    """A model with a critic of strong opinions."""
    rng = np.random.default_rng(seed)
    parameters = first_parameters(CRITIC, counts.schema.domain, rng)
    edges = np.linspace(-2, 2, 9)
    return with_critic(counts, parameters, edges=edges, ratios=np.exp(size * np.linspace(-2, 2, 10)))


def exclusive(rows: int = 4000) -> dict[str, np.ndarray]:
    """The third column says whether the others differ: every pair is independent."""
    left, right = np.random.default_rng(0).integers(0, 2, (2, rows))
    return {"c0": left, "c1": right, "c2": left ^ right}


@pytest.fixture(params=[0, 4], ids=["critic", "triples"])
def planted(measurer: Build, request: pytest.FixtureRequest) -> HybridModel:
    schedule = Schedule(
        rounds=2, steps=100, sampling_rate=0.1, learning_rate=0.02, averaging=0.9, thorough=False
    )
    method = Hybrid(
        hidden=(32,), public_rows=2000, schedule=schedule, triples=request.param, training_share=0.2
    )
    with insecure_noise(1):  # one run in some dozens learns less
        return method.fit(measurer(exclusive(), schema=BITS, epsilon=100.0), rng=1)


def test_what_no_pair_shows_is_found(measurer: Build, planted: HybridModel) -> None:
    truth = shares(exclusive(), NAMES, (2, 2, 2))
    pairs = AllPairs().fit(measurer(exclusive(), schema=BITS, epsilon=100.0))
    found, missed = (
        shares(model.sample_codes(4000, np.random.default_rng(2)), NAMES, (2, 2, 2))
        for model in (planted, pairs)
    )
    assert distance(missed, truth) == pytest.approx(0.5, abs=0.01)
    assert distance(found, truth) < 0.1
    for pair in itertools.combinations(range(3), 2):
        other = next(axis for axis in range(3) if axis not in pair)
        assert distance(*(table.reshape(2, 2, 2).sum(other) for table in (found, truth))) < 0.02


def test_given_codes_are_honoured_and_weighted(planted: HybridModel) -> None:
    for left, right in itertools.product(range(2), repeat=2):
        drawn = planted.sample_codes(500, np.random.default_rng(3), {"c0": left, "c1": [right]})
        assert set(drawn["c0"]) == {left}
        assert set(drawn["c1"]) == {right}
        assert np.mean(drawn["c2"] == (left ^ right)) > 0.9


def test_fit_asks_what_was_planned(measurer: Build) -> None:
    asked = measurer(CODES, schema=SCHEMA)
    model = SMALL.fit(asked, rng=0)
    assert asked.events == SMALL.plan(SCHEMA, asked.budget).events
    first, second = asked.asked[-3:-1]
    assert len(first.public) == len(second.public) == 200
    assert not first.start.parameters[-9:].any()  # no opinion before the first step
    assert first.start.parameters[:-9].any()
    assert (model.schema, model.total) == (SCHEMA, model.counts.total)
    assert model.candidates == 4


def test_the_target_is_that_of_the_counts(measurer: Build) -> None:
    model = Hybrid(target="c1", hidden=(8,), public_rows=200, schedule=BRIEF).fit(
        measurer(CODES, schema=SCHEMA, epsilon=5.0), rng=0
    )
    assert model.counts.classes == 1


def test_one_seed_gives_one_model(measurer: Build) -> None:
    found = []
    for seed in (1, 1, 2):
        with insecure_noise(7):
            found.append(SMALL.fit(measurer(CODES, schema=SCHEMA), rng=seed).rating.parameters)
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0.01


def pair_tables(model: JunctionModel, rows: np.ndarray, weights: np.ndarray) -> Iterator[tuple]:
    """For each pair and class the shares of the weighted rows, and those that were measured."""
    coarse = [own[codes] for own, codes in zip(model.buckets, rows.T, strict=True)]
    layer = np.zeros(len(rows), int) if model.classes is None else coarse[model.classes]
    for (left, right), table in model.targets.items():
        found = np.zeros(table.shape)
        np.add.at(found, (layer, coarse[left], coarse[right]), weights / weights.sum())
        yield found, table / table.sum()


@pytest.mark.parametrize("target", [None, "c1"])
def test_raked_weights_reproduce_the_measured_pairs(
    counts: Callable[..., JunctionModel], target: str | None
) -> None:
    model = decided(counts(target))
    rows = as_table(SCHEMA, model.counts.sample_codes(6000, np.random.default_rng(0)))
    weights = model.rating.weights(SCHEMA.domain, rows)
    raked = model._raked(weights, rows)
    before = [distance(*pair) for pair in pair_tables(model.counts, rows, weights)]
    after = [distance(*pair) for pair in pair_tables(model.counts, rows, raked)]
    assert len(after) == (3 if target is None else 1)
    assert max(before) > 0.05
    assert max(after) < 0.005


@given(st.integers(0, 2**32), st.integers(0, 40), st.floats(0.1, 3.0))
@settings(max_examples=25)
def test_raked_weights_never_leave_their_bounds(seed: int, number: int, size: float) -> None:
    """Also where rows lack cells that are wanted, and have cells that are not."""
    model = decided(AllPairs().fit(_Exact()), seed % 1000, size)
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.integers(0, size, number) for size in SIZES], axis=1)
    weights = model.rating.weights(SCHEMA.domain, rows)
    raked = model._raked(weights, rows)
    assert raked.shape == (number,)
    assert np.isfinite(raked).all()
    assert (raked >= weights / 50 * (1 - 1e-12)).all()
    assert (raked <= weights * 50 * (1 + 1e-12)).all()


class _Exact:
    """A measurer of one table for examples that cannot use fixtures."""

    schema, budget = SCHEMA, BUDGET

    def measure(self, mechanism: Any) -> Any:
        from dpsynth.mechanisms.encoded import EncodedTable

        with insecure_noise(1):
            return mechanism.run(EncodedTable(SCHEMA.domain, CODES, rows=2000), SCHEMA.unit)

    def select(self, mechanism: Any) -> int:
        raise AssertionError(mechanism)


def test_a_critic_without_opinion_leaves_the_pairs_of_the_counts(
    counts: Callable[..., JunctionModel],
) -> None:
    model = with_critic(counts())
    rows = as_table(SCHEMA, model.sample_codes(8000, np.random.default_rng(1)))
    np.testing.assert_array_equal(model.rating.weights(SCHEMA.domain, rows), 1.0)
    for found, wanted in pair_tables(model.counts, rows, np.ones(len(rows))):
        assert distance(found, wanted) < 0.003
    whole, alone = (one.sample_codes(2_000, np.random.default_rng(2)) for one in (model, model.counts))
    for name in NAMES:
        np.testing.assert_array_equal(whole[name], alone[name])


def test_of_candidates_that_are_alike_the_expected_number_is_kept() -> None:
    """In any order, so that kept rows have the one-way counts of the candidates, weighted."""
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(0, size, 9000) for size in SIZES], axis=1)
    weights = np.where(rows[:, 1] == 2, 3.0, 1.0) + (rows[:, 0] == 0)
    kept = rows[hybrid_model._resampled(weights, rows, 3000, rng)]
    for left, right in itertools.combinations(range(3), 2):
        shape = (SIZES[left], SIZES[right])
        found, wanted = (np.zeros(shape) for _ in range(2))
        np.add.at(found, (kept[:, left], kept[:, right]), 1 / len(kept))
        np.add.at(wanted, (rows[:, left], rows[:, right]), weights / weights.sum())
        assert distance(found, wanted) < 0.003
    assert (np.diff(kept[:, 0]) < 0).any()  # in random order again


def test_the_critic_moves_what_the_pairs_leave_open(counts: Callable[..., JunctionModel]) -> None:
    model = decided(counts(), size=1.5)
    rows = as_table(SCHEMA, model.sample_codes(8000, np.random.default_rng(1)))
    for found, wanted in pair_tables(model.counts, rows, np.ones(len(rows))):
        assert distance(found, wanted) < 0.005


def test_weights_are_the_ratios_of_scores_in_any_blocks(
    counts: Callable[..., JunctionModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = decided(counts(), size=1.0)
    rows = as_table(SCHEMA, CODES)
    whole = model.rating.weights(SCHEMA.domain, rows)
    assert set(whole) <= set(model.rating.ratios)
    monkeypatch.setattr(rating, "_AT_ONCE", 300)
    np.testing.assert_allclose(model.rating.weights(SCHEMA.domain, rows), whole, rtol=1e-5)
    assert model.rating.weights(SCHEMA.domain, rows[:0]).shape == (0,)


@given(st.lists(st.floats(0.01, 10.0), min_size=1, max_size=12), st.integers(0, 50), st.integers(0, 2**32))
@settings(max_examples=60)
def test_rows_are_kept_in_proportion_to_their_weight(weights: list[float], rows: int, seed: int) -> None:
    array, rng = np.array(weights), np.random.default_rng(seed)
    candidates = rng.integers(0, 2, (len(array), 3))
    kept = hybrid_model._resampled(array, candidates, rows, rng)
    expected = array / array.sum() * rows
    found = np.bincount(kept, minlength=len(array))
    assert len(kept) == rows
    assert (np.abs(found - expected) < 1 + 1e-9).all()


@pytest.mark.parametrize("given_codes", [None, {}, {"c0": 1}])
def test_no_rows_are_drawn_where_none_are_asked_for(
    counts: Callable[..., JunctionModel], given_codes: dict | None
) -> None:
    drawn = decided(counts()).sample_codes(0, np.random.default_rng(0), given_codes)
    assert {name: codes.shape for name, codes in drawn.items()} == dict.fromkeys(NAMES, (0,))


def test_what_the_counts_exclude_cannot_be_given(counts: Callable[..., JunctionModel]) -> None:
    with pytest.raises(ConfigurationError, match="codes from 0"):
        with_critic(counts()).sample_codes(5, np.random.default_rng(0), {"c0": 3})


def test_a_model_is_saved_and_loaded(ledger: Ledger, tmp_path: Path) -> None:
    fitted = fit_table(
        pd.DataFrame(CODES),
        schema=SCHEMA,
        generator=SMALL,
        budget=BUDGET,
        ledger=ledger,
        dataset="people",
        rng=0,
    )
    fitted.save(tmp_path / "model.dps")
    loaded = FittedModel.load(tmp_path / "model.dps")
    assert isinstance(loaded.model, HybridModel)
    assert loaded.sample(50, rng=3).frame.equals(fitted.sample(50, rng=3).frame)
    assert loaded.guarantee == fitted.guarantee
    assert loaded.measurements().equals(fitted.measurements())
    with pytest.raises(ConfigurationError):  # it draws rows only
        loaded.marginal(["c0"])


def test_state_and_back(counts: Callable[..., JunctionModel]) -> None:
    model = decided(counts("c1"))
    header, arrays = model.state()
    again = HybridModel.from_state(SCHEMA, json.loads(json.dumps(header)), arrays)
    assert (again.rating.critic, again.candidates, again.total) == (
        model.rating.critic,
        model.candidates,
        model.total,
    )
    first, second = (m.sample_codes(80, np.random.default_rng(3)) for m in (model, again))
    for name in NAMES:
        np.testing.assert_array_equal(first[name], second[name])
    assert not again.rating.parameters.flags.writeable


@pytest.mark.parametrize(
    ("header", "arrays"),
    [
        ({"counts": None}, {}),
        ({"counts": {}}, {}),
        ({"hidden": None}, {}),
        ({"hidden": []}, {}),
        ({"hidden": [0]}, {}),
        ({"hidden": ["8"]}, {}),
        ({"hidden": [9]}, {}),
        ({"hidden": [8, 8]}, {}),
        ({"candidates": 0}, {}),
        ({"candidates": "many"}, {}),
        ({"candidates": None}, {}),
        ({}, {"critic": np.zeros(3, np.float32)}),
        ({}, {"critic": np.zeros((1, 89), np.float32)}),
        ({}, {"critic": np.full(89, np.nan, np.float32)}),
        ({}, {"critic": np.array(["a"])}),
        ({}, {"edges": np.array([1.0, 0.0])}),
        ({}, {"ratios": np.array([-1.0])}),
        ({}, {"counts.detail.0": np.full(3, 0.5)}),
    ],
)
def test_a_state_that_does_not_fit_is_refused(
    counts: Callable[..., JunctionModel], header: dict, arrays: dict
) -> None:
    good_header, good_arrays = with_critic(counts()).state()
    assert good_arrays["critic"].shape == (89,)
    with pytest.raises(StorageError):
        HybridModel.from_state(SCHEMA, good_header | header, good_arrays | arrays)


@pytest.mark.parametrize(
    ("header", "arrays"),
    [
        ({"triples": None}, {}),
        ({"triples": [[0, 1]]}, {}),
        ({"triples": [[1, 0, 2]]}, {}),
        ({"triples": [[0, 1, 3]]}, {}),
        ({}, {"triples.wanted.0": np.full((2, 2, 2), 0.1)}),
        ({}, {"triples.expected.0": np.full(SIZES, -0.1)}),
        ({}, {"triples.groups.0": np.array([0, 2, 1, 4])}),
        ({}, {"triples.groups.1": np.array([0, 0, 2, 2])}),
    ],
)
def test_tables_of_three_columns_that_do_not_fit_are_refused(
    counts: Callable[..., JunctionModel], header: dict, arrays: dict
) -> None:
    model = tabled(counts())
    good_header, good_arrays = model.state()
    again = HybridModel.from_state(SCHEMA, json.loads(json.dumps(good_header)), good_arrays)
    assert list(again.triples.wanted) == [(0, 1, 2)]
    with pytest.raises(StorageError):
        HybridModel.from_state(SCHEMA, good_header | header, good_arrays | arrays)


def test_tables_without_groups_are_refused(counts: Callable[..., JunctionModel]) -> None:
    header, arrays = tabled(counts()).state()
    kept = {name: array for name, array in arrays.items() if not name.startswith("triples.groups")}
    with pytest.raises(StorageError, match="three columns"):
        HybridModel.from_state(SCHEMA, header, kept)


@pytest.mark.parametrize("lost", ["counts", "hidden", "candidates", "critic", "counts.belief.0"])
def test_a_state_without_a_part_is_refused(counts: Callable[..., JunctionModel], lost: str) -> None:
    header, arrays = with_critic(counts()).state()
    with pytest.raises(StorageError, match="lacks"):
        HybridModel.from_state(
            SCHEMA,
            {key: value for key, value in header.items() if key != lost},
            {key: value for key, value in arrays.items() if key != lost},
        )


def test_the_method_is_known_by_its_name() -> None:
    assert get("hybrid", candidates=2) == Hybrid(candidates=2)
