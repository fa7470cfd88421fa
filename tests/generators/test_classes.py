from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.buckets import Groups, merged
from dpsynth.generators.classes import PairRelease
from dpsynth.ledger import Ledger
from dpsynth.mechanisms import Measurement
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent
from dpsynth.schema.columns import Categorical, Integer
from dpsynth.schema.layout import Domain
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Replay, Session
from dpsynth.testing.cases import cases

Build = Callable[..., Any]
Noisy = tuple[np.ndarray, float]

NAMES = ("t", "a", "b", "c")
DOMAIN = Domain(columns=NAMES, sizes=(3, 4, 5, 3))
GROUPS: dict[str, Groups] = {"t": (0, 1, 0), "a": (0, 0, 1, 2), "b": (0, 1, 2, 3, 0), "c": (0, 1, 2)}
PAIRS = (("a", "b"), ("a", "c"), ("b", "c"))
RELEASE = PairRelease(pairs=PAIRS, groups=GROUPS, target="t")


def counts(codes: Mapping[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    """Counts over buckets."""
    shape = tuple(max(GROUPS[name]) + 1 for name in names)
    cells = np.ravel_multi_index([np.array(GROUPS[name])[codes[name]] for name in names], shape)
    return np.bincount(cells, minlength=math.prod(shape)).reshape(shape)


def people(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: np.minimum(rng.geometric(0.5, rows) - 1, size - 1)
        for name, size in zip(NAMES, DOMAIN.sizes, strict=True)
    }


def answers(codes: Mapping[str, np.ndarray], sigma: float, rng: np.random.Generator) -> Measurement:
    """What a measurement of `RELEASE` looks like."""
    true = [counts(codes, ("t", *pair)).ravel() for pair in PAIRS]
    return Measurement(
        mechanism={},
        event=GaussianEvent(mu=1.0),
        values=tuple(np.rint(table + rng.normal(0, sigma, table.shape)).astype(np.int64) for table in true),
        sigmas=(sigma,) * len(true),
    )


def known(codes: Mapping[str, np.ndarray], sigma: float, rng: np.random.Generator) -> dict[str, Noisy]:
    """Noisy one-way counts over codes."""
    return {
        name: (np.bincount(codes[name], minlength=size) + rng.normal(0, sigma, size), sigma)
        for name, size in zip(NAMES, DOMAIN.sizes, strict=True)
    }


def cleaned(columns: Mapping[str, Noisy], total: float) -> dict[str, np.ndarray]:
    margins = {name: np.maximum(values, 0.0) for name, (values, _) in columns.items()}
    return {name: margin * (total / margin.sum()) for name, margin in margins.items()}


def test_the_answers_have_one_table_for_each_class() -> None:
    codes = people(2_000)
    tables = RELEASE.read(answers(codes, 1e-9, np.random.default_rng(0)))
    assert RELEASE.classes == 2
    assert set(tables) == set(PAIRS)
    for pair, (table, sigma) in tables.items():
        np.testing.assert_array_equal(table, counts(codes, ("t", *pair)))
        assert sigma == 1e-9
    pooled = RELEASE.pooled(NAMES, tables)
    np.testing.assert_array_equal(pooled[1, 2][0], counts(codes, ("a", "b")))
    assert pooled[1, 2][1] == pytest.approx(1e-9 * math.sqrt(2))


def test_without_a_target_all_rows_are_one_class() -> None:
    release = PairRelease(pairs=PAIRS, groups=GROUPS)
    assert release.classes == 1
    queries = release.mechanism(1.0, domain=DOMAIN).queries
    assert [query.columns for query in queries] == list(PAIRS)


def test_classes_cost_no_more_than_all_rows_together() -> None:
    """A row is in one class: one marginal, with the price that was stated; columns may share in it."""
    for share in (0.0, 0.25):
        mechanism = RELEASE.mechanism(0.7, domain=DOMAIN, columns=NAMES, share=share)
        assert mechanism.event() == GaussianEvent(mu=0.7)
        assert [query.columns for query in mechanism.queries][:3] == [("t", *pair) for pair in PAIRS]
        precision = np.square(mechanism.mus)
        assert precision[:3].sum() / precision.sum() == pytest.approx(1 - share)
        shapes = np.array([math.prod(query.shape) for query in mechanism.queries[:3]])  # type: ignore[union-attr]
        np.testing.assert_allclose(precision[:3] / precision[0], (shapes / shapes[0]) ** (2 / 3))


def test_two_measurements_are_better_than_one() -> None:
    codes, rng = people(2_000), np.random.default_rng(0)
    errors = np.zeros(2)
    for _ in range(50):
        once = RELEASE.read(answers(codes, 30.0, rng))
        twice = RELEASE.with_more(once, answers(codes, 60.0, rng))
        for pair in PAIRS:
            true = counts(codes, ("t", *pair))
            errors += [float(np.square(found[pair][0] - true).sum()) for found in (once, twice)]
            assert twice[pair][1] == pytest.approx(30 * math.sqrt(0.8))
    assert errors[1] == pytest.approx(0.8 * errors[0], rel=0.1)


@given(st.integers(0, 2**32), st.sampled_from([0, 3, 200]), st.sampled_from([1.0, 40.0, 1e4]))
@settings(max_examples=60)
def test_the_margins_of_all_classes_have_one_total(seed: int, rows: int, sigma: float) -> None:
    """Whatever the noise: even where it leaves a class, or the whole table, without rows."""
    codes, rng = people(rows, seed), np.random.default_rng(seed)
    columns = known(codes, sigma, rng)
    margins = {name: np.full(size, 50.0 / size) for name, size in zip(NAMES, DOMAIN.sizes, strict=True)}
    layers = RELEASE.layers(NAMES, columns, margins, RELEASE.read(answers(codes, sigma, rng)))
    assert len(layers) == 2
    assert sum(layer.total for layer in layers) == pytest.approx(50.0)
    for layer in layers:
        assert layer.total > 0
        assert [len(margin) for margin in layer.margins] == [1, 3, 4, 3]
        for margin in layer.margins:
            assert margin.sum() == pytest.approx(layer.total, rel=1e-5)
            assert (margin >= 0).all()


def test_margins_within_classes_follow_from_all_that_was_measured() -> None:
    """Precise one-way counts halve the error of the classes' margins where there are two classes.

    They say what the two add up to, and nothing about their difference; noisy ones must do no harm.
    """
    codes, rng = people(20_000), np.random.default_rng(1)
    total = 20_000.0
    errors: dict[float, float] = {}
    for sigma in (1.0, 60.0, 3_000.0):
        errors[sigma] = 0.0
        for _ in range(80):
            columns = known(codes, sigma, rng)
            tables = RELEASE.read(answers(codes, 60.0, rng))
            for c, layer in enumerate(RELEASE.layers(NAMES, columns, cleaned(columns, total), tables)):
                for node, name in enumerate(NAMES[1:], start=1):
                    true = counts(codes, ("t", name))[c]
                    errors[sigma] += float(np.square(layer.margins[node] - true).sum())
    assert 0.4 < errors[1.0] / errors[3_000.0] < 0.65
    assert errors[1.0] < errors[60.0] < errors[3_000.0]


def test_a_column_without_pairs_has_its_shares_in_every_class() -> None:
    codes, rng = people(5_000), np.random.default_rng(0)
    columns = known(codes, 1.0, rng)
    release = PairRelease(pairs=(("a", "b"),), groups=GROUPS, target="t")
    margins = cleaned(columns, 5_000.0)
    tables = {
        pair: noisy for pair, noisy in RELEASE.read(answers(codes, 5.0, rng)).items() if "c" not in pair
    }
    for layer in release.layers(NAMES, columns, margins, tables):
        np.testing.assert_allclose(layer.margins[3] / layer.total, merged(margins["c"], GROUPS["c"]) / 5_000)


def exclusive_or(rows: int) -> dict[str, np.ndarray]:
    """Two coins; the target says, but for one row in twenty, whether they differ."""
    rng = np.random.default_rng(3)
    codes = {name: rng.integers(0, 2, rows) for name in ("a", "b")}
    codes["t"] = (codes["a"] ^ codes["b"]) ^ (rng.random(rows) < 0.05)
    return {**codes, "c": rng.integers(0, 3, rows)}


def test_a_target_shows_what_no_pair_can(measurer: Build) -> None:
    """All pairs of the three are independent; only counts within the classes of one tell of the relation."""
    codes = exclusive_or(8_000)
    agreement = {}
    for target in ("t", "a", None):
        model = AllPairs(target=target).fit(measurer(codes))
        drawn = model.sample_codes(8_000, np.random.default_rng(0))
        agreement[target] = np.mean(drawn["t"] == drawn["a"] ^ drawn["b"])
    assert agreement["t"] == pytest.approx(0.95, abs=0.03)
    assert agreement["a"] == pytest.approx(0.95, abs=0.03)
    assert agreement[None] == pytest.approx(0.5, abs=0.03)


def test_merged_classes_still_tell_them_apart(measurer: Build) -> None:
    """Twelve values of the target: four classes at most, within which they keep their own counts."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (2, 20_000))
    codes = {
        "a": a,
        "b": b,
        "t": 6 * (a ^ b) + rng.integers(0, 6, 20_000) ** 2 // 5,
        "c": rng.integers(0, 3, 20_000),
    }
    model = AllPairs(target="t").fit(measurer(codes))
    assert next(iter(model.targets.values())).shape[0] <= 4
    drawn = model.sample_codes(20_000, np.random.default_rng(0))
    shares = [np.bincount(table["t"], minlength=12) / 20_000 for table in (codes, drawn)]
    assert np.abs(shares[0] - shares[1]).sum() / 2 < 0.02


def test_a_target_of_values_in_order_is_predicted(measurer: Build) -> None:
    rng = np.random.default_rng(0)
    rows = 20_000
    t = rng.integers(0, 40, rows)
    schema = Schema(
        columns=(
            Integer(name="t", minimum=0, maximum=39, cells=40, required=True),
            Categorical(name="a", categories=(0, 1), required=True),
            Categorical(name="b", categories=(0, 1), required=True),
        )
    )
    a = rng.integers(0, 2, rows)
    model = AllPairs(target="t").fit(measurer({"t": t, "a": a, "b": a ^ (t >= 20)}, schema=schema))
    drawn = model.sample_codes(rows, np.random.default_rng(0))
    assert np.mean((drawn["a"] ^ drawn["b"]) == (drawn["t"] >= 20)) > 0.85


def test_a_class_that_nobody_is_in_does_not_stop_the_fit(measurer: Build) -> None:
    """The code for missing values of an ordered target is a class of its own, here without rows."""
    schema = Schema(
        columns=(
            Integer(name="t", minimum=0, maximum=2, cells=3),
            Categorical(name="a", categories=(0, 1, 2), required=True),
            Categorical(name="b", categories=(0, 1, 2), required=True),
        )
    )
    for rows in (0, 10, 10, 5_000, 5_000, 5_000):
        rng = np.random.default_rng(rows)
        codes = {name: rng.integers(0, 3, rows) for name in "tab"}
        model = AllPairs(target="t").fit(measurer(codes, schema=schema, epsilon=20.0))
        drawn = model.sample_codes(2_000, np.random.default_rng(0))
        assert all((column >= 0).all() for column in drawn.values())
    assert model.classes == 0
    assert model.tree.sizes[0] == 4
    assert np.mean(drawn["t"] == 3) < 0.01


@pytest.mark.parametrize("target", ["grade", "age", "member"])
def test_the_contract_holds_with_a_target(target: str) -> None:
    """What was planned is asked, a replay gives the identical model, rows are in the domain."""
    classes = []
    for case in cases():
        if target not in case.schema.domain.columns or case.schema.constraints:
            continue
        generator = AllPairs(target=target)
        with Ledger.in_memory() as ledger:
            session = Session.open(
                PrivateTable.load(case.frame, case.schema),
                budget=Budget(epsilon=30.0, delta=1e-6),
                ledger=ledger,
                dataset="d",
            )
            model = session.run(generator)
        paid = tuple(measurement.event for measurement in session.transcript.measurements)
        assert paid == generator.plan(case.schema, Budget(epsilon=30.0, delta=1e-6)).events
        again = generator.fit(Replay(session.transcript))
        (header, arrays), (other, others) = model.state(), again.state()
        assert header == other
        assert all((arrays[name] == others[name]).all() for name in {*arrays, *others})
        restored = type(model).from_state(case.schema, header, arrays)
        for name, codes in restored.sample_codes(60, np.random.default_rng(0)).items():
            assert ((codes >= 0) & (codes < case.schema.domain.size_of(name))).all()
        classes.append(model.classes)
    assert len(classes) >= 4
    assert classes[0] is not None
