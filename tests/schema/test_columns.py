from __future__ import annotations

import datetime as dt
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import SchemaError
from dpsynth.schema.columns import (
    Boolean,
    Categorical,
    Column,
    Datetime,
    Identifier,
    Integer,
    ModelledColumn,
    Real,
    Text,
)
from dpsynth.schema.decode import decode_column
from dpsynth.schema.encode import encode_column

DAY = {"minimum": "2020-01-01", "maximum": "2020-12-31"}


@pytest.mark.parametrize(
    ("kind", "arguments", "says"),
    [
        (Categorical, {"categories": ()}, "between 1 and 65535"),
        (Categorical, {"categories": range(65_536)}, "between 1 and 65535"),
        (Categorical, {"categories": "ab"}, "to be a list"),
        (Categorical, {"categories": 3}, "to be a list"),
        (Categorical, {"categories": ("a", " a")}, "distinct"),
        (Categorical, {"categories": (1, 1.0)}, "distinct"),
        (Categorical, {"categories": (1, "1")}, "distinct"),
        (Categorical, {"categories": (1, True)}, "distinct"),
        (Categorical, {"categories": ("a", " ")}, "blank"),
        (Categorical, {"categories": ("a", None)}, "blank"),
        (Categorical, {"categories": (1.0, float("nan"))}, "blank"),
        (Categorical, {"categories": (1, dt.date(2020, 1, 1))}, "texts, numbers"),
        (Categorical, {"categories": ("a", "b"), "labels": ("A",)}, "one label"),
        (Categorical, {"labels": ("A",)}, "one label"),
        (Categorical, {"categories": ("a", "b"), "labels": "AB"}, "to be a list"),
        (Categorical, {"categories": ("a", "other"), "out_of_domain": "other"}, "other_label"),
        (
            Categorical,
            {"categories": ("a", "1"), "out_of_domain": "other", "other_label": "1.0"},
            "other_label",
        ),
        (Categorical, {"categories": ("a",), "out_of_domain": "clip"}, "out_of_domain"),
        (Boolean, {"out_of_domain": "other"}, "out_of_domain"),
        (Boolean, {"true_values": ()}, "share no text"),
        (Boolean, {"true_values": ("x",), "false_values": ("x ",)}, "share no text"),
        (Integer, {"minimum": 1, "maximum": 0}, "minimum <= maximum"),
        (Integer, {"minimum": 0.5, "maximum": 1}, "to be an integer"),
        (Integer, {"minimum": float("nan"), "maximum": 1}, "to be an integer"),
        (Integer, {"minimum": False, "maximum": 1}, "to be an integer"),
        (Integer, {"minimum": 0, "maximum": 10, "step": 0}, "step"),
        (Integer, {"minimum": 0, "maximum": 10, "step": -1}, "step"),
        (Integer, {"minimum": 0, "maximum": 10, "step": True}, "step"),
        (Integer, {"minimum": 0, "maximum": 10, "step": 1.5}, "step"),
        (Integer, {"minimum": 0, "maximum": 10, "step": 3}, "whole number of steps"),
        (Integer, {"minimum": 0, "maximum": 2**51}, "2\\^50"),
        (Integer, {"minimum": -(2**51), "maximum": 0}, "2\\^50"),
        (Integer, {"minimum": 0, "maximum": 10, "cells": 0}, "between 1 and"),
        (Integer, {"minimum": 0, "maximum": 10, "cells": 12}, "cells <= 11"),
        (Integer, {"minimum": 0, "maximum": 10, "cells": 2, "edges": (0, 5, 10)}, "either edges or cells"),
        (Integer, {"minimum": 0, "maximum": 10**6, "cells": 65_536}, "between 1 and"),
        (Integer, {"minimum": 0, "maximum": 10, "cells": True}, "between 1 and"),
        (Integer, {"minimum": 0, "maximum": 10, "cells": 2.0}, "between 1 and"),
        (Integer, {"minimum": 0, "maximum": 10, "edges": (0,)}, "between 1 and"),
        (Integer, {"minimum": 0, "maximum": 10, "edges": (0, 5, 5, 10)}, "increase"),
        (Integer, {"minimum": 0, "maximum": 10, "edges": (0, 10, 10, 10)}, "increase"),
        (Integer, {"minimum": 10, "maximum": 10, "edges": (10, 10)}, "increase"),
        (Integer, {"minimum": 0, "maximum": 10, "edges": (0, 5, 9)}, "from the minimum"),
        (Integer, {"minimum": 0, "maximum": 10, "edges": (1, 5, 10)}, "from the minimum"),
        (Integer, {"minimum": 0, "maximum": 10, "step": 5, "edges": (0, 4, 10)}, "whole steps"),
        (Integer, {"minimum": 0, "edges": (0, 5)}, "edges need"),
        (Integer, {"minimum": 0, "maximum": 1, "out_of_domain": "other"}, "out_of_domain"),
        (Real, {"minimum": 1.0, "maximum": 0.0}, "minimum <= maximum"),
        (Real, {"minimum": float("nan"), "maximum": 1}, "finite number"),
        (Real, {"minimum": 0, "maximum": float("inf")}, "finite number"),
        (Real, {"minimum": 0, "maximum": 1e300}, "2\\^50"),
        (Real, {"minimum": 0, "maximum": "1"}, "finite number"),
        (Real, {"minimum": 0, "maximum": True}, "finite number"),
        (Real, {"minimum": 0, "maximum": 0.125}, "at most 2 decimals"),
        (Real, {"minimum": 0, "maximum": 1, "edges": (0, 0.125, 1)}, "at most 2 decimals"),
        (Real, {"minimum": 0, "maximum": 1, "precision": -1}, "precision"),
        (Real, {"minimum": 0, "maximum": 1, "precision": 16}, "precision"),
        (Datetime, {"minimum": "2021-01-01", "maximum": "2020-01-01"}, "minimum <= maximum"),
        (Datetime, {"minimum": "soon", "maximum": "2020-01-01"}, "ISO 8601"),
        (Datetime, {"minimum": 2020, "maximum": "2020-01-01"}, "ISO 8601"),
        (Datetime, DAY | {"resolution": "W"}, "resolution"),
        (Datetime, DAY | {"temporal": "time"}, "temporal"),
        (Datetime, DAY | {"format": "%H:%M"}, "strptime"),
        (Datetime, DAY | {"format": "nonsense"}, "strptime"),
        (Datetime, DAY | {"format": 3}, "strptime"),
        (Identifier, {"pattern": "P"}, "one run"),
        (Identifier, {"pattern": "#-#"}, "one run"),
        (Categorical, {"categories": (1, 2**63)}, "64 bits"),
        (Categorical, {"categories": ("a",), "other_label": " "}, "other_label"),
        (Real, {"minimum": 0, "maximum": 10**400}, "finite number"),
        (Text, {"rule": "keep"}, "rule"),
        (Text, {"origin": "guessed"}, "origin"),
        (Text, {"missing_values": "NA"}, "to be a list"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(
    kind: type[Column], arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(SchemaError, match=says) as caught:
        kind(name="the column", **arguments)
    assert "'the column'" in str(caught.value)


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_column_has_a_name(name: Any) -> None:
    with pytest.raises(SchemaError, match="name"):
        Text(name=name)


@pytest.mark.parametrize(
    ("column", "size", "other", "missing"),
    [
        (Categorical(name="c", categories=("a", "b")), 3, None, 2),
        (Categorical(name="c", categories=("a", "b"), required=True), 2, None, None),
        (Categorical(name="c", categories=("a", "b"), out_of_domain="other"), 4, 2, 3),
        (Categorical(name="c", categories=("a", "b"), out_of_domain="other", required=True), 3, 2, None),
        (Categorical(name="c", categories=(), out_of_domain="other"), 2, 0, 1),
        (Boolean(name="b"), 3, None, 2),
        (Integer(name="i", minimum=0, maximum=63), 65, None, 64),
        (Integer(name="i", minimum=0, maximum=127), 129, None, 128),
        (Integer(name="i", minimum=7, maximum=7), 2, None, 1),
        (Integer(name="i", minimum=0, maximum=630, step=10), 65, None, 64),
        (Real(name="r", minimum=0, maximum=1), 102, None, 101),
        (Real(name="r", minimum=0, maximum=1, precision=1), 12, None, 11),
        (Real(name="r", minimum=0.5, maximum=0.5), 2, None, 1),
        (Datetime(name="d", minimum="2020-01-01", maximum="2020-01-31"), 32, None, 31),
        (Datetime(name="d", minimum="2000", maximum="2020", resolution="Y", required=True), 21, None, None),
    ],
)
def test_codes(column: ModelledColumn, size: int, other: int | None, missing: int | None) -> None:
    assert (column.size, column.other_code, column.missing_code) == (size, other, missing)
    assert column.complete


@pytest.mark.parametrize(
    "column", [Integer(name="i", maximum=3), Real(name="i"), Categorical(name="i"), Datetime(name="i")]
)
def test_incomplete_columns_have_no_size(column: ModelledColumn) -> None:
    assert not column.complete
    with pytest.raises(SchemaError, match=r"'i'.*not known yet"):
        _ = column.size


def test_equal_cells_begin_at_round_numbers() -> None:
    ages = Integer(name="age", minimum=0, maximum=100, cells=10)
    assert ages.lattice.starts.tolist() == list(range(0, 100, 10))
    rates = Real(name="rate", minimum=0, maximum=1, cells=4)
    assert rates.values_at(rates.lattice.starts).tolist() == [0, 0.25, 0.5, 0.75]
    assert not rates.lattice.starts.flags.writeable


def test_edges_are_half_open_and_the_last_cell_is_closed() -> None:
    column = Integer(name="age", minimum=0, maximum=90, edges=[0, 18, 65, 90])
    lattice = column.lattice
    assert lattice.cell_of(np.array([0, 17, 18, 64, 65, 90])).tolist() == [0, 0, 1, 1, 2, 2]
    assert lattice.ends.tolist() == [18, 65, 91]
    moments = Datetime(name="day", **DAY, edges=("2020-01-01", "2020-07-01", "2020-12-31"))
    assert moments.cell_count == 2


def test_values_are_stored_in_plain_types() -> None:
    column = Categorical(name="c", categories=np.array([1, 2]), labels=["one", "two"], missing_values=["?"])  # type: ignore[arg-type]
    assert column.categories == (1, 2)
    assert type(column.known_categories[0]) is int
    assert hash(column) == hash(replace(column))
    assert type(Real(name="r", minimum=0, maximum=np.float32(1)).minimum) is float
    assert type(Integer(name="i", minimum=np.int64(0), maximum=1).minimum) is int
    assert Datetime(name="d", minimum=dt.date(2020, 1, 1), maximum="2021").minimum == "2020-01-01"  # type: ignore[arg-type]
    assert Boolean(name="b", true_values=[" y "], false_values=["n"]).true_values == ("y",)  # type: ignore[arg-type]


def test_columns_are_frozen_and_can_be_completed() -> None:
    column = Integer(name="age", cells=5)
    with pytest.raises(FrozenInstanceError):
        column.minimum = 0  # type: ignore[misc]
    bought = replace(column, minimum=0, maximum=99, origin="dp")
    assert bought.cell_count == 5
    assert bought != column
    assert Identifier(name="id", pattern="P####").complete


def test_a_top_code_has_a_cell_of_its_own() -> None:
    column = Integer(name="pay", minimum=0, maximum=99, edges=(0, 50, 99, 99))
    assert column.cell_count == 3
    codes = encode_column(column, pd.Series([0, 49, 50, 98, 99, 120]))
    assert codes.tolist() == [0, 0, 1, 1, 2, 2]
    decoded = decode_column(column, np.full(50, 2), np.random.default_rng(0))
    assert set(decoded) == {99}
