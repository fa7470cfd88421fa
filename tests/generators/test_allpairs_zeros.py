"""Structural zeros in `allpairs`: in rows, in every answer, whatever the data, the noise and the buckets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.code_zeros import CodeZeros
from dpsynth.graphical.junction_model import JunctionModel
from dpsynth.graphical.zeros import allowed_rows, allowed_tables, possible_cells
from dpsynth.privacy.budget import Budget
from dpsynth.schema import Categorical, FunctionalDependency, ImpossibleCombinations, Integer, Schema
from dpsynth.schema.constraints import Constraint

Build = Callable[..., Any]


def nominal(*sizes: int) -> list[Any]:
    return [
        Categorical(name=f"c{i}", categories=tuple(range(size)), required=True)
        for i, size in enumerate(sizes)
    ]


def rows_of(schema: Schema, rows: int, seed: int, *, clean: bool = False) -> dict[str, np.ndarray]:
    """Columns that depend on each other; `clean` rows break no constraint."""
    rng = np.random.default_rng(seed)
    base = rng.random(rows)
    codes = np.column_stack(
        [
            np.minimum(np.where(rng.random(rows) < 0.6, base, rng.random(rows)) ** 2 * size, size - 1)
            for size in schema.domain.sizes
        ]
    ).astype(np.int64)
    if clean:
        codes = codes[allowed_rows(codes, allowed_tables(schema))]
    return dict(zip(schema.domain.columns, codes.T, strict=True))


def require_zeros(model: JunctionModel, schema: Schema, rows: int = 2_000) -> None:
    """Rows are allowed, the marginals of up to three columns have exact zeros, and so has a saved model."""
    tables, domain = allowed_tables(schema), schema.domain
    saved = JunctionModel.from_state(schema, *model.state())
    for each in (model, saved):
        drawn = each.sample_codes(rows, np.random.default_rng(0))
        assert allowed_rows(np.column_stack([drawn[name] for name in domain.columns]), tables).all()
    for number in (1, 2, 3):
        for nodes in itertools.combinations(range(len(domain.columns)), number):
            shares = model.marginal([domain.columns[node] for node in nodes])
            assert np.isfinite(shares).all()
            assert shares.sum() == pytest.approx(1.0, abs=1e-6)
            assert not shares[~possible_cells(nodes, domain.sizes, tables)].any()


def impossible(columns: Sequence[Any], rng: np.random.Generator, share: float) -> ImpossibleCombinations:
    """Random blocks of codes, so that some codes are alike."""
    parts = [rng.integers(0, 3, len(column.categories)) for column in columns]
    coarse = rng.random([3] * len(columns)) < share
    coarse[(0,) * len(columns)] = True
    for part in parts:
        part[0] = 0
    cells = np.argwhere(coarse[np.ix_(*parts)])
    return ImpossibleCombinations(
        columns=tuple(column.name for column in columns), allowed=[tuple(map(int, cell)) for cell in cells]
    )


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    columns = nominal(*draw(st.lists(st.integers(1, 9), min_size=3, max_size=5)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    constraints = []
    for _ in range(draw(st.integers(1, 3))):
        number = draw(st.integers(2, 3))
        chosen = [columns[i] for i in rng.permutation(len(columns))[:number]]
        constraints.append(impossible(chosen, rng, draw(st.sampled_from([0.3, 0.6, 0.9]))))
    return Schema(columns=tuple(columns), constraints=tuple(constraints))


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    schema=schemas(),
    seed=st.integers(0, 2**32),
    epsilon=st.sampled_from([0.05, 1.0, 20.0]),
    clean=st.booleans(),
    with_target=st.booleans(),
)
def test_no_row_and_no_answer_breaks_a_constraint(
    measurer: Build, schema: Schema, seed: int, epsilon: float, clean: bool, with_target: bool
) -> None:
    codes = rows_of(schema, 1_500, seed, clean=clean)
    asked = measurer(codes, schema=schema, epsilon=epsilon)
    target = schema.constraints[0].columns[0] if with_target else None
    generator = AllPairs(target=target)
    model = generator.fit(asked)
    assert asked.events == generator.plan(schema, asked.budget).events
    require_zeros(model, schema)


def test_a_diagonal_is_met_where_the_two_columns_disagree_about_their_counts(measurer: Build) -> None:
    same = FunctionalDependency(determinants=("c0",), dependent="c1", mapping={i: i for i in range(6)})
    schema = Schema(columns=tuple(nominal(6, 6, 4)), constraints=(same,))
    rng = np.random.default_rng(0)
    c0 = rng.integers(0, 6, 5_000)
    codes = {"c0": c0, "c1": np.where(rng.random(5_000) < 0.3, 0, c0), "c2": c0 % 4}
    model = AllPairs().fit(measurer(codes, schema=schema))
    require_zeros(model, schema)
    shares = [np.bincount(codes[name], minlength=6) / 5_000 for name in ("c0", "c1")]
    found = model.marginal(["c0"])
    assert np.abs(found - (shares[0] + shares[1]) / 2).sum() < 0.15, "a compromise between both"


@pytest.mark.parametrize("target", [None, "c0", "c3"])
def test_three_columns_at_once(measurer: Build, target: str | None) -> None:
    odd = [cell for cell in itertools.product(range(3), range(3), range(3)) if sum(cell) % 2 == 0]
    three = ImpossibleCombinations(columns=("c2", "c0", "c1"), allowed=odd)
    schema = Schema(columns=tuple(nominal(3, 3, 3, 5)), constraints=(three,))
    codes = rows_of(schema, 20_000, 1, clean=True)
    model = AllPairs(target=target).fit(measurer(codes, schema=schema, epsilon=5.0))
    require_zeros(model, schema)
    cells = [np.ravel_multi_index([codes[c] for c in ("c0", "c1", "c2")], (3, 3, 3))]
    true = np.bincount(cells[0], minlength=27) / len(cells[0])
    assert np.abs(model.marginal(["c0", "c1", "c2"]).ravel() - true).sum() < 0.1


@pytest.mark.parametrize("target", [None, "status"])
def test_a_number_of_many_cells(measurer: Build, target: str | None) -> None:
    """Buckets of the age end where the constraint says, however few there are."""
    child = ImpossibleCombinations(
        columns=("age", "status"), combinations=[((0, 14), ["married", "widowed"]), ((90, None), ["single"])]
    )
    columns = (
        Integer(name="age", minimum=0, maximum=99, edges=tuple(range(100)), required=True),
        Categorical(name="status", categories=("single", "married", "widowed"), required=True),
        Categorical(name="area", categories=tuple(range(40)), required=True),
    )
    schema = Schema(columns=columns, constraints=(child,))
    for epsilon in (0.02, 1.0, 10.0):
        model = AllPairs(target=target).fit(
            measurer(rows_of(schema, 5_000, 2), schema=schema, epsilon=epsilon)
        )
        require_zeros(model, schema)
        assert len(set(model.buckets[0])) < 100


def test_refined_pairs_keep_their_zeros(measurer: Build) -> None:
    """Where one column nearly determines another, finer tables are asked, over finer buckets."""
    size = 60
    columns = (*nominal(size, size), *nominal(size, size, 3)[2:])
    lower = ImpossibleCombinations(
        columns=("c0", "c1"), combinations=[(list(range(30)), list(range(40, size)))]
    )
    schema = Schema(columns=columns, constraints=(lower,))
    rng = np.random.default_rng(0)
    c0 = np.minimum(rng.geometric(0.05, 60_000) - 1, size - 1)
    c1 = np.where(rng.random(60_000) < 0.2, rng.integers(0, size, 60_000), c0)
    codes = {"c0": c0, "c1": c1, "c2": c0 % 3}
    model = AllPairs().fit(measurer(codes, schema=schema, epsilon=2.0))
    assert model.refined, "this table is meant to be looked at again"
    require_zeros(model, schema, rows=20_000)


def simple() -> Schema:
    return Schema(
        columns=tuple(nominal(3, 4, 3)),
        constraints=(ImpossibleCombinations(columns=("c0", "c1"), combinations=[(0, [1, 2])]),),
    )


def test_what_contradicts_a_constraint_is_refused(measurer: Build) -> None:
    schema = simple()
    model = AllPairs().fit(measurer(rows_of(schema, 3_000, 0), schema=schema))
    rng = np.random.default_rng(0)
    for given_ in ({"c0": 0, "c1": 1}, {"c0": [0], "c1": [1, 2]}):
        assert model.probability(given_) == 0.0
        with pytest.raises(ConfigurationError, match="holds no records"):
            model.sample_codes(10, rng, given_)
    drawn = model.sample_codes(500, rng, {"c0": 0})
    assert set(drawn["c1"]) <= {0, 3}
    assert set(model.complete_codes(500, {"c0": np.zeros(500, np.int64)}, rng)["c1"]) <= {0, 3}
    with pytest.raises(ConfigurationError, match="rule out together"):
        model.complete_codes(2, {"c0": np.array([0, 1]), "c1": np.array([1, 1])}, rng)


@pytest.mark.parametrize("part", ["belief", "target", "buckets"])
def test_a_saved_model_that_lost_its_zeros_is_refused(measurer: Build, part: str) -> None:
    schema = simple()
    header, arrays = AllPairs().fit(measurer(rows_of(schema, 3_000, 0), schema=schema)).state()
    changed = {name: np.array(array) for name, array in arrays.items()}
    if part == "buckets":  # one bucket fewer, of codes that differ
        plain = Schema(columns=schema.columns)
        header, arrays = AllPairs().fit(measurer(rows_of(schema, 60, 0), schema=plain, epsilon=0.05)).state()
        changed = {name: np.array(array) for name, array in arrays.items()}
    for name in changed:
        if name.startswith(f"{part}.") and part != "buckets":
            changed[name] = np.full_like(changed[name], 1 / changed[name].size)
    with pytest.raises(StorageError, match="does not hold the constraints"):
        JunctionModel.from_state(schema, header, changed)


def test_a_class_without_rows(measurer: Build) -> None:
    """A code of the target that no row can have."""
    never = ImpossibleCombinations(columns=("c0", "c1"), combinations=[(1, ...)])
    schema = Schema(columns=tuple(nominal(3, 4, 3)), constraints=(never,))
    model = AllPairs(target="c0").fit(measurer(rows_of(schema, 3_000, 0), schema=schema))
    require_zeros(model, schema)
    assert model.marginal(["c0"])[1] == 0.0


@pytest.mark.slow
def test_too_many_classes_are_refused_before_anything_is_asked() -> None:
    size = 400
    diagonal = FunctionalDependency(determinants=("c0",), dependent="c1", mapping={i: i for i in range(size)})
    never = ImpossibleCombinations(columns=("c1", "c2"), combinations=[(0, 0)])
    schema = Schema(columns=tuple(nominal(size, size, 2)), constraints=(diagonal, never))
    with pytest.raises(ConfigurationError, match="more cells than fit"):
        AllPairs().plan(schema, Budget(epsilon=1, delta=1e-6))
    AllPairs(most_cells=400_000).plan(schema, Budget(epsilon=1, delta=1e-6))


def test_contradictions_that_only_all_columns_together_show_are_refused() -> None:
    """Three columns of two codes, each different from the next: arc consistency sees nothing wrong."""
    constraints: tuple[Constraint, ...] = tuple(
        ImpossibleCombinations(columns=pair, combinations=[(0, 0), (1, 1)])
        for pair in (("c0", "c1"), ("c1", "c2"), ("c0", "c2"))
    )
    schema = Schema(columns=tuple(nominal(2, 2, 2)), constraints=constraints)
    with pytest.raises(ConfigurationError, match="contradict"):
        AllPairs().plan(schema, Budget(epsilon=1, delta=1e-6))


def test_constraints_that_barely_fit_take_fewer_buckets(measurer: Build) -> None:
    """What is planned can always be fitted: at last buckets are the classes themselves."""
    half = ImpossibleCombinations(
        columns=("c0", "c1", "c2"), combinations=[(list(range(20)), list(range(20)), list(range(20)))]
    )
    schema = Schema(columns=tuple(nominal(40, 40, 40, 3)), constraints=(half,))
    rng = np.random.default_rng(0)
    codes = {
        name: rng.integers(0, size, 50_000) for name, size in zip(schema.names, (40, 40, 40, 3), strict=True)
    }
    for cells in (40, 1_000):
        model = AllPairs(most_cells=cells).fit(measurer(codes, schema=schema, epsilon=10.0))
        assert sum(belief.size for belief in model.beliefs) <= cells
        require_zeros(model, schema)


def test_a_schema_without_constraints_has_no_zeros() -> None:
    schema = Schema(columns=tuple(nominal(2, 3)))
    zeros = CodeZeros.of(schema)
    assert (zeros.tables, zeros.alike) == ((), {})
