from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import ConfigurationError, SchemaError
from dpsynth.mechanisms.base import Measurement
from dpsynth.mechanisms.gaussian import GaussianMechanism
from dpsynth.mechanisms.partition import PartitionSelection
from dpsynth.privacy.accountant import price
from dpsynth.privacy.events import ZCDPEvent
from dpsynth.schema.columns import (
    Boolean,
    Categorical,
    Column,
    Datetime,
    Identifier,
    Integer,
    NumericColumn,
    Real,
)
from dpsynth.schema.constraints import ImpossibleCombinations
from dpsynth.schema.decode import decode_table
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable
from dpsynth.session._histogram import dense_range, near_equal_cells
from dpsynth.session._vault import content_of
from dpsynth.session.discover import DiscoveryPlan, discover, needs_categories, plan_discovery
from dpsynth.testing.insecure import insecure_noise

Ask = Callable[[Any, Sequence[Any]], Measurement]


def asking(frame: pd.DataFrame, schema: Schema, record: list[Measurement] | None = None) -> Ask:
    """What a session does for discovery, without the bookkeeping."""
    content = content_of(PrivateTable.load(frame, schema))

    def ask(mechanism: Any, columns: Sequence[Any]) -> Measurement:
        selecting = isinstance(mechanism, PartitionSelection)
        table: Any = content.labels(columns[0]) if selecting else content.encode(columns)
        answer: Measurement = mechanism.run(table, schema.unit)
        if record is not None:
            record.append(answer)
        return answer

    return ask


def buy(
    column: Column, values: Any, *, rho: float = 0.5, delta: float = 1e-6, cells: bool = False, seed: int = 5
) -> Any:
    """The column after discovery on a table that holds `values`."""
    schema = Schema(columns=(column,))
    frame = pd.DataFrame({column.name: pd.Series(values)})
    plan = plan_discovery(schema, rho=rho, delta=delta, cells=(column.name,) if cells else ())
    with insecure_noise(seed):
        bought = discover(schema, asking(frame, schema), plan)
    assert bought.complete
    assert Schema.from_json(bought.to_json()) == bought
    assert len(
        decode_table(
            bought,
            {column.name: np.arange(bought.domain.sizes[0])},
            bought.domain.sizes[0],
            np.random.default_rng(0),
        )
    )
    return bought.column(column.name)


OPEN = Schema(
    columns=(
        Identifier(name="id"),
        Categorical(name="town", categories=None),
        Integer(name="age"),
        Categorical(name="job", categories=None),
        Boolean(name="member"),
        Real(name="wage", minimum=0.0, maximum=1e6),
        Datetime(name="born", resolution="D", temporal="date"),
    )
)


def test_a_plan_is_a_public_function_of_the_schema() -> None:
    plan = plan_discovery(OPEN, rho=0.1, delta=1e-6, cells={"wage", "age"})
    items = [(item.column, item.what) for item in plan.items]
    assert items == [
        ("town", "categories"), ("age", "bounds"), ("job", "categories"), ("born", "bounds"),
        ("age", "cells"), ("wage", "cells"),
    ]  # fmt: skip
    assert [step.label for step in plan.steps][:2] == ["categories of town", "bounds of age"]
    assert plan.events == tuple(item.mechanism().event() for item in plan.items)
    assert plan == plan_discovery(OPEN, rho=0.1, delta=1e-6, cells=["age", "wage"])
    assert plan.digest() == plan_discovery(OPEN, rho=0.1, delta=1e-6, cells=["age", "wage"]).digest()
    changed = [
        plan_discovery(OPEN, rho=0.2, delta=1e-6, cells=["age", "wage"]),
        plan_discovery(OPEN, rho=0.1, delta=1e-7, cells=["age", "wage"]),
        plan_discovery(OPEN, rho=0.1, delta=1e-6, cells=["age"]),
    ]
    assert len({plan.digest(), *(other.digest() for other in changed)}) == 4


@pytest.mark.parametrize("columns", [2, 3, 7, 11])
@pytest.mark.parametrize("rho", [1e-4, 0.1, 7.0])
def test_the_shares_never_exceed_the_whole(columns: int, rho: float) -> None:
    schema = Schema(columns=tuple(Categorical(name=f"c{i}", categories=None) for i in range(columns)))
    delta = 1e-5
    plan = plan_discovery(schema, rho=rho, delta=delta)
    assert sum(item.delta for item in plan.items) <= delta
    assert 0.999 * rho < sum(item.mu**2 / 2 for item in plan.items) <= rho
    whole = price((ZCDPEvent(rho=rho),), delta=delta, adaptive=True)
    assert price(plan.events, delta=2 * delta, adaptive=True).epsilon <= whole.epsilon


def test_what_cannot_be_planned_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="delta > 0"):
        plan_discovery(OPEN, rho=0.1, delta=0.0)
    with pytest.raises(ConfigurationError, match="'town' is categorical"):
        plan_discovery(OPEN, rho=0.1, delta=1e-6, cells=["town"])
    with pytest.raises(SchemaError, match="no column"):
        plan_discovery(OPEN, rho=0.1, delta=1e-6, cells=["salary"])
    with pytest.raises(SchemaError):
        plan_discovery(Schema(columns=(Integer(name="age", minimum=10**15 + 1),)), rho=0.1, delta=0.0)
    with pytest.raises(ConfigurationError):
        plan_discovery(OPEN, rho=0.0, delta=1e-6)
    rule = ImpossibleCombinations(columns=("wage", "member"), combinations=[((None, None), None)])
    with pytest.raises(ConfigurationError, match=r"cells of 'wage': declare its edges"):
        plan_discovery(replace(OPEN, constraints=(rule,)), rho=0.1, delta=1e-6, cells=["wage"])
    with pytest.raises(ConfigurationError):
        plan_discovery(OPEN, rho=0.1, delta=-1e-6)


def test_nothing_open_means_nothing_to_buy() -> None:
    closed = Schema(
        columns=(Integer(name="age", minimum=0, maximum=60), Categorical(name="c", categories=("a",)))
    )
    plan = plan_discovery(closed, rho=0.1, delta=0.0, cells=["age"])  # each age has its cell already
    assert plan == DiscoveryPlan(items=())
    assert discover(closed, pytest.fail, plan) is closed
    assert not needs_categories(closed)
    assert needs_categories(OPEN)
    assert not needs_categories(Schema(columns=(Integer(name="age"),)))


def ages(rows: int = 4000) -> Any:
    return np.random.default_rng(2).integers(17, 91, rows)


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (Integer(name="x"), ages(), (15, 100)),
        (Integer(name="x", minimum=16), ages(), (16, 100)),
        (Integer(name="x", maximum=90), ages(), (15, 90)),
        (Integer(name="x"), -ages(), (-100, -15)),
        (Integer(name="x"), [0, 1] * 500, (0, 1)),
        (Integer(name="x"), [7] * 500, (6, 8)),
        (Integer(name="x"), [0] * 500, (0, 0)),
        (Integer(name="x", cells=10), [0] * 500, (0, 0)),
        (Integer(name="x"), [-1, 3] * 500, (-1, 3)),
        (Integer(name="x", step=5), [10, 75] * 500, (10, 100)),
        (Integer(name="x", step=5, minimum=3), [13, 78] * 500, (3, 98)),
        (Integer(name="x"), [5e14, 10**20] * 500, (500 * 10**12, 10**15)),
        (Real(name="x", precision=2), [0.01, 19.99] * 500, (0.01, 20.0)),
        (Real(name="x", precision=0), [-3.0, 1e15] * 500, (-3.0, 1e15)),
        (Real(name="x", precision=15), [1e-15, 0.5] * 500, (1e-15, 0.6)),
        (Real(name="x"), [0.0, None, float("inf"), float("nan")] * 500, (0.0, 0.0)),
    ],
)
def test_bounds_are_rounded_outward(column: NumericColumn, values: Any, expected: Any) -> None:
    bought = buy(column, values)
    assert (bought.minimum, bought.maximum) == expected
    assert bought.origin == "dp"
    assert type(bought) is type(column)
    assert bought.out_of_domain == column.out_of_domain


@pytest.mark.parametrize(
    ("resolution", "values", "expected"),
    [
        ("D", ["2019-03-04", "2021-11-30"], ("2019-03-01", "2021-11-30")),
        ("Y", ["2019-03-04", "2021-11-30"], ("2019-01-01", "2021-01-01")),
        ("s", ["2020-02-29T23:59:59", "2020-02-01T00:00:00"], ("2020-02-01T00:00:00", "2020-02-29T23:59:59")),
        ("D", ["1700-01-01", "9999-12-31"], ("1700-01-01", "9999-12-31")),
    ],
)
def test_dates_are_bounded_by_months(resolution: Any, values: list[str], expected: tuple[str, str]) -> None:
    bought = buy(Datetime(name="x", resolution=resolution), values * 400)
    assert (bought.minimum, bought.maximum) == expected


def test_declared_bounds_stay_as_they_are_written() -> None:
    column = Datetime(name="x", resolution="M", minimum="2020-05-17", cells=4)
    bought = buy(column, ["2020-05-20", "2021-01-05", "2030-01-01"] * 300)
    assert (bought.minimum, bought.maximum, bought.cells) == ("2020-05-17", "2030-01-01", 4)


@pytest.mark.parametrize("values", [[None] * 5, [], [3]])
@pytest.mark.parametrize(
    "column", [Integer(name="x"), Real(name="x"), Datetime(name="x"), Integer(name="x", cells=9)]
)
@pytest.mark.parametrize("seed", range(3))
def test_an_empty_column_gets_some_bounds_and_no_error(column: Column, values: list[Any], seed: int) -> None:
    values = values if not isinstance(column, Datetime) else [None for _ in values]
    assert buy(column, pd.Series(values, dtype=object), seed=seed, cells=True).complete


def test_a_lonely_outlier_moves_nothing() -> None:
    for seed in range(5):
        plain, disturbed = (
            buy(Integer(name="x"), [*ages(), *more], seed=seed) for more in ([], [10**9, -(10**9)])
        )
        assert (plain.minimum, plain.maximum) == (disturbed.minimum, disturbed.maximum) == (15, 100)


def test_cells_follow_the_mass_and_heavy_values_stay_alone() -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate(
        [np.zeros(20_000, int), rng.integers(3_000, 8_000, 4_000), np.full(2_000, 40_000)]
    )
    bought = buy(Integer(name="x", minimum=0, maximum=99_999), values, cells=True)
    edges = bought.edges
    assert 16 < len(edges) <= 65
    assert edges[:2] == (0, 1)
    assert any(low <= 40_000 < high <= low + 200 for low, high in pairwise(edges))
    assert sum(3_000 < edge < 8_000 for edge in edges) > len(edges) / 2
    assert (bought.minimum, bought.maximum, bought.origin) == (0, 99_999, "dp")


def test_cells_inside_bounds_that_are_bought_too() -> None:
    bought = buy(Integer(name="x"), ages(20_000), cells=True)
    assert (bought.minimum, bought.maximum) == (15, 100)
    assert bought.cell_count > 60
    every = buy(Integer(name="x"), np.arange(50_000) % 10, cells=True)
    assert (every.minimum, every.maximum, every.cells, every.edges) == (0, 10, 11, None)


def test_dates_get_cells() -> None:
    values = pd.Timestamp("2020-01-01") + pd.to_timedelta(
        np.random.default_rng(1).exponential(200, 9000), unit="D"
    )
    bought = buy(
        Datetime(name="x", resolution="D", minimum="2020-01-01", maximum="2039-12-31"), values, cells=True
    )
    assert bought.edges is not None
    assert np.median([edge < "2022-01-01" for edge in bought.edges]) == 1


def test_cells_need_a_signal() -> None:
    column = Real(name="x", minimum=0.0, maximum=1000.0, cells=20)
    assert buy(column, [1.0] * 3, cells=True, rho=0.01) == replace(column, origin="dp")


def test_categories_are_the_frequent_labels() -> None:
    values = ["red"] * 300 + ["Blue "] * 200 + ["rare"] + [None, "", "NA"] * 100 + [7] * 50 + [True] * 60
    column = Categorical(name="x", categories=None, missing_values=("NA",))
    bought = buy(column, pd.Series(values, dtype=object))
    assert bought.categories == ("7", "Blue", "True", "red")
    assert (bought.out_of_domain, bought.origin) == ("other", "dp")
    assert bought.size == 6


def test_labels_that_mean_something_else_are_no_categories() -> None:
    values = ["other"] * 300 + ["99.0"] * 300 + ["1"] * 300 + ["a"] * 300 + ["\ud800"] * 300
    texts = pd.Series(values, dtype=object)
    assert buy(Categorical(name="x", categories=None, missing_values=("99",)), texts).categories == (
        "1",
        "a",
    )
    bought = buy(Categorical(name="x", categories=None, other_label="1.0"), texts)
    assert bought.categories == ("99.0", "a", "other")


@pytest.mark.parametrize("values", [[], [None, None], ["a", "b"]])
def test_no_frequent_label_leaves_other_alone(values: list[Any]) -> None:
    bought = buy(Categorical(name="x", categories=None, required=True), pd.Series(values, dtype=object))
    assert (bought.categories, bought.size, bought.other_code) == ((), 1, 0)


def test_too_many_labels_are_cut_by_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpsynth.session.discover.MOST_CELLS", 2)
    values = ["a"] * 100 + ["b"] * 500 + ["c"] * 300
    assert buy(Categorical(name="x", categories=None), values).categories == ("b", "c")


def test_what_was_assumed_stays_assumed() -> None:
    bought = buy(Integer(name="x", minimum=16, origin="assumed"), ages())
    assert (bought.origin, bought.maximum) == ("assumed", 100)


def test_discovery_repeats_on_recorded_answers() -> None:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "id": np.arange(900),
            "town": rng.choice(["ulm", "bonn"], 900),
            "age": ages(900),
            "job": rng.choice(["baker", "clerk", "judge"], 900),
            "member": rng.random(900) < 0.5,
            "wage": rng.lognormal(8, 1, 900).round(2),
            "born": pd.Timestamp("1980-01-01") + pd.to_timedelta(rng.integers(0, 9000, 900), unit="D"),
        }
    )
    plan = plan_discovery(OPEN, rho=2.0, delta=1e-4, cells=["wage", "age"])
    record: list[Measurement] = []
    bought = discover(OPEN, asking(frame, OPEN, record), plan)
    assert bought.complete
    assert [answer.event for answer in record] == list(plan.events)
    assert [answer.mechanism for answer in record] == [item.mechanism().describe() for item in plan.items]
    answers: Iterator[Measurement] = iter(record)
    assert discover(OPEN, lambda mechanism, columns: next(answers), plan).digest() == bought.digest()
    assert bought.column("member") == OPEN.column("member")


@pytest.mark.parametrize("cells", [1, 2, 5, 300])
def test_dense_range_on_the_smallest_histograms(cells: int) -> None:
    noisy = np.zeros(cells)
    assert dense_range(noisy, 1.0) == (0, 0)
    noisy[-1] = 50.0
    assert dense_range(noisy, 1.0) == (cells - 1, cells - 1)
    assert dense_range(noisy + 50.0, 1.0) == (0, cells - 1)


def test_dense_range_finds_thin_blocks_and_ignores_noise() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(300):
        noisy = rng.normal(0, 10.0, 256)
        noisy[100] += 500.0
        wrong += dense_range(noisy, 10.0) != (100, 100)
    assert wrong <= 12
    noisy = rng.normal(0, 10.0, 256)
    noisy[64:128] += 20.0  # no single cell stands out, the block does
    first, last = dense_range(noisy, 10.0)
    assert 60 <= first <= 72
    assert 120 <= last <= 131


@pytest.mark.parametrize("places", [1, 2, 3, 64, 65, 1300])
@pytest.mark.parametrize("level", [0.0, 3.0, 1000.0])
def test_near_equal_cells_are_cells(places: int, level: float) -> None:
    rng = np.random.default_rng(places)
    noisy = rng.poisson(level, places) + rng.normal(0, 2.0, places)
    starts = near_equal_cells(noisy, np.ones(places), 2.0)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert starts[-1] < places
    assert len(starts) <= 64
    if level == 1000.0:
        assert len(starts) > min(places, 64) * 0.6


def test_the_mechanisms_are_the_plain_ones() -> None:
    for item in plan_discovery(OPEN, rho=0.1, delta=1e-6, cells=["wage"]).items:
        assert type(item.mechanism()) is (
            PartitionSelection if item.what == "categories" else GaussianMechanism
        )
