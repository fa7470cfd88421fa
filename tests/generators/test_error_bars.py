from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError
from dpsynth.generators.error_bars import ErrorBars, error_bars
from dpsynth.graphical.tree import TreeModel
from dpsynth.mechanisms import (
    GaussianMechanism,
    LaplaceMechanism,
    Marginal,
    Measurement,
    MergedMarginal,
    Total,
)
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.budget import Budget
from dpsynth.schema.columns import Categorical, Integer
from dpsynth.schema.schema import Schema
from dpsynth.session import Transcript
from dpsynth.testing.insecure import insecure_noise

ROWS = 600
NAMES = ("a", "b", "c", "n")
SCHEMA = Schema(
    columns=(
        *(Categorical(name=name, categories=tuple(range(4)), required=True) for name in NAMES[:3]),
        Integer(name="n", minimum=0, maximum=19, cells=5, required=True),
    )
)
GROUPS = {"a": (0, 0, 1, 2), "b": (0, 1, 1, 2), "c": (0, 1, 0, 1), "n": (0, 0, 1, 1, 2)}


def values(seed: int = 0) -> dict[str, np.ndarray]:
    """Rows in which `b` follows `a`, and `a` is 3 only where `b` is."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 4, ROWS)
    b = np.where(rng.random(ROWS) < 0.7, a, rng.integers(0, 4, ROWS))
    b[a == 3] = 3
    return {"a": a, "b": b, "c": rng.integers(0, 4, ROWS), "n": (5 * a + rng.integers(0, 5, ROWS)) % 20}


def encoded(rows: dict[str, np.ndarray]) -> EncodedTable:
    return EncodedTable(SCHEMA.domain, {**rows, "n": rows["n"] // 4}, rows=ROWS)


def true_count(rows: dict[str, np.ndarray], where: dict[str, Any]) -> int:
    chosen = np.ones(ROWS, bool)
    for name, value in where.items():
        if isinstance(value, tuple):
            chosen &= (rows[name] >= value[0]) & (rows[name] <= value[1])
        else:
            kept = [value] if isinstance(value, int) else value
            codes = rows[name] // 4 if name == "n" else rows[name]
            chosen &= np.isin(codes, [k // 4 for k in kept] if name == "n" else kept)
    return int(chosen.sum())


def model(total: float = ROWS) -> TreeModel:
    sizes = dict(zip(SCHEMA.domain.columns, SCHEMA.domain.sizes, strict=True))
    tables = {name: np.full(size, 1 / size) for name, size in sizes.items()}
    return TreeModel(schema=SCHEMA, total=total, order=tuple((name, None) for name in sizes), tables=tables)


def recorded(measurements: Sequence[Measurement]) -> Transcript:
    return Transcript(
        schema=SCHEMA, budget=Budget(epsilon=1.0), measurements=tuple(measurements), tainted=True
    )


def run(rows: dict[str, np.ndarray], *mechanisms: GaussianMechanism | LaplaceMechanism) -> Transcript:
    table = encoded(rows)
    return recorded([mechanism.run(table, SCHEMA.unit) for mechanism in mechanisms])


def gaussian(*queries: Any, mu: float) -> GaussianMechanism:
    return GaussianMechanism(queries=queries, mus=(mu,) * len(queries))


def one_ways(mu: float) -> GaussianMechanism:
    return gaussian(*(Marginal(columns=(name,)) for name in NAMES), mu=mu)


def pairs(mu: float, groups: dict[str, tuple[int, ...]] = GROUPS) -> GaussianMechanism:
    asked = itertools.combinations(NAMES, 2)
    return gaussian(*(MergedMarginal(columns=p, groups=(groups[p[0]], groups[p[1]])) for p in asked), mu=mu)


def half_sigma(transcript: Transcript) -> Transcript:
    """The broken twin: noise is said to be half of what it is."""
    return recorded(
        [dataclasses.replace(m, sigmas=tuple(s / 2 for s in m.sigmas)) for m in transcript.measurements]
    )


# --------------------------------------------------------------------- what the intervals are made of


def test_an_exact_split_is_the_sum_of_its_cells() -> None:
    transcript = run(values(), one_ways(0.1), gaussian(Marginal(columns=("b", "c", "a")), mu=0.2))
    bars = error_bars(model(), transcript, {"a": [0, 2], "c": 1}, level=0.9)
    noisy, sigma = transcript.measurements[1].values[0], transcript.measurements[1].sigmas[0]
    cells = noisy.reshape(4, 4, 4)[:, 1, [0, 2]]
    assert bars.basis == "measured"
    assert bars.tables == (4,)
    assert bars.standard_error == pytest.approx(sigma * math.sqrt(8))
    assert (bars.low + bars.high) / 2 == pytest.approx(max(cells.sum(), 0))
    assert bars.estimate == pytest.approx(ROWS / 8)
    assert bars.share == pytest.approx(1 / 8)
    assert str(bars).startswith("75 rows by the model; the data have ")


def test_the_tables_of_one_release_are_weighed_by_their_precision() -> None:
    queries = (Marginal(columns=("a",)), Marginal(columns=("a", "b")), Total())
    mechanism = GaussianMechanism(queries=queries, mus=(0.1, 0.3, 1.0))
    transcript = run(values(), mechanism)
    bars = error_bars(model(), transcript, {"a": 1}, level=0.9)
    (one, two, _), (s, t, _) = transcript.measurements[0].values, transcript.measurements[0].sigmas
    variances = np.array([s**2, 4 * t**2])
    found = np.array([one[1], two.reshape(4, 4)[1].sum()])
    assert bars.tables == (0, 1)
    assert bars.standard_error == pytest.approx(math.sqrt(1 / (1 / variances).sum()))
    assert (bars.low + bars.high) / 2 == pytest.approx((found / variances).sum() / (1 / variances).sum())


def test_what_the_first_release_answers_is_answered_by_it() -> None:
    """Whether later tables split here depends on the noise of the first ones."""
    bars = error_bars(model(), run(values(), one_ways(0.1), pairs(5.0)), {"a": 3}, level=0.9)
    assert bars.tables == (0,)


def test_columns_that_are_not_restricted_do_not_matter() -> None:
    transcript = run(values(), one_ways(0.1))
    everything = error_bars(model(), transcript, {"b": [0, 1, 2, 3], "n": (None, 19)}, level=0.9)
    assert everything.tables == (0, 1, 2, 3)
    assert everything.estimate == pytest.approx(ROWS)
    assert error_bars(model(), transcript, {}, level=0.9) == everything
    one = error_bars(model(), transcript, {"a": 1, "b": [0, 1, 2, 3]}, level=0.9)
    assert one.basis == "measured"
    assert one.tables == (0,)


def test_buckets_that_do_not_split_give_bounds() -> None:
    exact, split = 1e6, {"a": [0, 1], "b": [1, 2]}
    transcript = run(values(), one_ways(exact), pairs(exact))
    assert error_bars(model(), transcript, split, level=0.9).basis == "measured"
    rows, cut = values(), {"a": 2, "b": 1}
    bars = error_bars(model(), transcript, cut, level=0.9)
    assert bars.basis == "bounded"
    assert bars.standard_error is None
    wide = true_count(rows, {"a": 2, "b": [1, 2]})  # the bucket around
    assert bars.high == pytest.approx(min(wide, true_count(rows, {"b": 1})), abs=3)
    assert bars.low == 0


def test_bounds_of_frechet_are_reached() -> None:
    rows = values()
    transcript = run(rows, one_ways(1e6))
    mostly = {"a": [0, 1, 2], "b": [1, 2, 3], "c": [0, 1, 2]}
    bars = error_bars(model(), transcript, mostly, level=0.9)
    alone = [true_count(rows, {name: kept}) for name, kept in mostly.items()]
    assert bars.basis == "bounded"
    assert bars.high == pytest.approx(min(alone), abs=3)
    assert bars.low == pytest.approx(sum(alone) - 2 * ROWS, abs=12)
    assert bars.tables == (0, 1, 2, 3)


def test_pairs_make_the_lower_bound_of_three_columns_better() -> None:
    rows = values()
    groups = {name: tuple(range(5 if name == "n" else 4)) for name in NAMES}
    asked = {"a": [0, 1, 2], "b": [0, 1, 2], "c": [0, 1, 2]}
    alone = error_bars(model(), run(rows, one_ways(1e6)), asked, level=0.9)
    paired = error_bars(model(), run(rows, one_ways(1e6), pairs(1e6, groups)), asked, level=0.9)
    truth = true_count(rows, asked)
    assert alone.low < paired.low <= truth <= paired.high < alone.high


def test_a_column_that_nobody_measured_bounds_from_one_side_only() -> None:
    rows = values()
    transcript = run(rows, gaussian(Marginal(columns=("a",)), mu=1e6))
    bars = error_bars(model(), transcript, {"a": 1, "b": [0, 1, 2]}, level=0.9)
    assert bars.low == 0
    assert bars.high == pytest.approx(true_count(rows, {"a": 1}), abs=2)
    bars = error_bars(model(), run(rows, gaussian(Total(), mu=1e6)), {"a": 1}, level=0.9)
    assert (bars.low, bars.basis, bars.tables) == (0, "bounded", (0,))
    assert bars.high == pytest.approx(ROWS, abs=3)


@st.composite
def questions(draw: st.DrawFn) -> dict[str, Any]:
    where: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True)):
        if name == "n" and draw(st.booleans()):
            low = draw(st.integers(0, 19))
            where[name] = (low, draw(st.integers(low, 19)))
        else:
            where[name] = draw(st.lists(st.integers(0, 19 if name == "n" else 3), min_size=1, unique=True))
    return where


@pytest.mark.slow
@given(questions(), st.integers(0, 2**32))
@settings(max_examples=150)
def test_with_hardly_any_noise_the_truth_is_always_inside(where: dict[str, Any], seed: int) -> None:
    rows = values(seed)
    triple = gaussian(Marginal(columns=("c", "a", "b")), mu=1e6)
    laplace = LaplaceMechanism(queries=pairs(1.0).queries, epsilons=(1e6,) * 6)
    for mechanisms in ((one_ways(1e6),), (one_ways(1e6), pairs(1e6)), (triple, laplace), (laplace, triple)):
        bars = error_bars(model(), run(rows, *mechanisms), where, level=0.999)
        assert bars.low <= true_count(rows, where) <= bars.high


def test_what_cannot_be_asked_is_refused() -> None:
    transcript = run(values(), one_ways(0.1))
    for level in (0.0, 1.0, True):
        with pytest.raises(ConfigurationError, match="level"):
            error_bars(model(), transcript, {"a": 1}, level=level)
    with pytest.raises(ConfigurationError, match="'a' cannot hold 7"):
        error_bars(model(), transcript, {"a": 7}, level=0.9)
    with pytest.raises(ConfigurationError, match="measured no counts"):
        error_bars(model(), recorded([]), {"a": 1}, level=0.9)


# --------------------------------------------------------------------- coverage, over the noise

RUNS = 1_000


def covered(bars: Sequence[ErrorBars], truth: int) -> float:
    return float(np.mean([each.low <= truth <= each.high for each in bars]))


def deviations(level: float) -> float:
    """Five standard errors of a coverage found in `RUNS` runs."""
    return 5 * math.sqrt(level * (1 - level) / RUNS)


@pytest.mark.slow
@pytest.mark.parametrize("mu", [pytest.param(0.05, marks=pytest.mark.slow), 0.5, 2.0])
@pytest.mark.parametrize("level", [pytest.param(0.8, marks=pytest.mark.slow), 0.95])
def test_measured_intervals_cover_as_often_as_they_say(mu: float, level: float) -> None:
    """Half the sigma is caught; at mu = 2 whole numbers are wide steps, so more may be covered."""
    rows, where = values(), {"a": [1, 2]}
    mechanism = GaussianMechanism(
        queries=(Marginal(columns=("a",)), Marginal(columns=("a", "c"))), mus=(mu, mu)
    )
    with insecure_noise(1):
        runs = [run(rows, mechanism) for _ in range(RUNS)]
    truth = true_count(rows, where)
    found = covered([error_bars(model(), each, where, level=level) for each in runs], truth)
    assert found >= level - deviations(level)
    assert found <= level + deviations(level) + 0.4 * mu
    broken = covered([error_bars(model(), half_sigma(each), where, level=level) for each in runs], truth)
    assert broken < level - deviations(level) or mu == 2.0


@pytest.mark.slow
def test_laplace_intervals_cover() -> None:
    rows, where, level = values(), {"a": 1}, 0.9
    mechanism = LaplaceMechanism(queries=(Marginal(columns=("a",)),), epsilons=(0.1,))
    with insecure_noise(2):
        runs = [run(rows, mechanism) for _ in range(RUNS)]
    truth = true_count(rows, where)
    assert covered([error_bars(model(), each, where, level=level) for each in runs], truth) >= level
    quarter = [half_sigma(half_sigma(each)) for each in runs]
    assert covered([error_bars(model(), each, where, level=level) for each in quarter], truth) < level - 0.05


@pytest.mark.slow
def test_bounds_cover_where_they_are_tight() -> None:
    """Every row with a = 3 has b = 3: the upper bound is the truth itself, and only its slack protects it."""
    rows, where, level = values(), {"a": 3, "b": 3}, 0.95
    with insecure_noise(3):
        runs = [run(rows, one_ways(0.05)) for _ in range(RUNS)]
    truth = true_count(rows, where)
    assert truth == true_count(rows, {"a": 3})
    bars = [error_bars(model(), each, where, level=level) for each in runs]
    assert {each.basis for each in bars} == {"bounded"}
    assert covered(bars, truth) >= level
    broken = [error_bars(model(), half_sigma(each), where, level=level) for each in runs]
    assert covered(broken, truth) < level - deviations(level)


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [-2.0, -1.0, 0.0, 1.0, 2.0])
def test_buckets_that_follow_the_noise_do_not_spoil_the_coverage(threshold: float) -> None:
    """A code stands alone only where its noisy count came out high: the worst that buckets can do.

    Without its own part of the risk for the first release, bounds and measured intervals would together
    fail more often than one of them may.
    """
    rows, where, level, sigma = values(), {"a": 3, "b": 3}, 0.9, 20.0
    truth, table, bars = true_count(rows, {"a": 3, "b": 3}), encoded(rows), []
    with insecure_noise(4):
        for _ in range(4 * RUNS):
            first = one_ways(1 / sigma).run(table, SCHEMA.unit)
            alone = first.values[0][3] >= truth + threshold * sigma
            groups = {**GROUPS, "a": (0, 0, 1, 2) if alone else (0, 0, 1, 1)}
            second = pairs(1 / sigma, groups).run(table, SCHEMA.unit)
            bars.append(error_bars(model(), recorded([first, second]), where, level=level))
    assert {each.basis for each in bars} == {"measured", "bounded"}
    assert covered(bars, truth) >= level - deviations(level)
