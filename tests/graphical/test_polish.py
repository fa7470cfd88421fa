from __future__ import annotations

import numpy as np

from dpsynth.graphical.polish import polish


def counts(codes: np.ndarray, sizes: list[int], left: int, right: int) -> np.ndarray:
    cells = codes[:, left] * sizes[right] + codes[:, right]
    return np.bincount(cells, minlength=sizes[left] * sizes[right]).reshape(sizes[left], sizes[right])


def squares(codes: np.ndarray, sizes: list[int], targets: dict[tuple[int, int], np.ndarray]) -> float:
    return sum(float(((counts(codes, sizes, *pair) - table) ** 2).sum()) for pair, table in targets.items())


def test_independent_rows_are_polished_to_an_association() -> None:
    rng = np.random.default_rng(0)
    sizes, rows = [3, 4, 2], 6_000
    codes = np.column_stack([rng.integers(0, size, rows) for size in sizes])
    wanted = codes.copy()
    wanted[:, 1] = np.where(rng.random(rows) < 0.6, wanted[:, 0], wanted[:, 1])
    wanted[:, 2] = np.where(rng.random(rows) < 0.5, wanted[:, 1] % 2, wanted[:, 2])
    start = np.column_stack([rng.permutation(wanted[:, node]) for node in range(3)])
    targets = {pair: counts(wanted, sizes, *pair) for pair in ((0, 1), (0, 2), (1, 2))}
    polished = start.copy()
    polish(polished, sizes, targets, np.random.default_rng(1), proposals=300_000)
    for node, size in enumerate(sizes):
        before, after = (np.bincount(c[:, node], minlength=size) for c in (start, polished))
        np.testing.assert_array_equal(before, after)
    assert squares(polished, sizes, targets) < 1e-3 * squares(start, sizes, targets)


def test_rows_that_are_right_stay() -> None:
    codes = np.random.default_rng(0).integers(0, 3, (500, 2))
    polished = codes.copy()
    polish(polished, [3, 3], {(0, 1): counts(codes, [3, 3], 0, 1)}, np.random.default_rng(1), proposals=5_000)
    np.testing.assert_array_equal(counts(polished, [3, 3], 0, 1), counts(codes, [3, 3], 0, 1))


def test_nothing_to_do_is_done() -> None:
    for codes, targets in (
        (np.zeros((1, 2), np.int64), {(0, 1): np.eye(2)}),
        (np.zeros((5, 2), np.int64), {}),
        (np.zeros((5, 2), np.int64), {(0, 1): np.eye(2)}),
    ):
        polish(codes, [2, 2], targets, np.random.default_rng(0), proposals=1_000)
        assert not codes.any()
