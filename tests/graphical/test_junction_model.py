from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.graphical.calibration import calibrated
from dpsynth.graphical.junction_model import JunctionModel
from dpsynth.graphical.junction_tree import junction_tree
from dpsynth.graphical.pairs import all_pairs
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema

SIZES = (4, 3, 3)
BUCKETS = ((0, 0, 1, 1), (0, 1, 2), (0, 1, 0))
DETAILS = ((0.25, 0.75, 1.0, 0.0), (1.0, 1.0, 1.0), (0.5, 1.0, 0.5))


def model(**changes: Any) -> JunctionModel:
    columns = tuple(
        Categorical(name=name, categories=tuple(range(size)), required=True)
        for name, size in zip("abc", SIZES, strict=True)
    )
    sizes = [2, 3, 2]
    tree = junction_tree(sizes, [(0, 1), (1, 2)])
    rng = np.random.default_rng(0)
    factors = {(0, 1): rng.gamma(1.0, size=(2, 3)), (1, 2): np.array([[1.0, 0.0], [0.5, 0.5], [0.2, 1.0]])}
    beliefs = calibrated(tree, factors, 1.0)
    fields: dict[str, Any] = {
        "schema": Schema(columns=columns),
        "total": 123.4,
        "tree": tree,
        "beliefs": tuple(beliefs),
        "buckets": tuple(np.array(group) for group in BUCKETS),
        "details": tuple(np.array(detail) for detail in DETAILS),
        "targets": {pair: table[None] for pair, table in all_pairs(tree, beliefs).items()},
    }
    return JunctionModel(**{**fields, **changes})


def in_classes(**changes: Any) -> JunctionModel:
    """The classes of `b` differ in how `a` and `c` go together, which the tree does not show; finer buckets do."""
    plain = model()
    margins = plain.marginal(["b"])
    left, right = (plain.marginal([name, "b"]) for name in "ac")
    coarse = [
        np.stack([np.bincount(BUCKETS[i], weights=t[:, b]) for b in range(3)])
        for i, t in ((0, left), (2, right))
    ]
    targets = np.einsum("ka,kc->kac", coarse[0], coarse[1] / margins[:, None])
    apart = np.array([[1, -1], [-1, 1]])
    for b, sign in enumerate((1, 1, -1)):
        targets[b] += 0.8 * sign * apart * targets[b][sign * apart < 0].min()
    whole = targets.sum(axis=0)  # of which each finer bucket has its share, but for one block
    refined = whole[np.ix_([0, 0, 1], [0, 0, 1])] * np.outer([0.25, 0.75, 1.0], [0.5, 0.5, 1.0])
    refined[:2, :2] += 0.1 * whole[0, 0] * apart
    fields: dict[str, Any] = {
        "classes": 1,
        "targets": {(0, 2): targets},
        "fine": (np.array([0, 1, 2, 2]), np.array([0, 1, 2]), np.array([1, 2, 0])),
        "refined": {(0, 2): refined},
    }
    return model(**{**fields, **changes})


def bucket_pair(drawn: dict[str, np.ndarray], left: int, right: int, shape: tuple[int, int]) -> np.ndarray:
    codes = [np.array(BUCKETS[node])[drawn["abc"[node]]] for node in (left, right)]
    return np.bincount(codes[0] * shape[1] + codes[1], minlength=shape[0] * shape[1]).reshape(shape)


def test_rows_follow_the_pairs_and_the_detail() -> None:
    fitted, rows = model(), 20_000
    drawn = fitted.sample_codes(rows, np.random.default_rng(1))
    for (left, right), (target,) in fitted.targets.items():
        table = bucket_pair(drawn, left, right, (target.shape[0], target.shape[1]))
        assert np.abs(table / rows - target).max() < 5e-4
    inside = np.bincount(drawn["a"], minlength=4)
    assert inside[0] / (inside[0] + inside[1]) == pytest.approx(0.25, abs=1e-3)
    assert inside[3] == 0


def test_given_codes_condition_the_others() -> None:
    fitted = model()
    drawn = fitted.sample_codes(30_000, np.random.default_rng(2), {"b": 1, "c": 2})
    assert set(drawn["b"]) == {1}
    assert set(drawn["c"]) == {2}
    joint = fitted.targets[0, 1][0, :, 1]
    assert np.mean(drawn["a"] >= 2) == pytest.approx(joint[1] / joint.sum(), abs=1e-3)


def test_what_the_model_excludes_cannot_be_given() -> None:
    for given in ({"b": 0, "c": 1}, {"a": 3}):
        with pytest.raises(ConfigurationError, match="no records"):
            model().sample_codes(5, np.random.default_rng(0), given)


def test_the_rows_of_a_class_follow_its_own_pairs() -> None:
    fitted, rows = in_classes(), 30_000
    drawn = fitted.sample_codes(rows, np.random.default_rng(1))
    target = fitted.targets[0, 2]
    for b in range(3):
        mine = {name: codes[drawn["b"] == b] for name, codes in drawn.items()}
        table = bucket_pair(mine, 0, 2, (2, 2)) / rows
        assert np.abs(table - target[b]).max() < 1e-3
    whole = np.ones((1, 2, 2)) * target.sum(0)
    alike = model(targets={(0, 2): whole}).sample_codes(rows, np.random.default_rng(1))
    last = {name: codes[alike["b"] == 2] for name, codes in alike.items()}
    assert np.abs(bucket_pair(last, 0, 2, (2, 2)) / rows - target[2]).max() > 0.02


def test_the_marginal_of_a_measured_pair_is_what_rows_are_polished_to() -> None:
    fitted, rows = in_classes(), 40_000
    found = fitted.marginal(["a", "c"])
    assert found.shape == (4, 3)
    np.testing.assert_allclose(fitted.marginal(["c", "a"]), found.T)
    coarse = np.zeros((2, 2))
    np.add.at(coarse, np.ix_(BUCKETS[0], BUCKETS[2]), found)
    np.testing.assert_allclose(coarse, fitted.targets[0, 2].sum(0))
    # The finer buckets: c is code 2, 0, 1 in this order, a is 0, 1 or one of 2 and 3.
    refined = fitted.refined[0, 2]
    block = found[:2][:, [2, 0]]
    np.testing.assert_allclose(block / block.sum(), refined[:2][:, [0, 1]] / refined[:2][:, [0, 1]].sum())
    drawn = fitted.sample_codes(rows, np.random.default_rng(1))
    table = np.bincount(drawn["a"] * 3 + drawn["c"], minlength=12).reshape(4, 3) / rows
    assert np.abs(table - found).max() < 2e-3
    assert np.abs(table - model().marginal(["a", "c"])).max() > 0.02
    # Pairs with the classes, and more than two columns, are the tree's.
    np.testing.assert_allclose(fitted.marginal(["a", "b"]), model().marginal(["a", "b"]))
    np.testing.assert_allclose(fitted.marginal(["a", "b", "c"]).sum(2), fitted.marginal(["a", "b"]))


def test_without_finer_buckets_they_are_the_buckets() -> None:
    for own, buckets in zip(model().fine, BUCKETS, strict=True):
        np.testing.assert_array_equal(own, buckets)


def test_no_array_of_a_model_can_be_written_to() -> None:
    for array in in_classes().state()[1].values():
        assert not array.flags.writeable


@pytest.mark.parametrize("fitted", [model(), in_classes()], ids=["plain", "in classes"])
def test_state_and_back(fitted: JunctionModel) -> None:
    header, arrays = fitted.state()
    again = JunctionModel.from_state(fitted.schema, header, arrays)
    assert again.tree == fitted.tree
    assert again.classes == fitted.classes
    assert all((again.refined[pair] == table).all() for pair, table in fitted.refined.items())
    assert json.loads(json.dumps(header)) == header
    first, second = (m.sample_codes(100, np.random.default_rng(3)) for m in (fitted, again))
    for name in "abc":
        np.testing.assert_array_equal(first[name], second[name])
    assert not again.beliefs[0].flags.writeable


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("total", float("nan")),
        ("total", "many"),
        ("total", -1.0),
        ("cliques", [[0, 1], [1]]),
        ("cliques", [[0, 1], [2]]),
        ("cliques", [[1, 0], [1, 2]]),
        ("cliques", [[0, 1]]),
        ("parents", [-1, 5]),
        ("parents", [-1, -1]),
        ("parents", [0, 0]),
        ("parents", [-1]),
        ("parents", [-1, 0, 0]),
        ("targets", [[0, 1], [0, 2], [1]]),
        ("targets", [[0, 1], [0, 2], [0, 2]]),
        ("targets", [[0, 1], [0, 2], [1, 9]]),
        ("targets", [[0, 1], [0, 2], [1, -1]]),
        ("targets", [[0, 1], [0, 2], [2, 1]]),
        ("targets", [[0, 1], [0, 2], [1, 1]]),
        ("targets", 5),
        ("refined", [[0, 9]]),
        ("refined", [[-3, 2]]),
        ("refined", [[0]]),
        ("refined", None),
        ("refined", [[2, 2]]),
        ("refined", [[1, 0]]),
        ("classes", 0),
        ("classes", 3),
        ("classes", -1),
        ("classes", -2),
        ("classes", "b"),
        ("classes", None),
    ],
)
def test_damaged_headers_are_refused(field: str, value: object) -> None:
    fitted = in_classes() if field in ("refined", "classes") else model()
    header, arrays = fitted.state()
    with pytest.raises(StorageError):
        JunctionModel.from_state(fitted.schema, {**header, field: value}, arrays)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("belief.0", None),
        ("belief.0", np.ones((2, 2))),
        ("belief.0", -np.ones((2, 3)) / 6),
        ("belief.0", np.full((2, 3), np.nan)),
        ("belief.0", np.ones((2, 3))),
        ("buckets.0", np.array([0, 0, 1])),
        ("buckets.0", np.array([0, 0, 0, 0])),
        ("buckets.0", np.array([-1, 0, 1, 1])),
        ("buckets.0", np.array([], np.int64)),
        ("detail.0", np.array([0.5, 0.5, 0.5, 0.4])),
        ("detail.0", np.array([0.5, 0.5, 1.5, -0.5])),
        ("detail.0", np.ones(3)),
        ("target.0", None),
        ("target.0", np.ones((3, 3)) / 9),
        ("target.0", np.ones((2, 2)) / 4),
        ("target.0", np.ones((1, 2, 2)) / 4),
        ("target.0", np.ones((4, 2, 2)) / 16),
        ("target.0", np.ones((3, 2, 2))),
        ("target.0", np.full((3, 2, 2), np.inf)),
        ("fine.0", None),
        ("fine.0", np.array([0, 1, 2])),
        ("fine.0", np.array([0, 1, 3, 3])),
        ("fine.0", np.array([-1, 0, 1, 1])),
        ("fine.0", np.array([0, 1, 1, 2])),
        ("fine.0", np.array([0, 0, 0, 0])),
        ("fine.0", np.array([[0, 1, 2, 2]])),
        ("fine.0", np.array([0, 1, 2, 3])),
        ("refined.0", None),
        ("refined.0", np.ones((2, 2)) / 4),
        ("refined.0", np.ones((3, 3))),
        ("refined.0", np.full((3, 3), np.nan)),
        ("refined.0", np.array([[0.6, -0.1, 0.5], [0, 0, 0], [0, 0, 0]])),
        ("refined.0", np.ones((1, 3, 3)) / 9),
    ],
)
def test_damaged_arrays_are_refused(name: str, array: np.ndarray | None) -> None:
    fitted = in_classes()
    header, arrays = fitted.state()
    broken = {key: value for key, value in arrays.items() if key != name}
    if array is not None:
        broken[name] = array
    with pytest.raises(StorageError):
        JunctionModel.from_state(fitted.schema, header, broken)


@pytest.mark.parametrize(
    "fitted", [model(), in_classes(), model(targets={})], ids=["plain", "classes", "none"]
)
def test_polished_rows_keep_the_counts_of_each_column_and_gain_the_pairs(fitted: JunctionModel) -> None:
    rng, rows = np.random.default_rng(4), 6_000
    start = fitted.sample_codes(rows, rng)
    apart = {name: rng.permutation(codes) for name, codes in start.items()}
    before = {name: codes.copy() for name, codes in apart.items()}
    found = fitted.polished(apart, rng)
    for node, name in enumerate("abc"):
        counts = [np.bincount(np.array(BUCKETS[node])[codes[name]]) for codes in (apart, found)]
        np.testing.assert_allclose(*counts, atol=rows * 2e-3 if fitted.targets else 0)
        np.testing.assert_array_equal(apart[name], before[name])
    if not fitted.targets:
        for node, name in enumerate("abc"):
            own = np.array(BUCKETS[node])
            np.testing.assert_array_equal(own[found[name]], own[apart[name]])
        return
    for (left, right), target in fitted.targets.items():
        tables = [bucket_pair(c, left, right, target.shape[1:]) / rows for c in (apart, found)]
        gaps = [np.abs(table - target.sum(0)).sum() for table in tables]
        assert gaps[1] < max(0.2 * gaps[0], 2e-3)


def test_polished_rows_have_the_detail_inside_a_bucket() -> None:
    fitted, rows = model(), 20_000
    first = {name: np.zeros(rows, np.int64) for name in "abc"}
    found = fitted.polished(first, np.random.default_rng(0))
    lower = found["a"] < 2
    assert np.mean(lower) == pytest.approx(fitted.marginal(["a"])[:2].sum(), abs=1e-4)
    assert np.mean(found["a"][lower] == 0) == pytest.approx(0.25, abs=1e-3)
    assert 3 not in found["a"]
    assert fitted.polished({name: codes[:0] for name, codes in first.items()}, np.random.default_rng(0))[
        "a"
    ].shape == (0,)
