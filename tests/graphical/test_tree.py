from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.graphical.tree import TreeModel
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
def trees(draw: st.DrawFn) -> TreeModel:
    """A random forest over one to five small columns, some of its cells zero."""
    sizes = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=5)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    order: list[tuple[str, str | None]] = []
    tables = {}
    for i, size in enumerate(sizes):
        parent = draw(st.none() | st.integers(0, i - 1)) if i else None
        order.append((f"c{i}", None if parent is None else f"c{parent}"))
        shape = (size,) if parent is None else (sizes[parent], size)
        weights = rng.random(shape) * (rng.random(shape) < 0.8) + 1e-3 * (np.arange(size) == 0)
        tables[f"c{i}"] = weights / weights.sum(axis=-1, keepdims=True)
    return TreeModel(schema=schema_of(sizes), total=100.0, order=tuple(order), tables=tables)


def joint(tree: TreeModel) -> np.ndarray:
    """The full distribution by brute force, one axis for each column in the order of the schema."""
    sizes, names = tree.schema.domain.sizes, tree.schema.domain.columns
    full = np.ones(sizes)
    for cell in itertools.product(*map(range, sizes)):
        value = dict(zip(names, cell, strict=True))
        for name, parent in tree.order:
            table = tree.tables[name]
            full[cell] *= table[value[name]] if parent is None else table[value[parent], value[name]]
    return full


@given(trees(), st.data())
@settings(max_examples=100)
def test_marginals_of_any_columns_equal_brute_force(tree: TreeModel, data: st.DataObject) -> None:
    full, names = joint(tree), tree.schema.domain.columns
    asked = data.draw(st.lists(st.sampled_from(range(len(names))), min_size=1, unique=True))
    others = tuple(axis for axis in range(len(names)) if axis not in asked)
    expected = full.sum(axis=others).transpose(np.argsort(np.argsort(asked)))
    np.testing.assert_allclose(tree.marginal([names[i] for i in asked]), expected, atol=1e-12)


@given(trees(), st.data())
@settings(max_examples=60)
def test_several_codes_condition_as_brute_force(tree: TreeModel, data: st.DataObject) -> None:
    full, domain = joint(tree), tree.schema.domain
    evidence, kept = {}, full.copy()
    for axis, (name, size) in enumerate(zip(domain.columns, domain.sizes, strict=True)):
        codes = data.draw(st.lists(st.integers(0, size - 1), min_size=1, unique=True))
        if data.draw(st.booleans()):
            evidence[name] = codes
            outside = [code for code in range(size) if code not in codes]
            np.moveaxis(kept, axis, 0)[outside] = 0
    assert tree.probability(evidence) == pytest.approx(kept.sum(), abs=1e-12)
    if kept.sum() < 1e-9:
        return
    np.testing.assert_allclose(joint(tree.condition(evidence)), kept / kept.sum(), atol=1e-9)
    drawn = tree.sample_codes(25, np.random.default_rng(0), evidence)
    assert all(set(drawn[name].tolist()) <= set(codes) for name, codes in evidence.items())


@given(trees(), st.data())
@settings(max_examples=60)
def test_conditioning_equals_brute_force(tree: TreeModel, data: st.DataObject) -> None:
    full, names = joint(tree), tree.schema.domain.columns
    cell = data.draw(st.sampled_from([tuple(c) for c in np.argwhere(full > 1e-12)]))
    fixed = data.draw(st.lists(st.sampled_from(range(len(names))), unique=True))
    evidence = {names[i]: int(cell[i]) for i in fixed}
    kept = np.zeros_like(full)
    where = tuple(int(cell[i]) if i in fixed else slice(None) for i in range(len(names)))
    kept[where] = full[where]
    assert tree.probability(evidence) == pytest.approx(kept.sum())
    np.testing.assert_allclose(joint(tree.condition(evidence)), kept / kept.sum(), atol=1e-9)
    codes = tree.sample_codes(25, np.random.default_rng(0), evidence)
    assert all((codes[name] == code).all() for name, code in evidence.items())


def small_tree() -> TreeModel:
    tables = {"c0": np.array([0.5, 0.5]), "c1": np.array([[1.0, 0.0], [0.25, 0.75]])}
    return TreeModel(schema=schema_of((2, 2)), total=10.0, order=(("c0", None), ("c1", "c0")), tables=tables)


def test_what_the_model_rules_out_cannot_be_asked_for() -> None:
    with pytest.raises(ConfigurationError, match="Fix fewer columns"):
        small_tree().condition({"c0": 0, "c1": 1})


@pytest.mark.parametrize("columns", [[], ["c0", "c0"], ["nothing"], "c0"])
def test_marginals_of_other_columns_are_refused(columns: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="modelled columns"):
        small_tree().marginal(columns)


@pytest.mark.parametrize(
    "evidence", [{"zz": 0}, {"c0": 2}, {"c0": [-1]}, {"c0": []}, {"c0": ["a"]}, {"c0": np.array([0.5])}]
)
def test_evidence_that_does_not_fit_is_refused(evidence: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="xpected"):
        small_tree().condition(evidence)


def test_from_counts_gives_shares_and_survives_empty_parents() -> None:
    margins = {"c0": np.array([4.0, 0.0]), "c1": np.array([1.0, 3.0])}
    pairs = {("c0", "c1"): np.array([[1.0, 3.0], [0.0, 0.0]])}
    order = (("c0", None), ("c1", "c0"))
    tree = TreeModel.from_counts(schema_of((2, 2)), 4.0, order, margins=margins, pairs=pairs)
    np.testing.assert_allclose(tree.tables["c0"], [1, 0])
    np.testing.assert_allclose(tree.tables["c1"], [[0.25, 0.75], [0.25, 0.75]])
    assert not tree.tables["c1"].flags.writeable


def test_state_round_trip() -> None:
    tree = small_tree()
    header, arrays = tree.state()
    again = TreeModel.from_state(tree.schema, header, arrays)
    assert again.total == tree.total
    assert again.order == tree.order
    for name in tree.tables:
        np.testing.assert_array_equal(again.tables[name], tree.tables[name])


@pytest.mark.parametrize(
    ("header", "arrays"),
    [
        ({"order": None}, {}),
        ({"total": "many"}, {}),
        ({"total": float("nan")}, {}),
        ({"total": -1.0}, {}),
        ({"order": [["c0", None]]}, {}),
        ({"order": [["c0", None], ["c0", None]]}, {}),
        ({"order": [["c1", "c0"], ["c0", None]]}, {}),
        ({"order": [["c0", None], ["c1", "c9"]]}, {}),
        ({}, {"0": np.array([0.5, 0.5, 0.0])}),
        ({}, {"0": np.array([0.5, 0.6])}),
        ({}, {"0": np.array([1.5, -0.5])}),
        ({}, {"0": np.array([np.nan, 1.0])}),
        ({}, {"1": np.array([0.5, 0.5])}),
        ({}, {"0": np.array(["a", "b"])}),
    ],
)
def test_a_state_that_does_not_fit_is_refused(header: dict, arrays: dict) -> None:
    tree = small_tree()
    good_header, good_arrays = tree.state()
    with pytest.raises(StorageError):
        TreeModel.from_state(tree.schema, good_header | header, good_arrays | arrays)


def test_a_state_without_a_table_is_refused() -> None:
    tree = small_tree()
    header, arrays = tree.state()
    with pytest.raises(StorageError, match="lacks"):
        TreeModel.from_state(tree.schema, header, {"0": arrays["0"]})
