"""Which columns are left out, and what they follow from in the end."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import SchemaError
from dpsynth.generators.derivations import reduced
from dpsynth.schema import (
    Categorical,
    FunctionalDependency,
    Identifier,
    ImpossibleCombinations,
    Integer,
    Schema,
)
from dpsynth.schema.boxes import boxes


def letters(name: str, size: int) -> Categorical:
    return Categorical(name=name, categories=tuple("abcdefgh"[:size]), required=True)


def follows(dependent: str, *determinants: str, **mapping: Any) -> FunctionalDependency:
    default = mapping.pop("default", "a")
    lines = {tuple(key): value for key, value in mapping.items()}
    return FunctionalDependency(
        determinants=determinants, dependent=dependent, mapping=lines, default=default
    )


COLUMNS = (
    letters("d", 3),
    letters("x", 2),
    Identifier(name="id"),
    letters("e", 2),
    letters("y", 3),
    letters("f", 4),
)


def test_a_chain_is_composed() -> None:
    schema = Schema(
        columns=COLUMNS,
        constraints=(
            follows("f", "y", "d", ab="b", ac="c", bc="d"),
            follows("d", "x", b="c"),
            follows("e", "d", c="b"),
        ),
    )
    reduction = reduced(schema)
    assert reduction.schema.names == ("x", "id", "y")
    assert reduction.schema.constraints == ()
    found = {derivation.column: derivation for derivation in reduction.derivations}
    assert (found["d"].bases, found["d"].codes.tolist()) == (("x",), [0, 2])
    assert (found["e"].bases, found["e"].codes.tolist()) == (("x",), [0, 1])
    assert found["f"].bases == ("x", "y")  # in the order of the schema, through d
    assert found["f"].codes.tolist() == [[0, 0, 0], [2, 3, 0]]
    with pytest.raises(ValueError, match="read-only"):
        found["f"].codes[0, 0] = 1


@pytest.mark.parametrize(
    ("constraints", "left_out"),
    [
        ((), set()),
        ((follows("d", "x"),), {"d"}),
        ((follows("d", "x"), ImpossibleCombinations(columns=("x", "y"), combinations=[("a", "a")])), {"d"}),
        ((follows("d", "x"), ImpossibleCombinations(columns=("d", "y"), combinations=[("a", "a")])), set()),
        ((follows("d", "x"), follows("d", "y")), set()),
        ((follows("d", "x"), follows("e", "d"), follows("e", "y")), set()),
        (
            (follows("d", "x"), follows("e", "d"), follows("f", "e"),
             ImpossibleCombinations(columns=("e", "y"), combinations=[("a", "a")])),
            {"f"},
        ),
    ],
)  # fmt: skip
def test_what_is_bound_otherwise_stays(constraints: Any, left_out: set[str]) -> None:
    reduction = reduced(Schema(columns=COLUMNS, constraints=constraints))
    assert {derivation.column for derivation in reduction.derivations} == left_out
    assert set(reduction.schema.names) == {"d", "x", "id", "e", "y", "f"} - left_out
    kept = [c for c in constraints if not (isinstance(c, FunctionalDependency) and c.dependent in left_out)]
    assert list(reduction.schema.constraints) == kept


def test_open_columns_do_not_matter() -> None:
    schema = Schema(columns=(*COLUMNS, Categorical(name="open")), constraints=(follows("d", "x"),))
    assert reduced(schema).schema.names == ("x", "id", "e", "y", "f", "open")


def test_a_chain_may_be_too_large() -> None:
    numbers = tuple(Integer(name=f"n{k}", minimum=0, maximum=299, cells=300, required=True) for k in range(3))
    pair = FunctionalDependency(determinants=("n0", "n1"), dependent="d", mapping={}, default="a")
    triple = FunctionalDependency(determinants=("d", "n2"), dependent="e", mapping={}, default="a")
    schema = Schema(columns=(*COLUMNS, *numbers), constraints=(triple, pair))
    with pytest.raises(SchemaError, match=r"'e' follows from \['n0', 'n1', 'n2'\].*27000000 combinations"):
        reduced(schema)


@given(
    st.integers(0, 2**32),
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.sampled_from([0.1, 0.5, 0.9]),
)
def test_boxes_divide_the_cells(seed: int, shape: list[int], density: float) -> None:
    cells = np.random.default_rng(seed).random(shape) < density
    covered = np.zeros(shape, np.int64)
    for box in boxes(cells):
        assert all(len(codes) for codes in box)
        covered[np.ix_(*box)] += 1
    assert (covered == cells).all()


def test_a_product_is_one_box() -> None:
    cells = np.zeros((3, 4, 2), dtype=bool)
    cells[np.ix_([0, 2], [1, 3], [1])] = True
    (box,) = boxes(cells)
    assert [codes.tolist() for codes in box] == [[0, 2], [1, 3], [1]]
    assert list(boxes(np.zeros((2, 2), dtype=bool))) == []
    everything = list(itertools.islice(boxes(np.ones((5, 5), dtype=bool)), 2))
    assert len(everything) == 1
