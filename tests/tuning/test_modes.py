from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import dpsynth
from dpsynth.errors import ConfigurationError
from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema
from dpsynth.tuning import modes

_FREE: dict[str, Any] = {"methods": "independent", "epsilons": [1.0], "delta": 1e-6}


def test_each_mode_is_reached_through_one_door(
    frame: pd.DataFrame, schema: Schema, ledger: Ledger, tmp_path: Path
) -> None:
    once = {**_FREE, "replicates": 1}
    model = dpsynth.synthesize(frame, schema=schema, method="independent", delta=1e-6, ledger=ledger).model
    found = [
        dpsynth.frontier(schema=schema, mode="analytic", rows=400, **_FREE),
        dpsynth.frontier(frame, schema=schema, mode="proxy", **once),
        dpsynth.frontier(model, mode="bootstrap", **once),
        dpsynth.frontier(
            frame,
            schema=schema,
            mode="confidential",
            ledger=ledger,
            dataset="other people",
            models=tmp_path,
            **once,
        ),
        dpsynth.frontier(frame, schema=schema, mode="confidential", accounted=False, **once),
    ]
    assert [one.mode for one in found] == ["analytic", "proxy", "bootstrap", "confidential", "confidential"]
    assert [one.cost.accounted for one in found] == [True] * 4 + [False]
    assert [one.cost.epsilon > 0 for one in found] == [False] * 3 + [True, False]


def test_paths_are_opened(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "people.csv", index=False)
    schema.save(tmp_path / "people.json")
    found = dpsynth.frontier(
        tmp_path / "people.csv", schema=tmp_path / "people.json", mode="proxy", replicates=1, **_FREE
    )
    assert found.points[0].replicates == 1


def test_epsilons_have_a_default(schema: Schema) -> None:
    found = dpsynth.frontier(schema=schema, mode="analytic", methods="independent", rows=400)
    assert tuple(point.epsilon for point in found.points) == modes.EPSILONS


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mode": "guess"}, "mode"),
        ({"mode": "analytic", "data": 3, "rows": 5}, "opens no data"),
        ({"mode": "analytic"}, "rows"),
        ({"mode": "analytic", "rows": 5, "colour": "red"}, "colour"),
        ({"mode": "proxy"}, "needs data"),
        ({"mode": "proxy", "data": 3, "schema": None}, "needs a schema"),
        ({"mode": "proxy", "data": 3, "accounted": False}, "accounts for"),
        ({"mode": "bootstrap", "data": 3}, "of its model"),
    ],
)
def test_a_call_without_sense_is_refused(schema: Schema, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        dpsynth.frontier(**{"schema": schema, "methods": "independent", **wrong})


def test_a_mode_that_is_not_installed_is_told(
    frame: pd.DataFrame, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(modes._HOMES, ("nested", True), ("dpsynth.tuning.absent", "nested"))
    with pytest.raises(ConfigurationError, match="not part of this version"):
        dpsynth.frontier(frame, schema=schema, mode="nested")
    monkeypatch.setitem(modes._HOMES, ("nested", True), ("dpsynth.absent.nested", "nested"))
    with pytest.raises(ModuleNotFoundError):
        dpsynth.frontier(frame, schema=schema, mode="nested")
