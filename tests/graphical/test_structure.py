from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.graphical import structure
from dpsynth.graphical.calibration import calibrated, sum_to
from dpsynth.graphical.junction_tree import JunctionTree, junction_tree, total_cells
from dpsynth.graphical.pairs import all_pairs
from dpsynth.graphical.structure import Layer, fit_junction_tree, stacked, target_tables

ROWS = 10_000


def exact(codes: np.ndarray, size: int) -> dict[tuple[int, int], np.ndarray]:
    return {
        (i, j): np.bincount(codes[:, i] * size + codes[:, j], minlength=size**2).reshape(size, size)
        for i, j in itertools.combinations(range(codes.shape[1]), 2)
    }


def measured(codes: np.ndarray, size: int, sigma: float, seed: int = 1) -> Layer:
    rng = np.random.default_rng(seed)
    pairs = {
        pair: (table + rng.normal(0, sigma, table.shape), sigma) for pair, table in exact(codes, size).items()
    }
    margins = tuple(np.bincount(column, minlength=size).astype(float) for column in codes.T)
    return Layer(margins=margins, pairs=pairs)


def chain(columns: int, size: int = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, size, ROWS)]
    for _ in range(columns - 1):
        codes.append(np.where(rng.random(ROWS) < 0.3, rng.integers(0, size, ROWS), codes[-1]))
    return np.column_stack(codes)


def test_a_chain_is_found_and_fitted() -> None:
    layer = measured(chain(5), 3, 20.0)
    tree, beliefs = fit_junction_tree([layer], limit=10_000)
    assert all(tree.home((i, i + 1)) is not None for i in range(4))
    (targets,) = target_tables(tree, beliefs, [layer])
    true = exact(chain(5), 3)
    assert set(targets) == set(true)
    for pair, table in targets.items():
        assert np.abs(table - true[pair]).sum() / 2 / ROWS < 0.02


def test_independent_columns_stay_independent() -> None:
    codes = np.random.default_rng(0).integers(0, 3, (ROWS, 4))
    layer = measured(codes, 3, 30.0)
    tree, beliefs = fit_junction_tree([layer], limit=10_000)
    assert len(tree.cliques) == 4
    (targets,) = target_tables(tree, beliefs, [layer])
    for (i, j), table in targets.items():
        np.testing.assert_allclose(table, np.outer(layer.margins[i], layer.margins[j]) / ROWS)


def test_the_limit_holds_and_what_is_left_out_is_a_target_still() -> None:
    layer = measured(chain(5), 3, 20.0)
    limit = 4 * 9  # a spanning tree
    tree, beliefs = fit_junction_tree([layer], limit=limit)
    assert total_cells(tree.sizes, [c for c in tree.cliques if len(c) == 2]) <= limit
    assert sum(belief.size for belief in beliefs[0]) <= limit
    left_out = [pair for pair in layer.pairs if tree.home(pair) is None]
    (targets,) = target_tables(tree, beliefs, [layer])
    assert left_out
    for pair in left_out:
        noisy, sigma = layer.pairs[pair]
        assert np.abs(targets[pair] - noisy).sum() < 2 * sigma * noisy.size
        for axis, node in ((1, pair[0]), (0, pair[1])):
            np.testing.assert_allclose(targets[pair].sum(axis), layer.margins[node], rtol=1e-6)


def test_only_pairs_that_were_measured_are_targets() -> None:
    layer = measured(chain(3), 3, 20.0)
    some = {pair: noisy for pair, noisy in layer.pairs.items() if pair != (0, 2)}
    layer = Layer(margins=layer.margins, pairs=some)
    tree, beliefs = fit_junction_tree([layer], limit=10_000)
    (targets,) = target_tables(tree, beliefs, [layer])
    assert set(targets) == {(0, 1), (1, 2)}
    assert tree.home((0, 2)) is None


def test_the_targets_are_better_than_the_answers_and_better_than_the_tree() -> None:
    """A ring in a tree without room for it: the tree lacks a pair, the answers are noisy."""
    codes, size = chain(6, size=8), 8
    again = np.random.default_rng(5).random(ROWS) < 0.4
    codes[:, 5] = np.where(again, codes[:, 0], codes[:, 5])
    layer, true = measured(codes, size, 25.0), exact(codes, size)
    tree, beliefs = fit_junction_tree([layer], limit=5 * size**2)
    (targets,) = target_tables(tree, beliefs, [layer])

    def error(tables: dict[tuple[int, int], np.ndarray]) -> float:
        return sum(float(np.square(table - true[pair]).sum()) for pair, table in tables.items())

    assert error(targets) < 0.7 * error({pair: noisy for pair, (noisy, _) in layer.pairs.items()})
    assert error(targets) < 0.2 * error(all_pairs(tree, beliefs[0]))


def in_classes(classes: int, sigma: float) -> tuple[list[Layer], list[dict[tuple[int, int], np.ndarray]]]:
    """The chain of each class turns by one more code from column to column: in all rows little is left."""
    layers, true = [], []
    for c in range(classes):
        codes = chain(5, seed=c)
        codes = (codes + c * np.arange(5)) % 3
        layers.append(measured(codes, 3, sigma))
        true.append(exact(codes, 3))
    return layers, true


def test_layers_share_a_tree_and_its_room() -> None:
    layers, true = in_classes(3, 20.0)
    limit = 3 * 4 * 9
    tree, beliefs = fit_junction_tree(layers, limit=limit)
    assert len(beliefs) == 3
    assert 2 * 4 * 9 < sum(belief.size for own in beliefs for belief in own) <= limit
    for layer, own, answers, targets in zip(
        layers, beliefs, true, target_tables(tree, beliefs, layers), strict=True
    ):
        assert {belief.sum().round(6) for belief in own} == {layer.total}
        for node, margin in enumerate(layer.margins):
            home = tree.home((node,)) or 0
            np.testing.assert_allclose(sum_to(own[home], tree.cliques[home], (node,)), margin, rtol=5e-3)
        for pair, table in targets.items():
            assert np.abs(table - answers[pair]).sum() / 2 / layer.total < 0.03
            np.testing.assert_allclose(table.sum(1), layer.margins[pair[0]], rtol=1e-6)


def test_what_classes_have_in_common_is_learnt_from_all_of_them() -> None:
    """A quarter less error than from each class by itself, where all have one association and much noise."""
    for seed in range(3):
        classes = [chain(5, size=4, seed=10 * seed + c) for c in range(4)]
        layers = [measured(codes, 4, 80.0, seed=7 * seed + c) for c, codes in enumerate(classes)]
        tree, beliefs = fit_junction_tree(layers, limit=10_000)
        together = target_tables(tree, beliefs, layers)
        alone = [target_tables(tree, [b], [layer])[0] for b, layer in zip(beliefs, layers, strict=True)]
        errors = [
            sum(
                float(np.square(table - true).sum())
                for codes, tables in zip(classes, found, strict=True)
                for true, table in ((exact(codes, 4)[pair], tables[pair]) for pair in tables)
            )
            for found in (together, alone)
        ]
        assert errors[0] < 0.75 * errors[1]


def test_the_noise_of_classes_adds_up_in_squares() -> None:
    layers = [measured(chain(2), 3, sigma) for sigma in (3.0, 4.0, 12.0)]
    pooled = structure._pooled(layers)
    assert pooled.pairs[0, 1][1] == pytest.approx(13.0)
    assert pooled.total == pytest.approx(3 * ROWS)
    assert pooled.pairs[0, 1][0].sum() == pytest.approx(sum(layer.pairs[0, 1][0].sum() for layer in layers))


def test_a_pair_that_matters_in_one_class_is_kept() -> None:
    strong, weak = chain(3), np.random.default_rng(0).integers(0, 3, (ROWS, 3))
    for order in ((strong, weak), (weak, strong)):
        tree, _ = fit_junction_tree([measured(codes, 3, 20.0) for codes in order], limit=10_000)
        assert all(tree.home(pair) is not None for pair in ((0, 1), (1, 2)))


def test_a_code_that_was_not_seen_is_not_impossible() -> None:
    codes = chain(3)
    codes[codes == 2] = 1
    layer = measured(codes, 3, 20.0)
    assert layer.margins[0][2] == 0
    _, beliefs = fit_junction_tree([layer], limit=10_000)
    assert all((belief > 0).all() for belief in beliefs[0])
    assert max(belief[2].sum() for belief in beliefs[0]) < 1


def test_a_class_of_hardly_any_rows_does_no_harm() -> None:
    layers, true = in_classes(2, 20.0)
    rng = np.random.default_rng(0)
    nobody = Layer(
        margins=tuple(margin * 1e-6 for margin in layers[0].margins),
        pairs={pair: (rng.normal(0, 20.0, (3, 3)), 20.0) for pair in layers[0].pairs},
    )
    tree, beliefs = fit_junction_tree([*layers, nobody], limit=10_000)
    *targets, empty = target_tables(tree, beliefs, [*layers, nobody])
    assert all(np.isfinite(table).all() and table.sum() == pytest.approx(0.01) for table in empty.values())
    for pair, table in targets[0].items():
        assert np.abs(table - true[0][pair]).sum() / 2 / ROWS < 0.03


Stack = tuple[JunctionTree, list[list[np.ndarray]], int]


@st.composite
def layered(draw: st.DrawFn) -> Stack:
    """Random layers over one random tree; one node has a single code, alone or within cliques."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=6))
    node = draw(st.integers(0, len(sizes) - 1))
    sizes[node] = 1
    possible = [
        pair
        for pair in itertools.combinations(range(len(sizes)), 2)
        if node not in pair or draw(st.integers(0, 4)) == 0
    ]
    edges = draw(st.lists(st.sampled_from(possible), unique=True)) if possible else []
    tree = junction_tree(sizes, edges)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    layers = []
    for _ in range(draw(st.integers(1, 3))):
        scopes: list[tuple[int, ...]] = [*edges, *((i,) for i in range(len(sizes)))]
        factors = {scope: rng.random([sizes[i] for i in scope]) + 1e-3 for scope in scopes}
        layers.append(calibrated(tree, factors, float(rng.gamma(2.0))))
    return tree, layers, node


def full_table(tree: JunctionTree, beliefs: list[np.ndarray]) -> np.ndarray:
    """The whole distribution: beliefs over separators."""
    nodes = range(len(tree.sizes))
    full: Any = np.ones(tree.sizes)
    for i, (clique, separator, belief) in enumerate(zip(tree.cliques, tree.separators, beliefs, strict=True)):
        full = full * belief.reshape([tree.sizes[n] if n in clique else 1 for n in nodes])
        shared = sum_to(belief, clique, separator) if i else np.ones(())
        full = full / shared.reshape([tree.sizes[n] if n in separator else 1 for n in nodes])
    return full


@given(layered())
@settings(max_examples=150)
def test_layers_stack_to_one_junction_tree(drawn: Stack) -> None:
    tree, layers, node = drawn
    whole, tables = stacked(tree, layers, node)
    expected = list(tree.sizes)
    expected[node] = len(layers)
    assert list(whole.sizes) == expected
    assert [table.shape for table in tables] == [whole.shape(clique) for clique in whole.cliques]
    if (node,) in tree.cliques:  # as it is in every fit: pairs with the column of classes are not counted
        assert not any(set(one) <= set(other) for one, other in itertools.permutations(whole.cliques, 2))
    seen: set[int] = set()
    for i, (clique, parent) in enumerate(zip(whole.cliques, whole.parents, strict=True)):
        assert list(clique) == sorted({*clique, node})
        assert parent == -1 if i == 0 else 0 <= parent < i
        above = set(whole.cliques[parent]) if i else set()
        assert set(clique) & seen == set(clique) & above  # running intersection
        seen |= set(clique)
        shared = whole.separators[i]
        if i:  # neighbours agree on what they share
            np.testing.assert_allclose(
                sum_to(tables[i], clique, shared), sum_to(tables[parent], whole.cliques[parent], shared)
            )
    assert seen == set(range(len(whole.sizes)))
    joint = full_table(whole, tables)
    for c, own in enumerate(layers):
        one_class = np.take(joint, [c], axis=node)
        np.testing.assert_allclose(one_class, full_table(tree, own), rtol=1e-9)
