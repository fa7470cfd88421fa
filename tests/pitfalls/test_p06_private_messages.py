"""P06: no error, warning or log line shows a value, a category or a count that was found in the data."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dpsynth.errors import DataError, DpsynthError
from dpsynth.generators.mst import MST
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.release import fit_table
from dpsynth.schema.schema import Schema

STRANGE = "Zaphod-Beeblebrox-4711"


def load(frame: Any, schema: Schema) -> None:
    with Ledger.in_memory() as ledger:
        fit_table(
            frame,
            schema=schema,
            generator=MST(),
            budget=Budget(epsilon=1.0, delta=1e-6),
            ledger=ledger,
            dataset="d",
        )


def test_strange_values_pass_in_silence(
    frame: pd.DataFrame, schema: Schema, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = frame.astype(object)
    for name in strange.columns:
        strange.loc[3, name] = STRANGE
    strange.loc[4, "age"] = 10**30
    strange.loc[5, "height"] = float("inf")
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings():
        warnings.simplefilter("error")
        load(strange, schema)
    said = capsys.readouterr()
    assert STRANGE not in caplog.text + said.out + said.err


def test_a_file_that_does_not_parse_is_not_quoted(tmp_path: Path, schema: Schema) -> None:
    path = tmp_path / "people.csv"
    path.write_text(f"colour,member,age,height,joined\nred,true,3\n{STRANGE},,,,,,,,\n")
    with pytest.raises(DpsynthError) as caught:
        load(path, schema)
    shown = caught.value
    while shown is not None:
        assert STRANGE not in str(shown)
        assert shown.__suppress_context__ or shown.__context__ is None
        shown = shown.__cause__  # type: ignore[assignment]


def test_a_column_of_the_wrong_type_is_named_without_its_values(frame: pd.DataFrame, schema: Schema) -> None:
    with pytest.raises(DataError, match="age") as caught:
        load(frame.assign(age=STRANGE), schema)
    assert STRANGE not in str(caught.value)
    assert str(len(frame)) not in str(caught.value)
