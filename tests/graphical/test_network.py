from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.graphical.network import BayesianNetwork, share_a_table
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema


def schema_of(sizes: tuple[int, ...]) -> Schema:
    return Schema(
        columns=tuple(
            Categorical(name=f"c{i}", categories=tuple(range(size)), required=True)
            for i, size in enumerate(sizes)
        )
    )


@st.composite
def networks(draw: st.DrawFn) -> BayesianNetwork:
    """A random network of up to three parents over one to five small columns, some of its cells zero."""
    sizes = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=5)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    order: list[tuple[str, tuple[str, ...]]] = []
    tables = {}
    names = draw(st.permutations([f"c{i}" for i in range(len(sizes))]))
    for name in names:
        possible: list[tuple[str, ...]] = [()]
        for last, above in order:
            for count in range(min(3, len(above) + 1)):
                possible += [(*others, last) for others in itertools.combinations(above, count)]
        parents = draw(st.sampled_from(possible))
        order.append((name, parents))
        shape = tuple(sizes[int(column[1:])] for column in (*parents, name))
        weights = rng.random(shape) * (rng.random(shape) < 0.8) + 1e-3 * (np.arange(shape[-1]) == 0)
        tables[name] = weights / weights.sum(axis=-1, keepdims=True)
    return BayesianNetwork(schema=schema_of(sizes), total=100.0, order=tuple(order), tables=tables)


def joint(network: BayesianNetwork) -> np.ndarray:
    """The full distribution by brute force, one axis for each column in the order of the schema."""
    sizes, names = network.schema.domain.sizes, network.schema.domain.columns
    full = np.ones(sizes)
    for cell in itertools.product(*map(range, sizes)):
        value = dict(zip(names, cell, strict=True))
        for name, parents in network.order:
            full[cell] *= network.tables[name][tuple(value[column] for column in (*parents, name))]
    return full


@given(networks(), st.data())
@settings(max_examples=100)
def test_marginals_of_any_columns_equal_brute_force(network: BayesianNetwork, data: st.DataObject) -> None:
    full, names = joint(network), network.schema.domain.columns
    asked = data.draw(st.lists(st.sampled_from(range(len(names))), min_size=1, unique=True))
    others = tuple(axis for axis in range(len(names)) if axis not in asked)
    expected = full.sum(axis=others).transpose(np.argsort(np.argsort(asked)))
    np.testing.assert_allclose(network.marginal([names[i] for i in asked]), expected, atol=1e-12)


@given(networks(), st.data())
@settings(max_examples=60)
def test_several_codes_condition_as_brute_force(network: BayesianNetwork, data: st.DataObject) -> None:
    full, domain = joint(network), network.schema.domain
    evidence, kept = {}, full.copy()
    for axis, (name, size) in enumerate(zip(domain.columns, domain.sizes, strict=True)):
        codes = data.draw(st.lists(st.integers(0, size - 1), min_size=1, unique=True))
        if data.draw(st.booleans()):
            evidence[name] = codes
            outside = [code for code in range(size) if code not in codes]
            np.moveaxis(kept, axis, 0)[outside] = 0
    assert network.probability(evidence) == pytest.approx(kept.sum(), abs=1e-12)
    if kept.sum() < 1e-9:
        return
    np.testing.assert_allclose(joint(network.condition(evidence)), kept / kept.sum(), atol=1e-9)
    drawn = network.sample_codes(25, np.random.default_rng(0), evidence)
    assert all(set(drawn[name].tolist()) <= set(codes) for name, codes in evidence.items())


@given(networks(), st.data())
@settings(max_examples=60)
def test_conditioning_equals_brute_force(network: BayesianNetwork, data: st.DataObject) -> None:
    full, names = joint(network), network.schema.domain.columns
    cell = data.draw(st.sampled_from([tuple(c) for c in np.argwhere(full > 1e-12)]))
    fixed = data.draw(st.lists(st.sampled_from(range(len(names))), unique=True))
    evidence = {names[i]: int(cell[i]) for i in fixed}
    kept = np.zeros_like(full)
    where = tuple(int(cell[i]) if i in fixed else slice(None) for i in range(len(names)))
    kept[where] = full[where]
    assert network.probability(evidence) == pytest.approx(kept.sum())
    np.testing.assert_allclose(joint(network.condition(evidence)), kept / kept.sum(), atol=1e-9)
    codes = network.sample_codes(25, np.random.default_rng(0), evidence)
    assert all((codes[name] == code).all() for name, code in evidence.items())


@given(networks(), st.booleans())
@settings(max_examples=20)
def test_samples_follow_the_joint_distribution(network: BayesianNetwork, fix: bool) -> None:
    full, sizes = joint(network), network.schema.domain.sizes
    evidence = {}
    if fix:
        last = network.order[-1][0]
        evidence = {last: int(network.marginal([last]).argmax())}
        full = joint(network.condition(evidence))
    codes = network.sample_codes(20_000, np.random.default_rng(1), evidence)
    cells = np.ravel_multi_index([codes[name] for name in network.schema.domain.columns], sizes)
    found = np.bincount(cells, minlength=full.size) / 20_000
    # Systematic rounding has less spread than independent draws; 5 standard errors of those.
    assert (np.abs(found - full.ravel()) <= 5 * np.sqrt(full.ravel() / 20_000) + 1e-9).all()


def collider() -> BayesianNetwork:
    """c1 depends on c0; c2 is true exactly if the two differ."""
    tables = {
        "c0": np.array([0.5, 0.5]),
        "c1": np.array([[0.75, 0.25], [0.25, 0.75]]),
        "c2": np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]),
    }
    order = (("c0", ()), ("c1", ("c0",)), ("c2", ("c0", "c1")))
    return BayesianNetwork(schema=schema_of((2, 2, 2)), total=8.0, order=order, tables=tables)


def test_evidence_below_reaches_both_parents() -> None:
    network = collider()
    assert network.probability({"c2": 1}) == pytest.approx(0.25)
    given_below = network.condition({"c2": 1}).marginal(["c0", "c1"])
    np.testing.assert_allclose(given_below, [[0, 0.5], [0.5, 0]])


def test_impossible_evidence_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"\['c0', 'c1', 'c2'\]"):
        collider().condition({"c0": 0, "c1": 0, "c2": 1})


@pytest.mark.parametrize("columns", [[], ["c0", "c0"], ["nothing"], "c0"])
def test_marginals_of_other_columns_are_refused(columns: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="modelled columns"):
        collider().marginal(columns)


@pytest.mark.parametrize(
    "evidence", [{"zz": 0}, {"c0": 2}, {"c0": [-1]}, {"c0": []}, {"c0": ["a"]}, {"c0": np.array([0.5])}]
)
def test_evidence_that_does_not_fit_is_refused(evidence: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="xpected"):
        collider().condition(evidence)


@pytest.mark.parametrize(
    "order",
    [
        (("a", ("b",)), ("b", ())),
        (("a", ()), ("a", ())),
        (("a", ()), ("b", ("a",)), ("c", ("b", "a"))),
        (("a", ()), ("b", ("a", "a"))),
        (("a", ()), ("b", ()), ("c", ("a", "b"))),
    ],
    ids=["child first", "twice", "parents out of order", "parent twice", "parents without a table"],
)
def test_orders_without_exact_inference_are_refused(order: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    assert not share_a_table(order)
    with pytest.raises(ConfigurationError, match="parent"):
        BayesianNetwork(schema=schema_of((2,)), total=1.0, order=order, tables={})


@given(networks())
@settings(max_examples=20)
def test_a_state_comes_back(network: BayesianNetwork) -> None:
    again = BayesianNetwork.from_state(network.schema, *network.state())
    assert (again.order, again.total) == (network.order, network.total)
    assert all((again.tables[name] == table).all() for name, table in network.tables.items())
    assert not any(table.flags.writeable for table in again.tables.values())


def broken(**changes: object) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    header, arrays = collider().state()
    arrays |= {key: value for key, value in changes.items() if key.isdigit()}  # type: ignore[misc]
    header |= {key: value for key, value in changes.items() if not key.isdigit()}
    return header, arrays


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": None}, "lacks"),
        ({"order": [["c0", []], ["c1", []], ["c2", []], ["c3", []]]}, "lacks"),
        ({"total": float("nan")}, "columns of its schema"),
        ({"total": -1.0}, "columns of its schema"),
        ({"order": [["c0", []], ["c1", ["c0"]]]}, "columns of its schema"),
        ({"order": [["c0", []], ["c1", []], ["c2", ["c0", "c1"]]]}, "share a table"),
        ({"0": np.array([1.0])}, "right shape"),
        ({"0": np.array([1.5, -0.5])}, "right shape"),
        ({"0": np.array([0.5, np.nan])}, "right shape"),
        ({"0": np.array([0.5, 0.4])}, "right shape"),
    ],
)
def test_a_broken_state_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(StorageError, match=message):
        BayesianNetwork.from_state(schema_of((2, 2, 2)), *broken(**changes))
