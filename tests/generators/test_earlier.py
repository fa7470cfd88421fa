"""Runs of `allpairs` that start from an earlier release, or from public data."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.base import Model
from dpsynth.generators.earlier import known_before
from dpsynth.mechanisms import GaussianMechanism, Marginal, Measurement
from dpsynth.privacy.accountant import price
from dpsynth.privacy.unit import Unit
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema
from dpsynth.session.transcript import Replay, Transcript

Build = Callable[..., Any]
Codes = dict[str, np.ndarray]

SIZES = {"a": 12, "b": 9, "c": 6, "d": 20, "e": 4, "f": 8}
PAIRS = [(left, right) for right in SIZES for left in SIZES if left < right]


def table(rows: int, seed: int) -> Codes:
    """All columns follow one or two hidden ones."""
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, rows))
    codes = {}
    for number, (name, size) in enumerate(SIZES.items()):
        hidden = first if number % 2 else (first + second) / 2
        place = np.clip(hidden + rng.normal(0, 0.15, rows), 0, 0.999) ** 1.5
        codes[name] = (place * size).astype(np.int64)
    return codes


def error(model: Model, codes: Codes) -> float:
    """The mean total variation distance of all pairs."""
    gaps = []
    for left, right in PAIRS:
        shares = np.bincount(codes[left] * SIZES[right] + codes[right], minlength=SIZES[left] * SIZES[right])
        wrong = model.marginal([left, right]).ravel() - shares / len(codes[left])  # type: ignore[attr-defined]
        gaps.append(np.abs(wrong).sum() / 2)
    return float(np.mean(gaps))


class Recorder:
    """A measurer that keeps its answers, as a session does."""

    def __init__(self, measurer: Any) -> None:
        self._measurer = measurer
        self.schema, self.budget = measurer.schema, measurer.budget
        self._answers: list[Measurement] = []

    def measure(self, mechanism: Any) -> Measurement:
        self._answers.append(self._measurer.measure(mechanism))
        return self._answers[-1]

    def select(self, mechanism: Any) -> int:
        return int(self.measure(mechanism).values[0][0])

    @property
    def transcript(self) -> Transcript:
        return Transcript(
            schema=self.schema, budget=self.budget, measurements=tuple(self._answers), tainted=False
        )


@pytest.fixture
def run(measurer: Build) -> Callable[..., tuple[Model, Transcript]]:
    def fitted(codes: Codes, epsilon: float, **options: Any) -> tuple[Model, Transcript]:
        recorder = Recorder(measurer(codes, epsilon=epsilon, sizes=SIZES))
        return AllPairs(**options).fit(recorder), recorder.transcript

    return fitted


def same(left: Model, right: Model) -> bool:
    (header, arrays), (other, others) = left.state(), right.state()
    return header == other and all(np.array_equal(arrays[name], others[name]) for name in arrays)


@pytest.mark.slow
def test_two_releases_are_about_as_good_as_one_at_their_joint_price(run: Build) -> None:
    codes = table(10_000, 1)
    _, first = run(codes, 0.5)
    events = [measurement.event for measurement in first.measurements]
    together = price([*events, *events], delta=1e-9).epsilon
    assert together < 0.75
    errors: dict[str, list[float]] = {"once": [], "again": [], "together": []}
    for _ in range(5):
        model, transcript = run(codes, 0.5)
        errors["once"].append(error(model, codes))
        errors["again"].append(error(run(codes, 0.5, earlier=transcript)[0], codes))
        errors["together"].append(error(run(codes, together)[0], codes))
    once, again, joint = (statistics.median(each) for each in errors.values())
    assert again < 0.93 * once
    assert again < 1.15 * joint


@pytest.mark.parametrize("target", [None, "e"])
def test_a_replay_starts_from_the_same(run: Build, target: str | None) -> None:
    codes = table(3_000, 1)
    _, earlier = run(codes, 1.0, target=target)
    public, _ = run(table(5_000, 2), 20.0)
    generator = AllPairs(target=target, earlier=earlier, public=public)
    model, transcript = run(codes, 1.0, target=target, earlier=earlier, public=public)
    assert same(model, generator.fit(Replay(transcript)))
    plan = generator.plan(transcript.schema, transcript.budget)
    assert plan.events == AllPairs(target=target).plan(transcript.schema, transcript.budget).events
    assert plan.events == tuple(measurement.event for measurement in transcript.measurements)


def test_buckets_are_kept_for_half_of_the_price(run: Build) -> None:
    _, earlier = run(table(10_000, 1), 1.0)
    known = known_before(earlier.schema, earlier, None)
    mu = earlier.measurements[1].event.mu
    kept = known.buckets(PAIRS, target=None, mu=mu * 1.4, unit=Unit())
    assert kept is not None
    assert {name: len(group) for name, group in kept.groups.items()} == SIZES
    assert 0.4 * mu < kept.mu <= mu * 1.001
    assert known.buckets(PAIRS, target=None, mu=mu * 1.45, unit=Unit()) is None
    assert known.buckets(PAIRS, target="e", mu=mu, unit=Unit()) is None


def test_one_way_counts_join_by_inverse_variance(run: Build) -> None:
    _, earlier = run(table(10_000, 1), 1.0)
    known = known_before(earlier.schema, earlier, None)
    values, sigma = earlier.measurements[0].values[4], earlier.measurements[0].sigmas[4]
    noisy = (values + 3.0, sigma * 2)
    mean, deviation = known_before(earlier.schema, None, None).columns({"e": noisy})["e"]
    assert np.array_equal(mean, noisy[0])
    joined, deviation = known.columns({"e": noisy})["e"]
    alone = [table for table in known.tables if table.columns == ("e",)]
    precision = sum(table.sigma**-2 for table in alone)
    assert deviation == pytest.approx((precision + noisy[1] ** -2) ** -0.5)
    if len(alone) == 1:
        assert joined == pytest.approx(values + 0.6)


def other_schemas(schema: Schema) -> Iterator[Schema]:
    wider = Categorical(name="e", categories=tuple(range(5)), required=True)
    yield schema.replace_columns({"e": wider})
    yield Schema(columns=schema.columns[:-1])
    yield Schema(columns=schema.columns[::-1])
    yield Schema(columns=schema.columns, unit=Unit(relation="replace_one"))


def test_another_schema_is_refused_before_anything_is_asked(run: Build) -> None:
    public, earlier = run(table(3_000, 1), 1.0)
    for number, schema in enumerate(other_schemas(earlier.schema)):
        with pytest.raises(ConfigurationError, match="earlier release"):
            AllPairs(earlier=earlier).plan(schema, earlier.budget)
        if number < 3:  # the unit does not matter for public rows
            with pytest.raises(ConfigurationError, match="public model"):
                AllPairs(public=public).plan(schema, earlier.budget)
    renamed = Schema(columns=earlier.schema.columns, name="another", title="The same columns")
    assert AllPairs(earlier=earlier, public=public).plan(renamed, earlier.budget).steps


def test_noise_of_a_test_source_is_refused(run: Build) -> None:
    _, earlier = run(table(1_000, 1), 1.0)
    tainted = Transcript(
        schema=earlier.schema, budget=earlier.budget, measurements=earlier.measurements, tainted=True
    )
    with pytest.raises(ConfigurationError, match="test source"):
        AllPairs(earlier=tainted).plan(earlier.schema, earlier.budget)


def test_configurations_are_compared_by_what_they_start_from(run: Build) -> None:
    public, first = run(table(1_000, 1), 1.0)
    _, second = run(table(1_000, 1), 1.0)
    assert AllPairs(earlier=first) == AllPairs(earlier=first)
    assert len({AllPairs(), AllPairs(earlier=first), AllPairs(earlier=second), AllPairs(public=public)}) == 4
    assert len(repr(AllPairs(earlier=first, public=public))) < 600


@pytest.mark.parametrize("options", [{"earlier": pd.DataFrame()}, {"public": pd.DataFrame()}], ids=str)
def test_what_is_no_release_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="Expected"):
        AllPairs(**options)


def test_full_tables_of_any_method_join_merged_ones(run: Build, measurer: Build) -> None:
    codes = table(10_000, 1)
    recorder = Recorder(measurer(codes, sizes=SIZES))
    columns = ("d", "b", "e")  # in another order, and with one column more
    recorder.measure(GaussianMechanism(queries=(Marginal(columns=columns),), mus=(30.0,)))
    known = known_before(recorder.schema, recorder.transcript, None)
    model, _ = run(codes, 0.5, earlier=recorder.transcript)
    without, _ = run(codes, 0.5)
    assert len(known.tables) == 1

    def gap(fitted: Model) -> float:
        shares = np.zeros((SIZES["b"], SIZES["d"]))
        np.add.at(shares, (codes["b"], codes["d"]), 1 / len(codes["b"]))
        groups = model.state()[1]  # over the buckets of the model
        rows, columns = groups["buckets.1"], groups["buckets.3"]
        wrong = np.zeros((rows.max() + 1, columns.max() + 1))
        np.add.at(wrong, np.ix_(rows, columns), fitted.marginal(["b", "d"]) - shares)  # type: ignore[attr-defined]
        return float(np.abs(wrong).sum() / 2)

    assert gap(model) < 0.6 * gap(without)


@pytest.mark.slow
@pytest.mark.parametrize(("epsilon", "helps"), [(0.3, 0.6), (1.0, 0.9)])
def test_good_public_data_help_and_bad_ones_hurt_little(run: Build, epsilon: float, helps: float) -> None:
    codes, elsewhere = table(10_000, 1), table(20_000, 2)
    rng = np.random.default_rng(9)
    good, _ = run(elsewhere, 50.0)
    bad, _ = run({name: rng.permutation(column) for name, column in elsewhere.items()}, 50.0)
    errors = {
        name: statistics.median(error(run(codes, epsilon, public=public)[0], codes) for _ in range(5))
        for name, public in {"none": None, "good": good, "bad": bad}.items()
    }
    assert errors["good"] < helps * errors["none"]
    assert errors["good"] < 0.8 * errors["bad"], "it is what they say, not that there are some"
    assert errors["bad"] < 1.25 * errors["none"]
