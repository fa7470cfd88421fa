from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError
from dpsynth.graphical.calibration import calibrated
from dpsynth.graphical.conditionals import chain_of_tree, needed
from dpsynth.graphical.elimination import Factor, chain_marginal, eliminated, expanded, nodes_of
from dpsynth.graphical.junction_model import JunctionModel
from dpsynth.graphical.junction_tree import junction_tree
from dpsynth.schema.columns import Categorical
from dpsynth.schema.layout import Domain
from dpsynth.schema.schema import Schema


def brute_force(factors: list[Factor], sizes: list[int], wanted: list[int]) -> np.ndarray:
    full = np.ones(sizes)
    for nodes, table in factors:
        turned = table.transpose(np.argsort(nodes))
        full = full * turned.reshape([sizes[node] if node in nodes else 1 for node in range(len(sizes))])
    others = tuple(node for node in range(len(sizes)) if node not in wanted)
    return full.sum(axis=others).transpose(np.argsort(np.argsort(wanted)))


@st.composite
def products(draw: st.DrawFn) -> tuple[list[Factor], list[int]]:
    """Tables over any sets of up to five nodes, some of their cells zero; every node has one."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))
    scopes = draw(st.lists(st.lists(st.sampled_from(range(len(sizes))), unique=True, max_size=3), max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    factors = []
    for nodes in [*scopes, *([node] for node in range(len(sizes)))]:
        shape = [sizes[node] for node in nodes]
        factors.append((tuple(nodes), rng.random(shape) * (rng.random(shape) < 0.8)))
    return factors, sizes


@given(products(), st.data())
@settings(max_examples=150)
def test_elimination_equals_brute_force(product: tuple[list[Factor], list[int]], data: st.DataObject) -> None:
    factors, sizes = product
    wanted = data.draw(st.lists(st.sampled_from(range(len(sizes))), unique=True))
    np.testing.assert_allclose(
        eliminated(factors, wanted), brute_force(factors, sizes, wanted), rtol=1e-12, atol=1e-15
    )


@st.composite
def junction_models(draw: st.DrawFn) -> JunctionModel:
    """Random pairs of up to five columns (cycles are triangulated), over buckets, and one node beyond them."""
    columns = draw(st.integers(1, 5))
    codes = [draw(st.integers(1, 4)) for _ in range(columns)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    buckets = [np.unique(rng.integers(0, size, size), return_inverse=True)[1] for size in codes]
    sizes = [int(bucket.max()) + 1 for bucket in buckets]
    possible = list(itertools.combinations(range(columns), 2))
    edges = draw(st.lists(st.sampled_from(possible), unique=True)) if possible else []
    coarse = rng.integers(0, 2, sizes[0])  # what the last node is, given the bucket of the first column
    nested = np.eye(2)[coarse]
    factors = {(0, columns): nested}
    for pair in edges:
        shape = (sizes[pair[0]], sizes[pair[1]])
        factors[pair] = rng.random(shape) * (rng.random(shape) < 0.8) + 1e-3
    tree = junction_tree([*sizes, 2], [*edges, (0, columns)])
    details = []
    for bucket in buckets:
        weights = rng.random(len(bucket)) + 1e-3
        details.append(weights / np.bincount(bucket, weights=weights)[bucket])
    schema = Schema(
        columns=tuple(
            Categorical(name=f"c{i}", categories=tuple(range(size)), required=True)
            for i, size in enumerate(codes)
        )
    )
    return JunctionModel(
        schema=schema,
        total=10.0,
        tree=tree,
        beliefs=tuple(calibrated(tree, factors, 1.0)),
        buckets=tuple(buckets),
        details=tuple(details),
        targets={},
    )


def joint(model: JunctionModel) -> np.ndarray:
    """The full distribution over codes: the product of beliefs over separators, node by node."""
    tree, nodes = model.tree, range(len(model.tree.sizes))
    full = np.ones(tree.sizes)
    for clique, separator, belief in zip(tree.cliques, tree.separators, model.beliefs, strict=True):
        full = full * belief.reshape([tree.sizes[n] if n in clique else 1 for n in nodes])
        if separator:
            shared = belief.sum(axis=tuple(i for i, n in enumerate(clique) if n not in separator))
            shared = shared.reshape([tree.sizes[n] if n in separator else 1 for n in nodes])
            full = np.divide(
                full, shared, out=np.zeros_like(full), where=np.broadcast_to(shared, full.shape) > 0
            )
    full = full.sum(axis=tuple(range(len(model.buckets), len(tree.sizes))))
    for axis, (bucket, detail) in enumerate(zip(model.buckets, model.details, strict=True)):
        full = np.take(full, bucket, axis=axis) * detail.reshape(
            [-1 if i == axis else 1 for i in range(full.ndim)]
        )
    return full


@given(junction_models(), st.data())
@settings(max_examples=80)
def test_marginals_of_a_junction_model_equal_brute_force(model: JunctionModel, data: st.DataObject) -> None:
    full, domain = joint(model), model.schema.domain
    asked = data.draw(st.lists(st.sampled_from(range(full.ndim)), min_size=1, unique=True))
    others = tuple(axis for axis in range(full.ndim) if axis not in asked)
    expected = full.sum(axis=others).transpose(np.argsort(np.argsort(asked)))
    np.testing.assert_allclose(model.marginal([domain.columns[i] for i in asked]), expected, atol=1e-12)


@given(junction_models(), st.data())
@settings(max_examples=60)
def test_a_junction_model_conditions_on_several_codes(model: JunctionModel, data: st.DataObject) -> None:
    full, domain = joint(model), model.schema.domain
    evidence, kept = {}, full.copy()
    for axis, (name, size) in enumerate(zip(domain.columns, domain.sizes, strict=True)):
        if data.draw(st.booleans()):
            evidence[name] = data.draw(st.lists(st.integers(0, size - 1), min_size=1, unique=True))
            np.moveaxis(kept, axis, 0)[[code for code in range(size) if code not in evidence[name]]] = 0
    assert model.probability(evidence) == pytest.approx(kept.sum(), abs=1e-12)
    if kept.sum() < 1e-3:
        return
    rows = 4_000
    drawn = model.sample_codes(rows, np.random.default_rng(0), evidence)
    cells = np.ravel_multi_index([drawn[name] for name in domain.columns], domain.sizes)
    share = kept.ravel() / kept.sum()
    found = np.bincount(cells, minlength=full.size) / rows
    assert (found[share == 0] == 0).all()
    # Systematic rounding has less spread than independent draws; 6 standard errors of those, and 3 rows of a cell
    # that is expected in less than one.
    assert (np.abs(found - share) <= 6 * np.sqrt(share / rows) + 3 / rows).all()


def test_weights_between_zero_and_one_are_averaged() -> None:
    tree = junction_tree([2, 2], [(0, 1)])
    schema = Schema(columns=tuple(Categorical(name=name, categories=(0, 1), required=True) for name in "ab"))
    model = JunctionModel(
        schema=schema,
        total=1.0,
        tree=tree,
        beliefs=(np.array([[0.1, 0.2], [0.3, 0.4]]),),
        buckets=(np.arange(2), np.arange(2)),
        details=(np.ones(2), np.ones(2)),
        targets={},
    )
    weights = {"a": np.array([1.0, 0.5]), "b": np.array([0.0, 0.25])}
    assert model.probability(weights) == pytest.approx(0.25 * (0.2 + 0.5 * 0.4))


def star(leaves: int, size: int) -> list[Factor]:
    return [((0,), np.ones(size)), *(((0, leaf), np.ones((size, size))) for leaf in range(1, leaves + 1))]


def test_the_order_is_refused_before_a_table_is_made() -> None:
    with pytest.raises(ConfigurationError, match=r"1000000 cells.*Ask for fewer columns"):
        eliminated(star(3, 100), [1, 2, 3], limit=10**5)
    wide = [*star(4, 10), ((1, 2, 3, 4), np.ones((10, 10, 10, 10)))]
    assert eliminated(wide, [1, 2, 3, 4], limit=10**5)[0, 0, 0, 0] == 10
    ring = [((i, (i + 1) % 5), np.ones((30, 30))) for i in range(5)]
    with pytest.raises(ConfigurationError, match="27000 cells"):  # on the way, not in the answer
        eliminated([*ring, ((0, 2), np.ones((30, 30))), ((1, 3), np.ones((30, 30)))], [4], limit=26_999)


def test_the_cheap_way_round_is_taken() -> None:
    """A star of 40 leaves of 50 codes: eliminated leaf by leaf it needs 50 cells, its middle first 50^40."""
    answer = eliminated(star(40, 50), [7], limit=2_500)
    np.testing.assert_allclose(answer, np.full(50, 50.0**40), rtol=1e-9)


def test_a_wide_middle_is_never_a_table_of_three_axes() -> None:
    left, right = np.full((300, 2_000), 1e-3), np.full((300, 2_000), 1e-3)
    answer = eliminated([((0, 2), left), ((1, 2), right)], [1, 0], limit=100_000)
    np.testing.assert_allclose(answer, np.full((300, 300), 2e-3))


def test_what_sums_to_one_is_left_out() -> None:
    tree = junction_tree([2] * 4, [(0, 1), (1, 2), (2, 3)])
    factors = {(i, i + 1): np.array([[0.7, 0.3], [0.4, 0.6]]) for i in range(3)}
    chain = chain_of_tree(tree, calibrated(tree, factors, 1.0))
    first = chain[0].nodes[0]
    assert needed(chain, [first]) == chain[:1]
    assert math.isclose(float(chain_marginal(chain, [first]).sum()), 1.0)


def test_columns_are_checked_before_anything_is_computed() -> None:
    domain = Domain(columns=("a", "b"), sizes=(2**14, 2**14))
    assert nodes_of(["b"], domain) == (1,)
    with pytest.raises(ConfigurationError, match="268435456 cells"):
        nodes_of(["a", "b"], domain)


def test_codes_share_their_bucket() -> None:
    table = np.array([[0.2, 0.8]])
    codes = expanded(table, [np.array([0, 0]), np.array([1, 0])], [np.array([0.25, 0.75]), np.ones(2)])
    np.testing.assert_allclose(codes, [[0.2, 0.05], [0.6, 0.15]])
