"""U05: rounding that correlates siblings, and conditioning on less than the model knows."""

from __future__ import annotations

import numpy as np

from dpsynth.graphical.sampling import deal, sample_tree

ORDER = (("root", None), ("left", "root"), ("right", "root"))
TABLES = {"root": np.array([0.5, 0.5]), "left": np.full((2, 4), 0.25), "right": np.full((2, 4), 0.25)}
ROWS = 8_000


def dependence(codes: dict[str, np.ndarray]) -> float:
    """Total variation distance of the siblings from independence."""
    joint = np.bincount(codes["left"] * 4 + codes["right"], minlength=16).reshape(4, 4) / ROWS
    return float(0.5 * np.abs(joint - np.outer(joint.sum(1), joint.sum(0))).sum())


def without_shuffling(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The broken twin: each group of rows takes its codes in the order in which rounding made them."""
    root = np.sort(deal(TABLES["root"][None], np.array([ROWS]), rng))
    sizes = np.bincount(root)
    return {"left": deal(TABLES["left"], sizes, rng), "right": deal(TABLES["right"], sizes, rng)}


def test_u05_siblings_are_independent_given_their_parent() -> None:
    assert dependence(sample_tree(ORDER, TABLES, ROWS, np.random.default_rng(0))) < 0.05


def test_u05_rows_in_the_order_of_rounding_would_correlate_them() -> None:
    assert dependence(without_shuffling(np.random.default_rng(0))) > 0.5


def test_u05_a_grandchild_depends_on_its_parent_alone() -> None:
    rng = np.random.default_rng(1)
    order = (("root", None), ("left", "root"), ("right", "left"))
    copy = np.vstack([np.eye(4)[[0, 1]].mean(0), np.eye(4)[[2, 3]].mean(0)])
    tables = {"root": TABLES["root"], "left": copy, "right": np.eye(4)}
    codes = sample_tree(order, tables, ROWS, rng)
    np.testing.assert_array_equal(codes["left"], codes["right"])
    np.testing.assert_array_equal(codes["left"] // 2, codes["root"])
