"""U05: rounding that correlates siblings, and conditioning on less than the model knows."""

from __future__ import annotations

import numpy as np

from dpsynth.graphical.sampling import RowSampler, sample_tree, whole_counts

ORDER = (("root", None), ("left", "root"), ("right", "root"))
TABLES = {"root": np.array([0.5, 0.5]), "left": np.full((2, 4), 0.25), "right": np.full((2, 4), 0.25)}
ROWS = 8_000


def dependence(codes: dict[str, np.ndarray]) -> float:
    """Total variation distance of the siblings from independence."""
    joint = np.bincount(codes["left"] * 4 + codes["right"], minlength=16).reshape(4, 4) / ROWS
    return float(0.5 * np.abs(joint - np.outer(joint.sum(1), joint.sum(0))).sum())


def without_shuffling(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The broken twin: each group of rows takes its codes in the order in which rounding made them."""
    sizes = whole_counts(TABLES["root"][None], np.array([ROWS]), rng)[0]
    counts = {name: whole_counts(TABLES[name], sizes, rng).ravel() for name in ("left", "right")}
    return {name: np.repeat(np.tile(np.arange(4), 2), count) for name, count in counts.items()}


def on_one_lattice(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Another broken twin: both columns are dealt along the same lattice to rows in the same order."""
    seed, codes = int(rng.integers(2**32)), {}
    for name in ("left", "right"):
        sampler = RowSampler(ROWS, np.random.default_rng(seed))
        codes[name] = sampler.draw(np.zeros(ROWS, np.int32), TABLES[name][:1])
    return codes


def test_u05_siblings_are_independent_given_their_parent() -> None:
    assert dependence(sample_tree(ORDER, TABLES, ROWS, np.random.default_rng(0))) < 0.05


def test_u05_rows_in_the_order_of_rounding_would_correlate_them() -> None:
    assert dependence(without_shuffling(np.random.default_rng(0))) > 0.5
    assert dependence(on_one_lattice(np.random.default_rng(0))) > 0.5


def test_u05_siblings_are_independent_on_average_in_groups_of_few_rows() -> None:
    rng, rows = np.random.default_rng(2), 3
    left, right = np.array([[0.3, 0.7]]), np.array([[0.5, 0.2, 0.3]])
    total, draws = np.zeros(6), 6000
    for _ in range(draws):
        sampler = RowSampler(rows, rng)
        first, second = (sampler.draw(np.zeros(rows, np.int32), table) for table in (left, right))
        total += np.bincount(first * 3 + second, minlength=6)
    # Five standard deviations of the mean, were the rows independent draws.
    np.testing.assert_allclose(total / draws / rows, np.outer(left, right).ravel(), atol=5 * 0.5 / 6000**0.5)


def test_u05_a_grandchild_depends_on_its_parent_alone() -> None:
    rng = np.random.default_rng(1)
    order = (("root", None), ("left", "root"), ("right", "left"))
    copy = np.vstack([np.eye(4)[[0, 1]].mean(0), np.eye(4)[[2, 3]].mean(0)])
    tables = {"root": TABLES["root"], "left": copy, "right": np.eye(4)}
    codes = sample_tree(order, tables, ROWS, rng)
    np.testing.assert_array_equal(codes["left"], codes["right"])
    np.testing.assert_array_equal(codes["left"] // 2, codes["root"])
