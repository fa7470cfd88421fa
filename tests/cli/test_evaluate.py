from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cli.test_run import dpsynth
from evaluation.people import SCHEMA, people

from dpsynth.ledger import Cap, Ledger


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Real rows, a holdout and a release."""
    people(400).to_csv(tmp_path / "real.csv", index=False)
    people(200, seed=1).to_csv(tmp_path / "holdout.csv", index=False)
    SCHEMA.save(tmp_path / "schema.json")
    arguments = ("run", "real.csv", "--schema", "schema.json", "--out", "release", "--method", "independent")
    assert dpsynth(tmp_path, *arguments, "--delta", "1e-6", "--seed", "1") == 0
    return tmp_path


def test_a_release_is_judged_and_scores_are_bought(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("evaluate", "real.csv", "release", "--schema", "schema.json", "--holdout", "holdout.csv")
    more = ("--target", "class", "--protected", "town", "--quick", "--out", "mine")
    bought = ("--publish-epsilon", "0.5", "--publish-delta", "1e-6", "--ledger", "release.ledger.db")
    assert dpsynth(place, *asked, *more, *bought) == 0
    said = capsys.readouterr().out
    assert "CONFIDENTIAL" in said
    assert "No attack" in said
    assert (place / "mine" / "CONFIDENTIAL-curator-report.html").exists()
    page = (place / "mine" / "CONFIDENTIAL-curator-report.html").read_text()
    assert "read from the transcript of the run" in page
    published = json.loads((place / "mine" / "published-scores.json").read_text())
    assert published["disclosure"]["kind"] == "dp"
    assert published["facts"] == {}
    names = [result["name"] for result in published["results"]]
    assert {"published_tvd2", "published_accuracy_class"} <= set(names)
    with Ledger.open(place / "release.ledger.db") as ledger:
        (account,) = ledger.statement("real")
    assert account.spent.epsilon == pytest.approx(1.5, abs=1e-3)
    assert [run.method for run in account.runs] == ["independent", "published scores", "published accuracy"]


def test_pages_are_written_from_files(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dpsynth(place, "report", "release", "--out", "card.html") == 0
    assert "CONFIDENTIAL" not in (place / "card.html").read_text()
    asked = ("evaluate", "real.csv", "real.csv", "--schema", "schema.json", "--quick", "--out")
    assert dpsynth(place, *asked, "one") == 0
    results = "one/CONFIDENTIAL-curator-report.json"
    assert dpsynth(place, "report", results, "--out", "again.html") == 0
    assert stat.S_IMODE((place / "again.html").stat().st_mode) == 0o600
    assert stat.S_IMODE((place / "card.html").stat().st_mode) == 0o644
    assert "CONFIDENTIAL" in (place / "again.html").read_text()
    assert dpsynth(place, "report", results, results, "--out", "two.html") == 1  # one title twice
    assert "titles" in capsys.readouterr().err


def test_scores_without_a_ledger_are_refused_before_any_work(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("evaluate", "real.csv", "release", "--schema", "schema.json", "--out", "mine")
    assert dpsynth(place, *asked, "--publish-epsilon", "0.1") == 1
    assert "--ledger" in capsys.readouterr().err
    bought = ("--publish-epsilon", "0.1", "--ledger")
    bare = ("evaluate", "real.csv", "real.csv", "--schema", "schema.json", "--out", "mine")
    assert dpsynth(place, *bare, *bought, "release.ledger.db") == 1
    assert "without a guarantee" in capsys.readouterr().err
    assert not (place / "mine").exists()
    assert dpsynth(place, *asked, "--quick", *bought, "misspelt.db") == 1  # no second book is begun
    assert not (place / "misspelt.db").exists()
    capsys.readouterr()
    with Ledger.open(place / "release.ledger.db") as ledger:
        ledger.set_cap(ledger.account("real", str(SCHEMA.unit)), Cap(epsilon=1.05, delta=1e-5), reason="test")
    assert dpsynth(place, *asked, "--quick", *bought, "release.ledger.db") == 1
    assert "no room" in capsys.readouterr().err
    assert not (place / "mine").exists()  # nothing was compared
