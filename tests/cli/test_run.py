"""The main job from the command line, and every way to ask for it wrongly."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dpsynth.cli import app as application
from dpsynth.cli.console import described
from dpsynth.ledger import Cap, Ledger
from dpsynth.schema import Implication, UniqueKey, adherence
from dpsynth.schema.schema import Schema
from dpsynth.session import Progress


@pytest.fixture
def folder(tmp_path: Path, frame: pd.DataFrame, schema: Schema) -> Path:
    frame.to_csv(tmp_path / "people.csv", index=False)
    schema.save(tmp_path / "people.schema.json")
    return tmp_path


def dpsynth(folder: Path, *arguments: str) -> int:
    """Run one command in this process, as the installed script would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["dpsynth", *arguments])
        with pytest.raises(SystemExit) as stopped:
            application.main()
    code = stopped.value.code
    return 0 if code is None else int(code)


def run(
    folder: Path, *more: str, data: str = "people.csv", schema: str = "people.schema.json", out: str = "out"
) -> int:
    return dpsynth(folder, "run", data, "--schema", schema, "--out", out, "--delta", "1e-6", *more)


def test_the_main_job(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--epsilon", "2", "--rows", "50", "--method", "mst") == 0
    written = {path.name for path in (folder / "out").iterdir()}
    assert written == {
        "synthetic.parquet",
        "synthetic.csv",
        "guarantee.json",
        "schema.json",
        "model.dps",
        "README.md",
    }
    rows = pd.read_parquet(folder / "out" / "synthetic.parquet")
    assert len(rows) == len(pd.read_csv(folder / "out" / "synthetic.csv")) == 50
    guarantee = json.loads((folder / "out" / "guarantee.json").read_text())
    assert 1.9 < guarantee["epsilon"] <= 2.0
    assert guarantee["certifiable"]
    said = capsys.readouterr().out
    assert "spent so far" in said
    assert "What was spent on what" in said
    with Ledger.open(folder / "out.ledger.db", create=False) as ledger:
        assert ledger.verify().ok


def test_more_rows_cost_nothing(folder: Path) -> None:
    run(folder, "--rows", "20")
    with Ledger.open(folder / "out.ledger.db", create=False) as ledger:
        before = ledger.head()
    for name in ("more.csv", "more.parquet", "more.arrow"):
        assert (
            dpsynth(folder, "sample", "out/model.dps", "--out", name, "--rows", "30", "--given", "colour=red")
            == 0
        )
    assert set(pd.read_csv(folder / "more.csv")["colour"]) == {"red"}
    with Ledger.open(folder / "out.ledger.db", create=False) as ledger:
        assert ledger.head() == before


def test_rules_are_met_or_the_model_is_kept(
    folder: Path, schema: Schema, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that cannot fill its table is paid for all the same, so its model must not be lost."""
    met = replace(schema, rules=(Implication(when="member", then="age >= 18"),))
    met.save(folder / "met.json")
    assert run(folder, "--rows", "40", schema="met.json", out="met") == 0
    assert "All rows meet the rules" in capsys.readouterr().out
    assert set(adherence(met, pd.read_csv(folder / "met" / "synthetic.csv")).values()) == {1.0}
    assert dpsynth(folder, "sample", "met/model.dps", "--out", "more.csv", "--rows", "9") == 0
    assert "All rows meet the rules" in capsys.readouterr().out
    never = replace(schema, rules=(UniqueKey(columns=("member",)),))
    never.save(folder / "never.json")
    assert run(folder, "--rows", "40", schema="never.json", out="never") != 0
    said = capsys.readouterr()
    assert "never.model.dps" in " ".join((said.out + said.err).split())
    assert not (folder / "never").exists()
    assert dpsynth(folder, "sample", "never.model.dps", "--out", "two.csv", "--rows", "2") == 0
    assert sorted(pd.read_csv(folder / "two.csv")["member"]) == [False, True]


def test_plan_and_check_open_no_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "people.csv").unlink()
    assert dpsynth(folder, "plan", "--schema", "people.schema.json", "--delta", "1e-6") == 0
    assert dpsynth(folder, "check", "people.schema.json") == 0
    said = capsys.readouterr().out
    assert "Price: epsilon" in said
    assert "complete and declared" in said
    assert "two processor cores" not in said  # nothing to train


@pytest.mark.slow
def test_the_plan_of_a_deep_method_says_how_long_training_takes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("plan", "--schema", "people.schema.json", "--method", "hybrid", "--delta", "1e-6")
    assert dpsynth(folder, *arguments) == 0
    assert "Training 100,000 rows takes about 1 min on two processor cores." in capsys.readouterr().out


def test_a_draft_is_marked_and_taints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dpsynth(folder, "init", "people.csv", "--out", "draft.json") == 0
    assert dpsynth(folder, "init", "people.csv", "--out", "draft.json") == 1  # never overwrites
    assert dpsynth(folder, "check", "draft.json", "people.csv") == 0
    assert "not certifiable" in capsys.readouterr().out
    assert run(folder, schema="draft.json", out="drafted") == 0
    guarantee = json.loads((folder / "drafted" / "guarantee.json").read_text())
    assert not guarantee["certifiable"]
    assert "NOT CERTIFIABLE" in (folder / "drafted" / "README.md").read_text()


def test_unknown_parts_can_be_bought(folder: Path) -> None:
    document = json.loads((folder / "people.schema.json").read_text())
    for field in document["fields"]:
        if field["name"] == "age":
            field.pop("constraints", None)
            field["dpsynth"].pop("cells", None)
    (folder / "open.json").write_text(json.dumps(document))
    assert run(folder, schema="open.json") == 1
    assert run(folder, "--discover", "0.3", "--epsilon", "5", schema="open.json") == 0
    assert json.loads((folder / "out" / "guarantee.json").read_text())["committed"]["adaptive"]


def edit(folder: Path, name: str, change: Any) -> None:
    document = json.loads((folder / "people.schema.json").read_text())
    change(document)
    (folder / name).write_text(json.dumps(document))


def test_bad_input_spends_nothing(
    folder: Path, frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    frame.drop(columns="age").to_csv(folder / "lacks.csv", index=False)
    frame.assign(extra=1).to_csv(folder / "extra.csv", index=False)
    frame.assign(age="old").to_csv(folder / "types.csv", index=False)
    (folder / "damaged.parquet").write_bytes(b"PAR1 and then nothing")
    edit(folder, "bounds.json", lambda d: d["fields"][2]["constraints"].update(minimum=99, maximum=0))
    (folder / "broken.json").write_text("{")
    cases: list[tuple[list[str], dict[str, str], str]] = [
        ([], {"data": "lacks.csv"}, "age"),
        ([], {"data": "extra.csv"}, "extra"),
        ([], {"data": "types.csv"}, "age"),
        ([], {"data": "damaged.parquet"}, "damaged.parquet"),
        ([], {"data": "none.csv"}, "none.csv"),
        ([], {"schema": "bounds.json"}, "age"),
        ([], {"schema": "broken.json"}, "broken.json"),
        ([], {"schema": "none.json"}, "none.json"),
        (["--epsilon", "0"], {}, "epsilon"),
        (["--epsilon", "-1"], {}, "epsilon"),
        (["--epsilon", "nan"], {}, "epsilon"),
        (["--delta", "1"], {}, "delta"),
        (["--delta", "0"], {}, "delta"),
        (["--rows", "-1"], {}, "rows"),
        (["--method", "mts"], {}, "mst"),
        (["--discover", "2"], {}, "share"),
    ]
    for more, files, named in cases:
        assert run(folder, *more, **files) == 1, (more, files)
        said = capsys.readouterr()
        assert named in said.err.replace("\n", ""), (more, files, said.err)
        assert not (folder / "out").exists()
        assert not [path.name for path in folder.iterdir() if path.name.startswith(".out")]
    if (folder / "out.ledger.db").exists():
        with Ledger.open(folder / "out.ledger.db") as ledger:
            assert not [entry for entry in ledger.entries() if entry.content["kind"] in {"reserve", "draw"}]


def test_a_full_ledger_a_locked_one_and_one_that_is_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Ledger.open(folder / "full.db") as ledger:
        unit = str(Schema.load(folder / "people.schema.json").unit)
        ledger.account("people", unit, cap=Cap(epsilon=0.5, delta=1e-5))
    assert run(folder, "--ledger", "full.db") == 1
    assert "remaining" in capsys.readouterr().err.lower()
    (folder / "text.db").write_text(
        "this is no ledger, it is a note of some length that sqlite cannot read" * 20
    )
    assert run(folder, "--ledger", "text.db") == 1
    assert run(folder, "--ledger", "nowhere/ledger.db") == 1
    holder = sqlite3.connect(folder / "full.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.MonkeyPatch.context() as patch:
        original = Ledger.open.__func__  # type: ignore[attr-defined]
        patch.setattr(
            Ledger, "open", classmethod(lambda cls, path, **more: original(cls, path, timeout=0.05, **more))
        )
        assert run(folder, "--ledger", "full.db") == 1
    holder.execute("ROLLBACK")
    assert not (folder / "out").exists()


def test_a_full_disk_and_a_folder_in_use(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "mine.txt").write_text("keep")
    assert run(folder) == 1
    assert (folder / "out" / "mine.txt").read_text() == "keep"
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
    assert run(folder, out="elsewhere") == 1
    assert "nothing was spent" in capsys.readouterr().err
    assert not (folder / "elsewhere.ledger.db").exists()


def test_an_empty_a_one_row_and_an_all_missing_table(folder: Path, frame: pd.DataFrame) -> None:
    frame.iloc[:0].to_csv(folder / "empty.csv", index=False)
    frame.iloc[:1].to_csv(folder / "one.csv", index=False)
    frame.assign(colour=None, age=None, height=None, joined=None).to_csv(folder / "missing.csv", index=False)
    for name in ("empty", "one", "missing"):
        assert run(folder, data=f"{name}.csv", out=name) == 0
        assert (folder / name / "guarantee.json").exists()


def test_a_schema_with_unknown_parts_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(
        folder,
        "open.json",
        lambda d: d["fields"][2].pop("constraints") and d["fields"][2]["dpsynth"].pop("cells"),
    )
    assert dpsynth(folder, "check", "open.json", "people.csv") == 0
    assert "to be declared or bought with --discover: age" in capsys.readouterr().out


def test_sample_says_what_it_expects(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder, "--rows", "5", "--method", "independent")
    for more, named in (
        (["--out", "more.xls"], ".parquet"),
        (["--out", "more.csv", "--given", "colour"], "NAME=VALUE"),
        (["--out", "more.csv", "--given", "colour=mauve"], "colour"),
        (["--out", "nowhere/more.csv"], "nowhere"),
    ):
        assert dpsynth(folder, "sample", "out/model.dps", *more) == 1
        assert named in capsys.readouterr().err
    assert dpsynth(folder, "sample", "people.csv", "--out", "more.csv") == 1


def test_the_version_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dpsynth(folder, "--version") == 0
    assert capsys.readouterr().out.startswith("dpsynth 0.")


def test_the_demo_starts_afresh_each_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert dpsynth(folder, "demo") == 0
        said = capsys.readouterr().out
        assert "remaining" in said
        assert len(pd.read_parquet(folder / "demo-release" / "synthetic.parquet").columns) == 15
        with Ledger.open(folder / "demo-release.ledger.db", create=False) as ledger:
            (account,) = ledger.statement("adult")
            assert len(account.runs) == 1


def test_the_demo_removes_nothing_that_is_not_its_own(folder: Path) -> None:
    (folder / "demo-release").mkdir()
    (folder / "demo-release" / "thesis.txt").write_text("mine")
    assert dpsynth(folder, "demo") == 1
    assert (folder / "demo-release" / "thesis.txt").exists()


def test_the_installed_script(folder: Path) -> None:
    """One run through a real process: exit code, no traceback."""
    command = [sys.executable, "-m", "dpsynth", "check", "none.json"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}, check=False
    )
    assert done.returncode == 1
    assert "none.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_same_command_continues_a_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--method", "mst", "--checkpoint", "run.checkpoint", "--ledger", "ledger.db", "--rows", "20")
    draw, calls = Ledger.draw, [0]

    def interrupted(self: Ledger, *arguments: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        return draw(self, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "draw", interrupted)
        assert run(folder, *options) != 0
    assert not (folder / "out").exists()
    capsys.readouterr()
    assert run(folder, *options) == 0
    said = capsys.readouterr().out
    assert "Continuing the run of run.checkpoint" in said
    assert run(folder, *options, out="again") == 0  # finished: the same model, at no price
    for name in ("out", "again"):
        assert len(pd.read_csv(folder / name / "synthetic.csv")) == 20
    first, second = (json.loads((folder / n / "guarantee.json").read_text()) for n in ("out", "again"))
    assert first == second
    with Ledger.open(folder / "ledger.db", create=False) as ledger:
        (account,) = ledger.statement("people")
        assert [line.status for line in account.runs] == ["committed"]
    assert run(folder, *options, "--epsilon", "2", out="other") == 1
    assert "differs in budget" in capsys.readouterr().err.replace("\n", " ")
    assert run(folder, *options, "--discover", "0.2", out="other") == 1
    assert run(folder, "--method", "aim", "--checkpoint", "aim.checkpoint", out="other") == 1
    assert not (folder / "other").exists()


def test_the_bar_says_what_the_run_has_cost() -> None:
    step = Progress(label="training", done=1, steps=4, epsilon=0.4123, reserved=1.0)
    assert described(step) == "training, epsilon so far 0.412 of 1"
