from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError
from dpsynth.graphical import completion
from dpsynth.graphical.calibration import calibrated
from dpsynth.graphical.completion import FREE, PRESENT, completed, present_codes, records
from dpsynth.graphical.conditionals import Conditional, chain_of_network, chain_of_tree
from dpsynth.graphical.junction_model import JunctionModel
from dpsynth.graphical.junction_tree import junction_tree
from dpsynth.graphical.network import BayesianNetwork
from dpsynth.graphical.tree import TreeModel
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema

Chain = list[Conditional]


def tables(rng: np.random.Generator, shape: tuple[int, ...], zeros: float) -> np.ndarray:
    weights = rng.random(shape) * (rng.random(shape) >= zeros) + 1e-3 * (np.arange(shape[-1]) == 0)
    return weights / weights.sum(axis=-1, keepdims=True)


@st.composite
def chains(draw: st.DrawFn, zeros: float = 0.3) -> tuple[Chain, list[int]]:
    """A network whose parents share a table, or a junction tree of triangulated pairs, over five nodes at most."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        possible = list(itertools.combinations(range(len(sizes)), 2))
        edges = draw(st.lists(st.sampled_from(possible), unique=True)) if possible else []
        tree = junction_tree(sizes, edges)
        factors = {pair: tables(rng, (sizes[pair[0]], sizes[pair[1]]), zeros) for pair in edges}
        return chain_of_tree(tree, calibrated(tree, factors, 1.0)), sizes
    order: list[tuple[str, tuple[str, ...]]] = []
    names = [f"c{i}" for i in range(len(sizes))]
    found = {}
    for name in draw(st.permutations(names)):
        sets: list[tuple[str, ...]] = [()]
        for last, above in order:
            sets += [(*others, last) for count in range(3) for others in itertools.combinations(above, count)]
        parents = draw(st.sampled_from(sets))
        order.append((name, parents))
        found[name] = tables(rng, tuple(sizes[names.index(c)] for c in (*parents, name)), zeros)
    return chain_of_network(names, order, found), sizes


def joint(chain: Chain, sizes: list[int]) -> np.ndarray:
    full = np.ones(sizes)
    for conditional in chain:
        turned = conditional.table.transpose(np.argsort(conditional.nodes))
        full = full * turned.reshape([size if n in conditional.nodes else 1 for n, size in enumerate(sizes)])
    return full


def expected(full: np.ndarray, record: list[int], present: dict[int, np.ndarray]) -> np.ndarray:
    kept = full.copy()
    for node, code in enumerate(record):
        if code != FREE:
            weights = present[node] if code == PRESENT else np.eye(full.shape[node])[code]
            kept = kept * weights.reshape([-1 if n == node else 1 for n in range(full.ndim)])
    return kept


@given(chains(), st.data())
@settings(max_examples=60)
def test_draws_follow_the_exact_conditional_distribution(
    model: tuple[Chain, list[int]], data: st.DataObject
) -> None:
    """Many records of a few kinds, mixed, in blocks: each kind has its own conditional distribution."""
    chain, sizes = model
    full = joint(chain, sizes)
    rng = np.random.default_rng(0)
    present = {node: rng.integers(0, 2, size) + 0.1 for node, size in enumerate(sizes)}
    codes = [st.sampled_from([FREE, FREE, PRESENT, *range(size)]) for size in sizes]
    kinds = data.draw(st.lists(st.tuples(*codes), min_size=1, max_size=4, unique=True))
    kinds = [list(kind) for kind in kinds if expected(full, list(kind), present).sum() > 1e-6]
    if not kinds:
        return
    each = 3_000
    kind = np.repeat(np.arange(len(kinds)), each)
    kind = np.random.default_rng(1).permutation(kind)
    known = np.array(kinds)[kind]
    drawn = completed(chain, known, present, np.random.default_rng(2))
    assert ((drawn == known) | (known < 0)).all()
    cells = np.ravel_multi_index(drawn.T, sizes)
    for number, record in enumerate(kinds):
        wanted = expected(full, record, present).ravel()
        wanted = wanted / wanted.sum()
        found = np.bincount(cells[kind == number], minlength=full.size) / each
        assert (found[wanted == 0] == 0).all()
        assert (np.abs(found - wanted) <= 6 * np.sqrt(wanted / each) + 1e-3).all()


@given(chains(), st.data())
@settings(max_examples=30)
def test_blocks_and_pieces_change_nothing_that_is_known(
    model: tuple[Chain, list[int]], data: st.DataObject
) -> None:
    chain, sizes = model
    record = [data.draw(st.sampled_from([FREE, *range(size)])) for size in sizes]
    known = np.array([record] * 50)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(completion, "_MESSAGE_CELLS", 1)
        patch.setattr(completion, "_CELLS_AT_ONCE", 1)
        drawn = completed(chain, known, {}, np.random.default_rng(0))
    assert ((drawn == known) | (known < 0)).all()
    assert (drawn >= 0).all()
    assert (drawn < np.array(sizes)).all()


def test_no_records() -> None:
    chain = chain_of_network(["a"], [("a", ())], {"a": np.array([0.5, 0.5])})
    assert completed(chain, np.zeros((0, 1), np.int64), {}, np.random.default_rng(0)).shape == (0, 1)


def test_what_the_model_rules_out_is_completed_by_what_speaks_least_against_it() -> None:
    """b copies a, c copies b: if a and c differ, b is one of the two; other records are drawn exactly."""
    copy = np.eye(3)
    chain = chain_of_network(
        ["a", "b", "c"],
        [("a", ()), ("b", ("a",)), ("c", ("b",))],
        {"a": np.full(3, 1 / 3), "b": copy, "c": copy},
    )
    known = np.array([[0, FREE, 2]] * 2_000 + [[1, FREE, 1]] * 2_000)
    drawn = completed(chain, known, {}, np.random.default_rng(0))
    assert (drawn[2_000:, 1] == 1).all()
    odd = drawn[:2_000, 1]
    assert set(odd.tolist()) == {0, 2}
    assert np.mean(odd == 0) == pytest.approx(0.5, abs=0.06)


SCHEMA = Schema(
    columns=(
        Categorical(name="a", categories=(0, 1)),  # the third code is "missing"
        Categorical(name="b", categories=(0, 1), required=True),
        Categorical(name="c", categories=(), out_of_domain="other", required=True),
    )
)


def models() -> list[TreeModel | BayesianNetwork | JunctionModel]:
    pair = np.array([[0.1, 0.2], [0.05, 0.15], [0.3, 0.2]])
    first, second = pair.sum(axis=1), pair / pair.sum(axis=1, keepdims=True)
    found = {"a": first, "b": second, "c": np.ones(1)}
    fields: dict[str, Any] = {"schema": SCHEMA, "total": 1.0}
    tree = junction_tree([2, 2, 1], [(0, 1)])  # the codes 1 and missing of `a` share a bucket
    coarse = np.array([pair[0], pair[1] + pair[2]])
    return [
        TreeModel(**fields, order=(("a", None), ("b", "a"), ("c", None)), tables=found),
        BayesianNetwork(**fields, order=(("a", ()), ("b", ("a",)), ("c", ())), tables=found),
        JunctionModel(
            **fields,
            tree=tree,
            beliefs=tuple(calibrated(tree, {(0, 1): coarse}, 1.0)),
            buckets=(np.array([0, 1, 1]), np.arange(2), np.zeros(1, np.int64)),
            details=(np.array([1.0, 2 / 7, 5 / 7]), np.ones(2), np.ones(1)),
            targets={},
        ),
    ]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.name)
def test_models_fill_in_cells_that_are_asked_for_and_columns_that_are_absent(model: Any) -> None:
    rows = 6_000
    b = np.tile([0, 1], rows // 2)
    filled = model.complete_codes(rows, {"a": np.full(rows, -1), "b": b}, np.random.default_rng(0))
    np.testing.assert_array_equal(filled["b"], b)
    assert set(filled["a"].tolist()) == {0, 1}
    exact = model.condition({"a": [0, 1], "b": 0}).marginal(["a"])[0] if hasattr(model, "condition") else None
    share = np.mean(filled["a"][b == 0] == 0)
    if exact is not None:
        assert share == pytest.approx(exact, abs=0.03)
    else:  # within its bucket a code of `a` is independent of `b`
        assert share == pytest.approx(0.1 / (0.1 + 0.35 * 2 / 7), abs=0.03)
    absent = model.complete_codes(rows, {"b": b}, np.random.default_rng(0))
    assert set(absent["a"].tolist()) == {0, 1, 2}
    assert np.mean(absent["a"] == 2) == pytest.approx(model.marginal(["a"])[2], abs=0.03)
    everything = model.complete_codes(rows, {}, np.random.default_rng(0))
    assert np.mean(everything["b"]) == pytest.approx(0.55, abs=0.03)


@pytest.mark.parametrize("model", models(), ids=lambda model: model.name)
def test_a_known_missing_value_is_kept(model: Any) -> None:
    filled = model.complete_codes(4, {"a": np.array([2, 0, 1, 2])}, np.random.default_rng(0))
    assert filled["a"].tolist() == [2, 0, 1, 2]
    assert filled["a"].dtype == np.int32


def test_a_bucket_that_is_all_missing_can_be_filled_in() -> None:
    tree = junction_tree([1], [])
    model = JunctionModel(
        schema=Schema(columns=SCHEMA.columns[:1]),
        total=1.0,
        tree=tree,
        beliefs=(np.ones(1),),
        buckets=(np.zeros(3, np.int64),),
        details=(np.array([0.0, 0.0, 1.0]),),
        targets={},
    )
    filled = model.complete_codes(100, {"a": np.full(100, -1)}, np.random.default_rng(0))
    assert set(filled["a"].tolist()) == {0, 1}


@pytest.mark.parametrize(
    "known",
    [
        {"a": np.zeros(2, int)},
        {"a": np.zeros(3)},
        {"a": np.array([0, 3, 0])},
        {"a": np.array([0, -2, 0])},
        {"z": np.zeros(3, int)},
    ],
)
def test_codes_that_do_not_fit_are_refused(known: dict[str, np.ndarray]) -> None:
    with pytest.raises(ConfigurationError, match="expected 3 codes"):
        records(SCHEMA, 3, known)


def test_missing_is_what_is_not_present() -> None:
    assert [weights.tolist() for weights in present_codes(SCHEMA).values()] == [[1, 1, 0], [1, 1], [1]]
