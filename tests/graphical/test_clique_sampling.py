from __future__ import annotations

import numpy as np
import pytest

from dpsynth.graphical.calibration import calibrated
from dpsynth.graphical.clique_sampling import sample_cliques
from dpsynth.graphical.junction_tree import JunctionTree, junction_tree
from dpsynth.graphical.pairs import all_pairs

SIZES = (3, 4, 2, 5, 3)
EDGES = ((0, 1), (1, 2), (0, 2), (2, 3))  # node 4 stands alone


@pytest.fixture
def tree() -> JunctionTree:
    return junction_tree(SIZES, EDGES)


def beliefs_of(tree: JunctionTree, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return calibrated(tree, {clique: rng.gamma(0.7, size=tree.shape(clique)) for clique in tree.cliques}, 1.0)


def test_cliques_come_out_within_a_row_or_two(tree: JunctionTree) -> None:
    beliefs, rows = beliefs_of(tree), 30_000
    codes = sample_cliques(tree, beliefs, rows, np.random.default_rng(1))
    assert codes.shape == (rows, len(SIZES))
    assert codes.dtype == np.int32
    assert codes.flags.c_contiguous
    for clique, belief in zip(tree.cliques, beliefs, strict=True):
        cells = np.ravel_multi_index(codes[:, clique].T, belief.shape)
        counts = np.bincount(cells, minlength=belief.size)
        assert np.abs(counts - rows * belief.ravel()).max() < 1 + len(tree.cliques)


def test_all_pairs_follow_the_model(tree: JunctionTree) -> None:
    beliefs, rows = beliefs_of(tree), 30_000
    codes = sample_cliques(tree, beliefs, rows, np.random.default_rng(2))
    for (left, right), table in all_pairs(tree, beliefs).items():
        counts = np.bincount(codes[:, left] * SIZES[right] + codes[:, right], minlength=table.size)
        assert 0.5 * np.abs(counts / rows - table.ravel()).sum() < 0.006


def test_what_is_new_depends_on_the_separator_alone(tree: JunctionTree) -> None:
    beliefs, rows = beliefs_of(tree), 60_000
    codes = sample_cliques(tree, beliefs, rows, np.random.default_rng(3))
    for code in range(SIZES[2]):
        inside = codes[codes[:, 2] == code]
        joint = np.zeros((SIZES[0], SIZES[3]))
        np.add.at(joint, (inside[:, 0], inside[:, 3]), 1 / len(inside))
        assert 0.5 * np.abs(joint - np.outer(joint.sum(1), joint.sum(0))).sum() < 0.01


def test_cells_without_probability_stay_empty() -> None:
    tree = JunctionTree(sizes=(2, 3), cliques=((0, 1),), parents=(-1,))
    belief = np.array([[0.0, 0.5, 0.0], [0.25, 0.0, 0.25]])
    codes = sample_cliques(tree, [belief], 1000, np.random.default_rng(4))
    assert {tuple(row) for row in codes.tolist()} == {(0, 1), (1, 0), (1, 2)}


def test_groups_that_the_model_leaves_empty_do_no_harm() -> None:
    tree = JunctionTree(sizes=(2, 2, 2), cliques=((0, 1), (1, 2)), parents=(-1, 0))
    beliefs = [np.array([[0.5, 0.0], [0.5, 0.0]]), np.array([[0.2, 0.8], [0.0, 0.0]])]
    codes = sample_cliques(tree, beliefs, 10, np.random.default_rng(5))
    assert codes[:, 1].sum() == 0
    assert codes[:, 2].sum() == 8


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_rows(tree: JunctionTree, rows: int) -> None:
    codes = sample_cliques(tree, beliefs_of(tree), rows, np.random.default_rng(6))
    assert codes.shape == (rows, len(SIZES))
    assert np.all(codes < np.array(SIZES))


def test_same_seed_same_rows(tree: JunctionTree) -> None:
    first, again, other = (
        sample_cliques(tree, beliefs_of(tree), 500, np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_wide_nodes_and_many_separators() -> None:
    tree = JunctionTree(sizes=(300, 300, 2), cliques=((0, 1), (0, 1, 2)), parents=(-1, 0))
    joint = np.full((300, 300), 1 / 90_000)
    beliefs = [joint, joint[..., None] * np.array([0.25, 0.75])]
    codes = sample_cliques(tree, beliefs, 180_000, np.random.default_rng(9))
    assert np.all(np.bincount(codes[:, 0] * 300 + codes[:, 1], minlength=90_000) == 2)
    assert codes[:, 2].mean() == pytest.approx(0.75, abs=0.01)
