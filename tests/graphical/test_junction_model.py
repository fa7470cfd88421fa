from __future__ import annotations

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
        "targets": all_pairs(tree, beliefs),
    }
    return JunctionModel(**{**fields, **changes})


def bucket_pair(drawn: dict[str, np.ndarray], left: int, right: int, shape: tuple[int, int]) -> np.ndarray:
    codes = [np.array(BUCKETS[node])[drawn["abc"[node]]] for node in (left, right)]
    return np.bincount(codes[0] * shape[1] + codes[1], minlength=shape[0] * shape[1]).reshape(shape)


def test_rows_follow_the_pairs_and_the_detail() -> None:
    fitted, rows = model(), 20_000
    drawn = fitted.sample_codes(rows, np.random.default_rng(1))
    for (left, right), target in fitted.targets.items():
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
    joint = fitted.targets[0, 1][:, 1]
    assert np.mean(drawn["a"] >= 2) == pytest.approx(joint[1] / joint.sum(), abs=1e-3)


def test_what_the_model_excludes_cannot_be_given() -> None:
    for given in ({"b": 0, "c": 1}, {"a": 3}):
        with pytest.raises(ConfigurationError, match="no records"):
            model().sample_codes(5, np.random.default_rng(0), given)


def test_state_and_back() -> None:
    fitted = model()
    header, arrays = fitted.state()
    again = JunctionModel.from_state(fitted.schema, header, arrays)
    assert again.tree == fitted.tree
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
    ],
)
def test_damaged_headers_are_refused(field: str, value: object) -> None:
    fitted = model()
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
        ("target.0", np.ones((3, 3)) / 9),
    ],
)
def test_damaged_arrays_are_refused(name: str, array: np.ndarray | None) -> None:
    fitted = model()
    header, arrays = fitted.state()
    broken = {key: value for key, value in arrays.items() if key != name}
    if array is not None:
        broken[name] = array
    with pytest.raises(StorageError):
        JunctionModel.from_state(fitted.schema, header, broken)
