"""Columns that follow from others: left out of what is paid for, and exact in every answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from generators.test_derivations import COLUMNS, follows
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth import synthesize
from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.generators import FittedModel, get, with_constraints
from dpsynth.generators.base import holds_zeros
from dpsynth.generators.derived import Derived
from dpsynth.generators.derived_model import DerivedModel
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST
from dpsynth.graphical.tree import TreeModel
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema import (
    Categorical,
    FunctionalDependency,
    ImpossibleCombinations,
    Integer,
    Schema,
    allowed_table,
)
from dpsynth.session import PrivateTable, Session

BUDGET = Budget(epsilon=1.0, delta=1e-6)
ZEROS = ImpossibleCombinations(columns=("x", "y"), combinations=[("a", "a")])
CHAIN = (follows("d", "x", b="c"), follows("f", "d", "y", ca="b", cb="c", cc="d"))
SCHEMA = Schema(columns=COLUMNS, constraints=CHAIN)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Holding(Independent):
    """Says that it holds zeros."""

    holds_zeros: ClassVar[bool] = True


def test_without_constraints_nothing_changes() -> None:
    plain, mst = dataclasses.replace(SCHEMA, constraints=()), MST()
    assert with_constraints(mst, plain) is mst
    assert with_constraints(with_constraints(mst, SCHEMA), plain) is mst
    assert with_constraints(with_constraints(mst, SCHEMA), SCHEMA) == Derived(inner=mst)


def test_what_follows_costs_nothing() -> None:
    reduced = dataclasses.replace(
        SCHEMA, columns=tuple(c for c in COLUMNS if c.name in ("x", "id", "e", "y")), constraints=()
    )
    plan = with_constraints(MST(), SCHEMA).plan(SCHEMA, BUDGET)
    assert plan == MST().plan(reduced, BUDGET)
    assert plan.method == "mst"


def test_methods_that_hold_no_zeros_are_refused() -> None:
    bound = dataclasses.replace(SCHEMA, constraints=(*CHAIN, ZEROS))
    with pytest.raises(ConfigurationError, match=r"'mst' does not hold constraints.*\['x', 'y'\]"):
        with_constraints(MST(), bound)
    for act in (lambda g: g.plan(bound, BUDGET), lambda g: g.fit(Fake(bound))):
        with pytest.raises(ConfigurationError, match="does not hold"):
            act(Derived(inner=MST()))
    assert with_constraints(Holding(), bound) == Derived(inner=Holding())
    assert holds_zeros(Holding())
    assert holds_zeros(Derived(inner=MST()))
    assert not holds_zeros(MST())


class Fake:
    """A measurer that answers nothing."""

    budget = BUDGET
    measure = select = None

    def __init__(self, schema: Schema) -> None:
        self.schema = schema


def test_constraints_that_contradict_each_other_are_refused_beforehand() -> None:
    never = ImpossibleCombinations(columns=("y", "e"), combinations=[(["a", "b"], ...)])
    always = ImpossibleCombinations(columns=("x", "y"), allowed=[(..., ["a", "b"])])
    columns = (*COLUMNS, Categorical(name="open"))
    with pytest.raises(ConfigurationError, match="contradict"):
        with_constraints(Holding(), Schema(columns=columns, constraints=(never, always)))
    assert with_constraints(Holding(), Schema(columns=columns, constraints=(never, ZEROS))) == Holding()


def test_a_session_runs_no_method_that_ignores_constraints(ledger: Ledger) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.choice(["a", "b"], 30) for name in SCHEMA.names})
    table = PrivateTable.load(frame, SCHEMA)
    session = Session.open(table, budget=BUDGET, ledger=ledger, dataset="d")
    before = ledger.head()
    with pytest.raises(ConfigurationError, match="with_constraints"):
        session.run(MST())
    assert ledger.head() == before
    assert isinstance(session.run(with_constraints(MST(), SCHEMA)), DerivedModel)


def model_of(schema: Schema = SCHEMA, seed: int = 0) -> DerivedModel:
    """Around a random tree over the columns that do not follow."""
    generator = with_constraints(Independent(), schema)
    assert isinstance(generator, Derived)
    rng = np.random.default_rng(seed)
    derived = {
        constraint.dependent
        for constraint in schema.constraints
        if isinstance(constraint, FunctionalDependency)
    }
    rest = Schema(columns=tuple(column for column in schema.columns if column.name not in derived))
    names, sizes = rest.domain.columns, dict(zip(rest.domain.columns, rest.domain.sizes, strict=True))
    order = tuple((name, None if i == 0 else names[i - 1]) for i, name in enumerate(names))
    tables = {
        name: rng.dirichlet(np.ones(sizes[name]), () if parent is None else sizes[parent])
        for name, parent in order
    }
    from dpsynth.generators.derivations import reduced

    inner = TreeModel(schema=rest, total=100.0, order=order, tables=tables)
    return DerivedModel(schema=schema, inner=inner, derivations=reduced(schema).derivations)


def counted(model: DerivedModel, columns: tuple[str, ...], rows: int = 60_000) -> np.ndarray[Any, Any]:
    codes = model.sample_codes(rows, np.random.default_rng(5))
    shape = model.schema.domain.shape(columns)
    cells = np.ravel_multi_index([codes[name] for name in columns], shape)
    return np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape) / rows


def test_rows_and_answers_obey() -> None:
    model = model_of()
    codes = model.sample_codes(5_000, np.random.default_rng(1))
    assert list(codes) == list(SCHEMA.domain.columns)
    for constraint in CHAIN:
        allowed = allowed_table(SCHEMA, constraint)
        assert allowed[tuple(codes[name] for name in constraint.columns)].all()
    assert model.marginal(("x", "d"))[~allowed_table(SCHEMA, CHAIN[0])].sum() == 0
    assert model.total == 100.0


@pytest.mark.parametrize(
    "columns", [("d",), ("x", "d"), ("d", "x"), ("f",), ("f", "d"), ("f", "y"), ("y", "x"), ("e",)]
)
def test_marginals_are_those_of_the_rows(columns: tuple[str, ...]) -> None:
    model = model_of()
    exact = model.marginal(columns)
    assert exact.shape == SCHEMA.domain.shape(columns)
    np.testing.assert_allclose(exact.sum(), 1.0)
    np.testing.assert_allclose(exact, counted(model, columns), atol=0.01)


@pytest.mark.parametrize("columns", [(), ("d", "d"), ("id",), ("nothing",)])
def test_marginals_of_other_columns_are_refused(columns: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="modelled columns"):
        model_of().marginal(columns)


def test_large_marginals_are_refused() -> None:
    numbers = tuple(Integer(name=f"n{k}", minimum=0, maximum=999, cells=1000) for k in range(3))
    schema = Schema(columns=(*COLUMNS, *numbers), constraints=CHAIN)
    with pytest.raises(ConfigurationError, match=r"at most .* fit"):
        model_of(schema).marginal(("n0", "n1", "n2"))


@given(st.integers(0, 2**32), st.integers(0, 3))
@settings(max_examples=20)
def test_every_dependency_holds_in_every_row(seed: int, number: int) -> None:
    rng = np.random.default_rng(seed)
    names = [column.name for column in COLUMNS if column.name != "id"]
    order = rng.permutation(names).tolist()
    sizes = Schema(columns=COLUMNS).domain
    constraints = []
    for place in range(len(order) - number, len(order)):
        size = int(rng.integers(1, min(place, 3) + 1))
        determinants = rng.choice(order[:place], size, replace=False).tolist()
        values = "abcdefgh"[: sizes.size_of(order[place])]
        lines = {
            tuple("abcdefgh"[code] for code in cell): str(rng.choice(list(values)))
            for cell in np.ndindex(*sizes.shape(determinants))
        }
        constraints.append(
            FunctionalDependency(determinants=determinants, dependent=order[place], mapping=lines)
        )
    schema = Schema(columns=COLUMNS, constraints=tuple(constraints))
    if not constraints:
        return
    codes = model_of(schema, seed % 1000).sample_codes(300, rng)
    for constraint in constraints:
        assert allowed_table(schema, constraint)[tuple(codes[name] for name in constraint.columns)].all()


def test_evidence_about_what_follows_is_evidence_about_its_bases() -> None:
    model = model_of()
    assert model.probability({"d": 2}) == pytest.approx(model.inner.probability({"x": 1}))
    codes = model.sample_codes(300, np.random.default_rng(0), {"d": 2, "e": 1})
    assert (codes["d"] == 2).all()
    assert (codes["x"] == 1).all()
    assert (codes["e"] == 1).all()
    plain = model.sample_codes(300, np.random.default_rng(0), {"x": 1, "e": 1})
    assert all((codes[name] == plain[name]).all() for name in codes)
    assert (model.sample_codes(20, np.random.default_rng(0), {"d": 0, "f": 0})["f"] == 0).all()


def test_evidence_that_nothing_leads_to_is_refused() -> None:
    model = model_of()
    assert model.probability({"d": 1}) == 0.0
    assert model.probability({"d": 2, "x": 0}) == 0.0
    for impossible in ({"d": 1}, {"d": 2, "x": 0}):
        with pytest.raises(ConfigurationError, match="holds no records"):
            model.sample_codes(3, np.random.default_rng(0), impossible)
    for outside in ({"d": 7}, {"d": -1}, {"d": np.zeros(0, np.int64)}):
        with pytest.raises(ConfigurationError, match=r"'d'.*codes from 0 to 2"):
            model.sample_codes(3, np.random.default_rng(0), outside)


def test_models_that_only_draw_answer_nothing() -> None:
    class Drawing:
        name = "drawing"

    model = dataclasses.replace(model_of(), inner=Drawing())
    rng = np.random.default_rng(0)
    for ask in (
        lambda: model.marginal(("d",)),
        lambda: model.probability({"d": 2}),
        lambda: model.complete_codes(1, {}, rng),
    ):
        with pytest.raises(ConfigurationError, match="'drawing' give no exact answers"):
            ask()


def test_state_and_back() -> None:
    model = model_of()
    header, arrays = model.state()
    again = DerivedModel.from_state(SCHEMA, header, arrays)
    first, second = (m.sample_codes(50, np.random.default_rng(2)) for m in (model, again))
    assert all((first[name] == second[name]).all() for name in SCHEMA.domain.columns)


@pytest.mark.parametrize(
    "header",
    [{}, {"model": "tree"}, {"model": "nothing", "state": {}}, {"model": "tree", "state": 3}, {"model": 3, "state": {}},
     {"model": "derived", "state": {"model": "tree", "state": {}}}],
)  # fmt: skip
def test_damaged_states_are_refused(header: Mapping[str, Any]) -> None:
    with pytest.raises(StorageError):
        DerivedModel.from_state(SCHEMA, header, model_of().state()[1])


def test_a_schema_in_which_nothing_follows_is_refused() -> None:
    header, arrays = model_of().state()
    with pytest.raises(StorageError, match="No column"):
        DerivedModel.from_state(dataclasses.replace(SCHEMA, constraints=()), header, arrays)


@pytest.mark.parametrize("method", ["mst", "privbayes"])
def test_from_a_table_to_a_table(method: str, tmp_path: Path) -> None:
    """Values of the synthetic table obey, although some rows of the private one do not."""
    rng = np.random.default_rng(3)
    city = rng.choice(np.array(["Boston", "Salem", "Reno", None], dtype=object), 2_000)
    frame = pd.DataFrame({"city": city, "age": rng.integers(0, 100, 2_000)})
    frame["state"] = frame.city.map({"Boston": "MA", "Salem": "MA", "Reno": "NV"})
    frame["group"] = np.where(frame.age < 15, "child", "adult")
    frame.loc[:20, "state"] = "NV"
    schema = Schema(
        columns=(
            Categorical(name="state", categories=("MA", "NV")),
            Categorical(name="city", categories=("Boston", "Salem", "Reno")),
            Categorical(name="group", categories=("child", "adult"), required=True),
            Integer(name="age", minimum=0, maximum=99, edges=(0, 7, 15, 60, 99), required=True),
        ),
        constraints=(
            FunctionalDependency(
                determinants=("city",),
                dependent="state",
                mapping={"Boston": "MA", "Salem": "MA", "Reno": "NV"},
                default=None,
            ),
            FunctionalDependency(
                determinants=("age",), dependent="group", mapping={(0, 14): "child"}, default="adult"
            ),
        ),
    )
    table = synthesize(
        frame, schema=schema, epsilon=1.0, method=method, ledger=tmp_path / "l.db", dataset="d", rng=0
    )
    drawn = table.frame
    expected = drawn.city.map({"Boston": "MA", "Salem": "MA", "Reno": "NV"})
    assert (drawn.state.fillna("-") == expected.fillna("-")).all()
    assert (drawn.group == np.where(drawn.age < 15, "child", "adult")).all()
    assert list(drawn.columns) == list(schema.names)
    table.model.save(tmp_path / "m.dps")
    loaded = FittedModel.load(tmp_path / "m.dps")
    assert loaded.sample(100, rng=1).frame.equals(table.model.sample(100, rng=1).frame)
    partial = loaded.complete(pd.DataFrame({"state": ["NV", "MA", None], "age": [3, 70, 15]}), rng=2)
    assert partial.frame.city.fillna("-").isin(["Reno", "Boston", "Salem", "-"]).all()
    assert partial.frame.city[0] == "Reno"
    assert partial.frame.group.tolist() == ["child", "adult", "adult"]
    assert table.guarantee.method == method
    assert get(method).name == method
