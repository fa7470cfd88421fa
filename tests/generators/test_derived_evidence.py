"""What is known about columns that follow, held against the joint distribution of all columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from generators.test_derivations import follows, letters
from generators.test_derived import model_of
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError
from dpsynth.generators import derived_model
from dpsynth.generators.base import ExactModel
from dpsynth.generators.derived_model import DerivedModel
from dpsynth.schema import Categorical, Integer, Schema

SCHEMA = Schema(
    columns=(
        letters("x", 4),
        letters("s", 2),
        letters("y", 3),
        letters("g", 3),
        Categorical(name="m", categories=("a", "b")),
    ),
    constraints=(
        follows("s", "x", c="b", d="b"),
        follows("g", "x", "y", aa="b", bb="b", cc="b", da="c"),
        follows("m", "y", b="b", default=None),
    ),
)
NAMES = SCHEMA.domain.columns
SIZES = SCHEMA.domain.sizes


def joint(model: DerivedModel) -> np.ndarray[Any, Any]:
    return model.marginal(NAMES)


def weight(known: Any, size: int) -> np.ndarray[Any, Any]:
    if isinstance(known, np.ndarray) and known.dtype.kind == "f":
        return known
    weights = np.zeros(size)
    weights[np.atleast_1d(known)] = 1.0
    return weights


def conditioned(table: np.ndarray[Any, Any], evidence: dict[str, Any]) -> np.ndarray[Any, Any]:
    for name, known in evidence.items():
        axis = NAMES.index(name)
        shape = [-1 if a == axis else 1 for a in range(table.ndim)]
        table = table * weight(known, SIZES[axis]).reshape(shape)
    return table


EVIDENCE: list[dict[str, Any]] = [
    {"s": 1},
    {"g": 1},
    {"g": 0},
    {"g": [1, 2]},
    {"g": 0, "s": 0},
    {"g": 0, "x": [0, 1, 3]},
    {"m": 2},
    {"m": [0, 1], "g": 1, "y": 1},
    {"g": np.array([0.5, 1.0, 0.0]), "s": 0},
    {"x": np.array([0.5, 1.0, 0.0, 0.25]), "g": 1},
]


@pytest.mark.parametrize("evidence", EVIDENCE, ids=str)
def test_rows_follow_the_joint_distribution(evidence: dict[str, Any]) -> None:
    model = model_of(SCHEMA, 3)
    exact = conditioned(joint(model), evidence)
    assert model.probability(evidence) == pytest.approx(exact.sum())
    rows = 40_000
    codes = model.sample_codes(rows, np.random.default_rng(1), evidence)
    assert [codes[name].dtype.kind for name in NAMES] == ["i"] * 5
    drawn = np.bincount(np.ravel_multi_index([codes[n] for n in NAMES], SIZES), minlength=exact.size) / rows
    np.testing.assert_allclose(drawn, (exact / exact.sum()).ravel(), atol=0.012)
    assert (drawn[exact.ravel() == 0] == 0).all()
    order = np.argsort(codes["x"][: rows // 2].mean() - codes["x"][rows // 2 :].mean())
    assert order == 0
    assert abs(codes["x"][: rows // 2].mean() - codes["x"][rows // 2 :].mean()) < 0.05  # in random order


def test_no_rows_are_no_rows() -> None:
    codes = model_of(SCHEMA).sample_codes(0, np.random.default_rng(1), {"g": 0})
    assert all(codes[name].shape == (0,) for name in NAMES)


def test_evidence_of_no_weight_is_impossible() -> None:
    model = model_of(SCHEMA)
    nothing = {"y": np.zeros(3), "g": 0}
    assert model.probability(nothing) == 0
    with pytest.raises(ConfigurationError, match="holds no records"):
        model.sample_codes(3, np.random.default_rng(0), nothing)


def test_evidence_can_be_too_scattered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived_model, "_MOST_BOXES", 1)
    with pytest.raises(ConfigurationError, match=r"\['g'\] follow from is scattered. Fix \['x', 'y'\]"):
        model_of(SCHEMA).probability({"g": 1})
    assert model_of(SCHEMA).probability({"s": 1}) > 0


def test_evidence_about_too_many_columns_is_refused() -> None:
    numbers = tuple(
        Integer(name=f"n{k}", minimum=0, maximum=999, cells=1000, required=True) for k in range(3)
    )
    constraints = tuple(follows(f"d{k}", f"n{k}") for k in range(3))
    schema = Schema(columns=(*numbers, *(letters(f"d{k}", 2) for k in range(3))), constraints=constraints)
    model = model_of(schema)
    assert model.probability({"d0": 0, "d1": 0}) == pytest.approx(1.0)
    with pytest.raises(ConfigurationError, match="too many columns together"):
        model.probability({"d0": 0, "d1": 0, "d2": 0})
    with pytest.raises(ConfigurationError, match="too many columns together"):
        completed(model, d0=[0], d1=[0], d2=[0])


def completed(model: DerivedModel, **known: Any) -> dict[str, np.ndarray[Any, Any]]:
    rows = max(np.size(codes) for codes in known.values())
    given_codes = {name: np.broadcast_to(codes, rows).astype(np.int64) for name, codes in known.items()}
    return model.complete_codes(rows, given_codes, np.random.default_rng(2))


@pytest.mark.parametrize(
    "evidence", [{"s": 1}, {"g": 1}, {"g": 2}, {"g": 0, "s": 0}, {"m": 1, "g": 0}, {"m": 2}], ids=str
)
def test_records_are_completed_from_the_joint_distribution(evidence: dict[str, int]) -> None:
    model = model_of(SCHEMA, 3)
    assert isinstance(model, ExactModel)
    exact = conditioned(joint(model), evidence)
    rows = 30_000
    codes = completed(model, **{name: np.full(rows, code) for name, code in evidence.items()})
    drawn = np.bincount(np.ravel_multi_index([codes[n] for n in NAMES], SIZES), minlength=exact.size) / rows
    np.testing.assert_allclose(drawn, (exact / exact.sum()).ravel(), atol=0.012)


@given(st.integers(0, 2**32))
@settings(max_examples=25)
def test_completed_records_keep_what_is_known_and_obey(seed: int) -> None:
    model, rng = model_of(SCHEMA, seed % 100), np.random.default_rng(seed)
    whole = model.sample_codes(60, rng)
    names = [name for name in NAMES if rng.random() < 0.5]
    known = {name: np.where((rng.random(60) < 0.3) & (whole[name] < 2), -1, whole[name]) for name in names}
    codes = model.complete_codes(60, known, rng)
    for name, told in known.items():
        assert (codes[name][told >= 0] == told[told >= 0]).all()
    for derivation in model.derivations:
        follow = derivation.codes[tuple(codes[name] for name in derivation.bases)]
        assert (codes[derivation.column] == follow).all()
    if "m" in known:
        assert (codes["m"][known["m"] < 0] != 2).all()


def test_records_that_contradict_themselves_keep_what_they_say() -> None:
    codes = completed(model_of(SCHEMA), x=[0, 0, 3], s=[1, 0, 1])
    assert codes["x"].tolist() == [0, 0, 3]
    assert codes["s"].tolist() == [1, 0, 1]
    codes = completed(model_of(SCHEMA), s=[1, 0], g=[1, 2], y=[0, 2])  # no x leads to these
    assert (codes["s"].tolist(), codes["g"].tolist(), codes["y"].tolist()) == ([1, 0], [1, 2], [0, 2])


def test_what_is_rare_is_still_completed() -> None:
    """A code that the model hardly ever draws gets bases that lead to it."""
    schema = Schema(
        columns=(letters("x", 4), letters("y", 3), Categorical(name="g", categories=("a", "b"))),
        constraints=(follows("g", "x", "y", ca="b", db="b", default=None),),
    )
    model = model_of(schema)
    rare = {"x": np.array([0.5, 0.5, 0.0, 0.0]), "y": np.tile([1e-9, 0.0, 1.0], (4, 1))}
    for name, table in rare.items():
        model.inner.tables[name].setflags(write=True)  # type: ignore[attr-defined]
        model.inner.tables[name][...] = table  # type: ignore[attr-defined]
    codes = completed(model, g=[1] * 40 + [-1] * 40, x=[3] * 20 + [-1] * 60)
    assert (codes["g"] != 2).all()
    assert (codes["g"][:40] == 1).all()
    assert (codes["x"][:20] == 3).all()
    for row in range(80):
        assert (codes["x"][row], codes["y"][row]) in {(2, 0), (3, 1)}
