from __future__ import annotations

import itertools

import numpy as np

from dpsynth.graphical.junction_tree import total_cells
from dpsynth.graphical.structure import fit_junction_tree, target_tables

ROWS = 10_000


def measured(codes: np.ndarray, size: int, sigma: float) -> tuple[list[np.ndarray], dict]:
    rng = np.random.default_rng(1)
    margins = [np.bincount(column, minlength=size).astype(float) for column in codes.T]
    pairs = {}
    for left, right in itertools.combinations(range(codes.shape[1]), 2):
        exact = np.bincount(codes[:, left] * size + codes[:, right], minlength=size**2).reshape(size, size)
        pairs[left, right] = (exact + rng.normal(0, sigma, exact.shape), sigma)
    return margins, pairs


def chain(columns: int, size: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, size, ROWS)]
    for _ in range(columns - 1):
        codes.append(np.where(rng.random(ROWS) < 0.3, rng.integers(0, size, ROWS), codes[-1]))
    return np.column_stack(codes)


def test_a_chain_is_found_and_fitted() -> None:
    margins, pairs = measured(chain(5), 3, 20.0)
    tree, beliefs = fit_junction_tree(margins, pairs, limit=10_000)
    assert all(tree.home((i, i + 1)) is not None for i in range(4))
    exact, _ = measured(chain(5), 3, 1e-9)[1], None
    for pair, table in target_tables(tree, beliefs, margins, pairs).items():
        assert np.abs(table - exact[pair][0]).sum() / 2 / ROWS < 0.02


def test_independent_columns_stay_independent() -> None:
    codes = np.random.default_rng(0).integers(0, 3, (ROWS, 4))
    margins, pairs = measured(codes, 3, 30.0)
    tree, beliefs = fit_junction_tree(margins, pairs, limit=10_000)
    assert len(tree.cliques) == 4
    for (i, j), table in target_tables(tree, beliefs, margins, pairs).items():
        np.testing.assert_allclose(table, np.outer(margins[i], margins[j]) / ROWS)


def test_the_limit_holds_and_what_is_left_out_is_a_target_still() -> None:
    margins, pairs = measured(chain(5), 3, 20.0)
    limit = 4 * 9  # a spanning tree
    tree, beliefs = fit_junction_tree(margins, pairs, limit=limit)
    assert total_cells(tree.sizes, [c for c in tree.cliques if len(c) == 2]) <= limit
    assert sum(belief.size for belief in beliefs) <= limit
    left_out = [pair for pair in pairs if tree.home(pair) is None]
    targets = target_tables(tree, beliefs, margins, pairs)
    assert left_out
    for pair in left_out:
        noise = pairs[pair][1] * pairs[pair][0].size
        assert np.abs(targets[pair] - pairs[pair][0]).sum() < 2 * noise
        np.testing.assert_allclose(targets[pair].sum(axis=1), margins[pair[0]], rtol=2e-3)


def test_pairs_that_were_not_measured_are_no_targets() -> None:
    margins, pairs = measured(chain(3), 3, 20.0)
    del pairs[0, 2]
    tree, beliefs = fit_junction_tree(margins, pairs, limit=10_000)
    assert set(target_tables(tree, beliefs, margins, pairs)) == {(0, 1), (1, 2)}
