"""Sweeps from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from dpsynth.cli import app as application
from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema
from dpsynth.tuning import Frontier

_ASKED = (
    "--schema",
    "s.json",
    "--out",
    "out",
    "--method",
    "independent",
    "--epsilons",
    "1,4",
    "--delta",
    "1e-6",
)


@pytest.fixture
def folder(tmp_path: Path, frame: pd.DataFrame, schema: Schema) -> Path:
    frame.to_csv(tmp_path / "people.csv", index=False)
    schema.save(tmp_path / "s.json")
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


def written(folder: Path) -> Frontier:
    return Frontier.from_json((folder / "out" / "frontier.json").read_text())


def test_the_analytic_sweep_opens_no_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dpsynth(folder, "sweep", *_ASKED, "--rows", "400") == 0
    told = capsys.readouterr().out
    assert "costs nothing" in told
    assert "expected" in told
    assert written(folder).mode == "analytic"
    assert (folder / "out" / "frontier.svg").read_text().startswith("<svg")
    assert "</html>" in (folder / "out" / "frontier.html").read_text()


def test_a_proxy_sweep_names_an_epsilon(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--mode", "proxy", "--replicates", "2", "--choose", "0.2", "--protected", "colour")
    assert dpsynth(folder, "sweep", "people.csv", *_ASKED, *more) == 0
    assert "a rate of 67%" in " ".join(capsys.readouterr().out.split())
    assert written(folder).points[0].worst_group is not None
    assert len(list((folder / "out" / "cache" / "runs").iterdir())) == 4


def test_a_release_is_swept_by_its_model(folder: Path) -> None:
    run = ("--schema", "s.json", "--out", "release", "--method", "independent", "--delta", "1e-6")
    assert dpsynth(folder, "run", "people.csv", *run) == 0
    assert dpsynth(folder, "sweep", "release", *_ASKED, "--mode", "bootstrap", "--replicates", "1") == 0
    assert written(folder).disclosure.kind == "dp"


def test_a_paid_sweep_is_in_the_ledger(folder: Path) -> None:
    assert dpsynth(folder, "sweep", "people.csv", *_ASKED, "--mode", "confidential", "--ledger", "l.db") == 0
    with Ledger.open(folder / "l.db") as opened:
        (account,) = opened.statement("people")
    assert account.spent.epsilon == pytest.approx(1 + 4 + 2 * 0.1, rel=1e-6)
    assert written(folder).cost.accounted


def test_a_nested_sweep_is_one_charge(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("sweep", "people.csv", *_ASKED, "--mode", "nested", "--ledger", "l.db")
    assert dpsynth(folder, *asked) == 0
    found = written(folder)
    assert f"one charge of epsilon = {found.cost.epsilon:.4g}" in capsys.readouterr().out
    assert len(list((folder / "out" / "paid" / "models").iterdir())) == 2
    assert dpsynth(folder, *asked) == 0  # the same command goes on, and pays nothing more
    with Ledger.open(folder / "l.db") as opened:
        (account,) = opened.statement("people")
    assert account.spent.epsilon == pytest.approx(found.cost.epsilon)


def test_a_selection_at_each_epsilon_is_charged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--mode", "select", "--method", "independent,mst", "--ledger", "l.db")
    assert dpsynth(folder, "sweep", "people.csv", *_ASKED, *more) == 0
    assert "a private selection at each epsilon, all of them charged: 5" in capsys.readouterr().out
    with Ledger.open(folder / "l.db") as opened:
        (account,) = opened.statement("people")
    assert account.spent.epsilon == pytest.approx(1 + 4, rel=1e-6)
    points = written(folder).points
    assert {point.method for point in points} == {"best of independent, mst"}
    assert [point.epsilon for point in points] == pytest.approx([1, 4], rel=1e-6)


def test_only_what_trains_has_a_trajectory(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A method from the command line has the settings of a release, too slow to train here."""
    more = ("--mode", "trajectory", "--epsilons", "2", "--ledger", "l.db")
    assert dpsynth(folder, "sweep", "people.csv", *_ASKED, *more) == 1
    assert "does not train in rounds" in " ".join(capsys.readouterr().err.split())
    with Ledger.open(folder / "l.db") as opened:
        assert opened.statement("people") == () or not opened.statement("people")[0].runs


@pytest.mark.slow
def test_a_trajectory_is_one_charge(folder: Path) -> None:
    pytest.importorskip("torch")
    more = ("--mode", "trajectory", "--method", "dpvae", "--epsilons", "2", "--ledger", "l.db")
    assert dpsynth(folder, "sweep", "people.csv", *_ASKED, *more) == 0
    found = written(folder)
    with Ledger.open(folder / "l.db") as opened:
        (account,) = opened.statement("people")
    assert account.spent.epsilon == pytest.approx(found.cost.epsilon)
    assert len(account.runs) == 1
    assert len(found.points) == 5


def test_a_sweep_that_nobody_pays_is_stamped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ("--mode", "confidential", "--not-accounted", "--replicates", "1")
    assert dpsynth(folder, "sweep", "people.csv", *_ASKED, *more) == 0
    assert "NOT ACCOUNTED" in capsys.readouterr().out
    assert "NOT ACCOUNTED" in (folder / "out" / "frontier.html").read_text()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--epsilons", "1,two", "--rows", "9"), "numbers by comma"),
        (("--mode", "confidential"), "--ledger"),
        (("--mode", "guess"), "mode"),
        (("--mode", "bootstrap"), "needs data"),
    ],
)
def test_wrong_options_are_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], words: str
) -> None:
    assert dpsynth(folder, "sweep", *_ASKED, *more) == 1
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_plan_shows_the_frontier_without_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("plan", "--schema", "s.json", "--method", "allpairs", "--delta", "1e-6", "--frontier")
    assert dpsynth(folder, *asked, "--rows", "400") == 0
    assert "no data was opened" in capsys.readouterr().out
    assert dpsynth(folder, *asked) == 1
    assert "--rows" in capsys.readouterr().err
