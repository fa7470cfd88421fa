"""`dpsynth simulate` from the outside."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from dpsynth.cli import app as application
from dpsynth.schema.columns import Datetime
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.row_checks import adherence
from dpsynth.schema.row_rules import InequalityChain
from dpsynth.schema.schema import Schema

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "no-data-yet.md"


@pytest.fixture
def folder(tmp_path: Path, schema: Schema, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    schema.save(tmp_path / "people.schema.json")
    return tmp_path


def dpsynth(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["dpsynth", *arguments])
        with pytest.raises(SystemExit) as stopped:
            application.main()
    return int(stopped.value.code or 0)


def test_from_a_schema_to_rules_to_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dpsynth("simulate", "--from-schema", "people.schema.json", "--out", "rules.json") == 0
    assert dpsynth("simulate", "rules.json", "--rows", "70", "--seed", "3", "--out", "people.csv") == 0
    assert "epsilon = 0: no data about people was read" in capsys.readouterr().out
    assert dpsynth("simulate", "rules.json", "--rows", "70", "--seed", "3", "--out", "again.csv") == 0
    assert (folder / "people.csv").read_bytes() == (folder / "again.csv").read_bytes()
    assert len(pd.read_csv("people.csv")) == 70
    said = json.loads((folder / "people.guarantee.json").read_text())
    assert (said["kind"], said["epsilon"], said["seed"]) == ("dpsynth-simulation/1", 0.0, 3)


def test_rules_of_a_schema_hold_in_the_file(folder: Path) -> None:
    columns = tuple(Datetime(name=n, minimum="2024-01-01", maximum="2024-12-31") for n in ("came", "left"))
    stay = Formula(name="stay", expression="left - came", precision=0, maximum=200)
    rule = InequalityChain(columns=("came", "left"))
    schema = Schema(columns=(*columns, stay), rules=(rule,))
    schema.save(folder / "visits.schema.json")
    assert dpsynth("simulate", "--from-schema", "visits.schema.json", "--out", "visits.yaml") == 0
    assert dpsynth("simulate", "visits.yaml", "--rows", "300", "--out", "visits.csv") == 0
    assert adherence(schema, pd.read_csv("visits.csv")) == {str(rule): 1.0, "stay = left - came": 1.0}


def test_parquet_carries_the_statement(folder: Path) -> None:
    assert dpsynth("simulate", "--from-schema", "people.schema.json", "--out", "rules.yaml") == 0
    assert dpsynth("simulate", "rules.yaml", "--out", "people.parquet") == 0
    metadata = parquet.read_schema("people.parquet").metadata
    assert json.loads(metadata[b"dpsynth.guarantee"])["epsilon"] == 0
    assert len(pd.read_parquet("people.parquet")) == 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.csv"], "either a file of rules"),
        (["r.json", "--from-schema", "people.schema.json", "--out", "x.csv"], "either a file of rules"),
        (["--from-schema", "people.schema.json", "--out", "x.csv"], "end in .json"),
        (["--from-schema", "people.schema.json", "--out", "people.schema.json"], "exists"),
        (
            ["--from-schema", "people.schema.json", "--rows", "3", "--out", "x.json"],
            "--rows and --seed belong",
        ),
        (["r.json", "--out", "x.xlsx"], "end in .csv or .parquet"),
        (["r.json", "--out", "x.csv"], "Cannot read rules"),
    ],
)
def test_wrong_calls_say_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert dpsynth("simulate", *arguments) == 1
    assert message in capsys.readouterr().err.replace("\n", " ")
    assert [path.name for path in folder.iterdir()] == ["people.schema.json"]


def test_the_example_of_the_documentation_runs(folder: Path) -> None:
    (document,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (folder / "orders.yaml").write_text(document)
    calls = re.findall(r"^dpsynth (simulate orders.*)$", PAGE.read_text(), re.MULTILINE)
    assert calls
    for call in calls:
        assert dpsynth(*call.split()) == 0
    frame = pd.read_csv("orders.csv")
    assert len(frame) == 5000
    assert (frame["shipped"].dropna() >= frame["ordered"][frame["shipped"].notna()]).all()
    space: dict[str, object] = {}
    for code in re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(code, space)  # noqa: S102 - the cells of our own page
