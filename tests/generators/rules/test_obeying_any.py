"""Rules from random small schemas are obeyed."""

from __future__ import annotations

from typing import Any

import pytest
from generators.rules.kinds import require_adherence
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError
from dpsynth.generators.rules import Rules
from dpsynth.schema.columns import Boolean, Categorical, Integer
from dpsynth.schema.constraints import FunctionalDependency
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.row_rules import Implication, InequalityChain, NullTogether, OneHot
from dpsynth.schema.schema import Schema


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    required = st.booleans()
    numbers = [
        Integer(
            name=name,
            minimum=draw(st.integers(-3, 2)),
            maximum=draw(st.integers(4, 12)),
            required=draw(required),
        )
        for name in ("n1", "n2", "n3")
    ]
    flags = [Boolean(name=name, required=draw(required)) for name in ("t1", "t2", "t3")]
    text = Categorical(name="c", categories=("x", "y", "z"), required=draw(required))
    follows = Categorical(name="d", categories=("x", "y", "z"))
    formula = Formula(
        name="f",
        expression=draw(st.sampled_from(["n1 + n2 / 3", "n1 / n2", "where(t1, n1, n3 * 2.5)"])),
        precision=draw(st.integers(0, 3)),
        minimum=draw(st.sampled_from([None, -1])),
        maximum=draw(st.sampled_from([None, 6])),
        out_of_domain=draw(st.sampled_from(["redraw", "clip", "missing"])),
        required=draw(required),
    )
    optional = [column.name for column in (*numbers, *flags, text) if not column.required]
    several = st.permutations(["n1", "n2", "n3", "f"]).map(lambda names: tuple(names[:3]))
    conditions = st.sampled_from(["n1 > 3", "t2", "missing(n3)", "f < 2", 'c == "x"', "n2 == 4"])
    chains = st.builds(
        InequalityChain, columns=several, strict=st.booleans(), repair=st.sampled_from(["sort", "redraw"])
    )
    pool: list[st.SearchStrategy[Any]] = [
        chains,
        st.just(OneHot(columns=("t1", "t2", "t3"))),
        st.builds(Implication, when=conditions, then=conditions, repair=st.sampled_from(["write", "redraw"])),
    ]
    if len(optional) > 1:
        pool.append(st.just(NullTogether(columns=tuple(optional[:3]))))
    rules = draw(st.lists(st.one_of(pool), max_size=3, unique_by=str))
    entry = st.sampled_from(["x", "y", "z", None])
    dependency = FunctionalDependency(
        determinants=("c", "t1"),
        dependent="d",
        mapping=[(("x", ...), draw(entry)), (("y", True), draw(entry))],
        default=draw(entry),
    )
    constraints = (dependency,) if draw(st.booleans()) else ()
    columns = draw(st.permutations([*numbers, *flags, text, follows, formula]))
    return Schema(columns=tuple(columns), rules=tuple(rules), constraints=constraints)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(schema=schemas(), share=st.sampled_from([0.0, 0.2]), seed=st.integers(0, 2**31))
def test_small_schemas_of_any_kind_are_obeyed_or_refused(schema: Schema, share: float, seed: int) -> None:
    rules = Rules.from_schema(schema, missing=share)
    try:
        frame = rules.sample(60, seed=seed)
    except ConfigurationError as error:  # two rules may exclude each other
        assert "No table was made" in str(error)  # noqa: PT017 - most schemas give a table
        return
    assert len(frame) == 60
    require_adherence(schema, frame)
