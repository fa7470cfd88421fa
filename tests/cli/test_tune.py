"""Searches from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from cli.test_sweep import dpsynth

from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema

_ASKED = ("tune", "people.csv", "--schema", "s.json", "--out", "out", "--delta", "1e-6")


@pytest.fixture
def folder(tmp_path: Path, frame: pd.DataFrame, schema: Schema) -> Path:
    frame.to_csv(tmp_path / "people.csv", index=False)
    schema.save(tmp_path / "s.json")
    return tmp_path


def test_a_free_search_writes_what_it_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dpsynth(folder, *_ASKED, "--method", "independent,mst", "--trials", "2") == 0
    told = json.loads((folder / "out" / "tuned.json").read_text())
    assert told["cost"]["epsilon"] == 0
    assert len(told["history"]) == 2
    assert f"Best: {told['method']}" in capsys.readouterr().out


def test_a_charged_search_writes_a_release(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paid = ("--mode", "select", "--ledger", "people.db", "--method", "independent,mst", "--trials", "2")
    assert dpsynth(folder, *_ASKED, *paid, "--rows", "30", "--epsilon", "2") == 0
    told = json.loads((folder / "out" / "tuned.json").read_text())
    guarantee = json.loads((folder / "out" / "guarantee.json").read_text())
    assert guarantee["events"][0]["type"] == "repeat-select/1"
    assert told["cost"]["epsilon"] == guarantee["epsilon"]
    assert told["history"] == []
    assert len(pd.read_csv(folder / "out" / "synthetic.csv")) == 30
    assert "the best of several runs" in " ".join(capsys.readouterr().out.split())
    with Ledger.open(folder / "people.db") as ledger:
        (account,) = ledger.statement("people")
    assert 1.9 < account.spent.epsilon <= 2.0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--mode", "select"), "--ledger"),
        (("--mode", "select", "--ledger", "l.db", "--metric", "tstr"), "for the mode proxy"),
        (("--mode", "guess"), "mode"),
        (("--method", "nobody"), "no generator"),
    ],
)
def test_wrong_options_are_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], words: str
) -> None:
    assert dpsynth(folder, *_ASKED, *more) == 1
    assert words in " ".join(capsys.readouterr().err.split())
