"""P03: no minimum, maximum or quantile is ever read from the rows.

What reaches the rows is a mechanism and the temporary columns that it runs on. For bounds, and for cells
inside declared bounds, both must be the same whatever the rows hold; the rest is paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.schema.columns import Datetime, Integer, Real
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable
from dpsynth.session._vault import content_of
from dpsynth.session.discover import discover, plan_discovery
from dpsynth.testing.insecure import insecure_noise

SCHEMA = Schema(
    columns=(
        Integer(name="age"),
        Real(name="wage", minimum=0.0, maximum=1e6),
        Datetime(name="born", resolution="D"),
    )
)
Asked = list[tuple[Any, Any]]
Discover = Callable[..., Schema]


def table(rows: int, *, outlier: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "age": rng.integers(17, 91, rows),
            "wage": rng.lognormal(9, 0.5, rows).round(2),
            "born": pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 15_000, rows), unit="D"),
        }
    )
    if outlier:
        frame.loc[0] = [10**9, 999_999.99, pd.Timestamp("2099-12-31")]
    return frame


def asked_of(frame: pd.DataFrame, how: Discover) -> tuple[Asked, Schema]:
    """What `how` asks of the rows of `frame`, and the schema that it returns; the noise is the same each time."""
    content = content_of(PrivateTable.load(frame, SCHEMA))
    asked: Asked = []

    def ask(mechanism: Any, columns: Sequence[Any]) -> Any:
        asked.append((mechanism.describe(), tuple(columns)))
        return mechanism.run(content.encode(columns), SCHEMA.unit)

    with insecure_noise(3):
        return asked, how(frame, ask)


def ours(frame: pd.DataFrame, ask: Any) -> Schema:
    return discover(SCHEMA, ask, plan_discovery(SCHEMA, rho=0.5, delta=0.0, cells=["wage"]))


def broken(frame: pd.DataFrame, ask: Any) -> Schema:
    """The twin: the range of the temporary column is the range of the data."""
    low, high = int(frame["age"].min()), int(frame["age"].max())
    known = SCHEMA.replace_columns({"age": replace(SCHEMA.column("age"), minimum=low, maximum=high)})
    return discover(known, ask, plan_discovery(known, rho=0.5, delta=0.0, cells=["age", "wage"]))


def asks_the_same(how: Discover) -> bool:
    first, second = asked_of(table(2000), how)[0], asked_of(table(2000, outlier=True), how)[0]
    return first == second


def test_neighbours_are_asked_the_same() -> None:
    assert asks_the_same(ours)
    assert asked_of(table(2000), ours)[0] == asked_of(table(50), ours)[0]
    assert not asks_the_same(broken)


def test_an_outlier_moves_no_bound() -> None:
    plain, disturbed = (asked_of(table(2000, outlier=outlier), ours)[1] for outlier in (False, True))
    for name, bounds in {"age": (15, 100), "wage": (0.0, 1e6)}.items():
        for schema in (plain, disturbed):
            column: Any = schema.column(name)
            assert (column.minimum, column.maximum) == bounds
    born: list[Any] = [schema.column("born") for schema in (plain, disturbed)]
    assert born[0].maximum == born[1].maximum < "2000"
    (twin,) = {asked_of(table(2000, outlier=True), broken)[1].column("age")}
    assert getattr(twin, "maximum", 0) == 10**9  # what the twin publishes is the value of one person


@pytest.mark.parametrize("k", [0, 1])
def test_bounds_are_no_quantile_either(k: int) -> None:
    """The same noise on a table whose extreme row is gone gives the same schema, bounds and cells."""
    frame = table(3000).sort_values("age", ignore_index=True)
    bounds = [
        (column.minimum, column.maximum)
        for rows in (frame, frame.iloc[k : len(frame) - 1])
        for column in [asked_of(rows, ours)[1].column("age")]
        if isinstance(column, Integer)
    ]
    assert bounds == [(15, 100)] * 2
