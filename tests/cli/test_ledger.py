"""`dpsynth ledger` from the outside: what is printed, what is stored, which exit code."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dpsynth.cli.console import console
from dpsynth.cli.ledger import ledger_app
from dpsynth.errors import ConfigurationError, DpsynthError, LedgerCorruptError, LedgerError
from dpsynth.ledger import Cap, Ledger, Spend

UNIT = "adding or removing one row"


def run(*arguments: object) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console, "width", 200)  # whatever terminal the tests run in
        return CliRunner().invoke(ledger_app, [str(a) for a in arguments])


def text(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def error(*arguments: object) -> DpsynthError:
    result = run(*arguments)
    assert isinstance(result.exception, DpsynthError)
    return result.exception


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "l.db"
    with Ledger.open(place) as ledger:
        account = ledger.account("people", UNIT, cap=Cap(epsilon=3.0, delta=1e-6))
        first = ledger.reserve(
            account, Spend(epsilon=1.0, delta=1e-9), method="mst", plan_digest="a", label="July"
        )
        ledger.draw(first, {"type": "gaussian/1", "mu": 0.2})
        ledger.commit(first)
        ledger.release(ledger.reserve(account, Spend(epsilon=0.5), method="aim", plan_digest="b"))
    return place


def test_a_ledger_is_started_once(tmp_path: Path) -> None:
    place = tmp_path / "new.db"
    assert "Started the ledger" in text("create", place)
    assert isinstance(error("create", place), LedgerError)
    assert "no accounts yet" in text("show", place)


def test_an_account_is_opened_and_seen(path: Path) -> None:
    shown = text("account", path, "places", "--rho", 0.5)
    assert shown == "places (adding or removing one row; rule zcdp), cap: rho 0.5\n"
    assert "cap: epsilon 3, delta 1e-06" in text("account", path, "people")
    assert "rule basic), cap: none" in text("account", path, "people", "--unit", "a household")
    assert "another cap" in str(error("account", path, "people", "--epsilon", 4))
    with Ledger.open(path) as ledger:
        assert len(ledger.statement()) == 3


def test_a_missing_ledger_is_not_created(tmp_path: Path) -> None:
    for command in (
        ["account", tmp_path / "x.db", "people"],
        ["show", tmp_path / "x.db"],
        ["verify", tmp_path / "x.db"],
    ):
        assert "cannot be used" in str(error(*command))
    assert list(tmp_path.iterdir()) == []


def test_a_cap_is_changed_with_a_reason(path: Path) -> None:
    assert "cap: epsilon 5, delta 1e-06" in text(
        "cap", path, "people", "-e", 5, "-d", 1e-6, "--reason", "board"
    )
    assert run("cap", path, "people", "-e", 6).exit_code == 2
    assert isinstance(error("cap", path, "people", "--reason", "x"), ConfigurationError)
    assert "found 0" in str(error("cap", path, "nobody", "-e", 6, "--reason", "x"))
    text("account", path, "people", "--unit", "a household")
    assert "found 2" in str(error("cap", path, "people", "-e", 6, "--reason", "x"))
    assert "cap: epsilon 6" in text("cap", path, "people", "-e", 6, "--unit", "a household", "--reason", "x")
    with Ledger.open(path) as ledger:
        assert [change.reason for change in ledger.statement("people")[0].caps] == ["account opened", "board"]


def test_a_statement_reads_like_one_of_a_bank(path: Path) -> None:
    shown = text("show", path)
    assert shown.startswith("people (adding or removing one row; rule basic), cap: epsilon 3, delta 1e-06")
    rows = [
        [cell.strip() for cell in line.strip("│┃").split("│")] for line in shown.splitlines() if "│" in line
    ]
    dated = [[row[0], *row[2:]] for row in rows]
    assert dated == [
        ["#", "what", "method", "epsilon", "delta", "epsilon left", "delta left"],
        ["1", "cap epsilon 3, delta 1e-06: account opened", "", "", "", "", ""],
        ["2", "July, committed, 1 draw", "mst", "1", "1e-09", "2", "9.99e-07"],
        ["5", "released, 0 draws", "aim", "0.5", "0", "2", "9.99e-07"],
        ["", "spent", "", "1", "1e-09", "2", "9.99e-07"],
    ]
    assert "no such account" in text("show", path, "nobody")


def test_a_statement_under_zcdp_shows_rho(path: Path) -> None:
    with Ledger.open(path) as ledger:
        account = ledger.account("places", UNIT, rule="zcdp")
        ledger.reserve(account, Spend(epsilon=1.0, rho=0.03), method="mst", plan_digest="a")
    shown = text("show", path, "places")
    assert "rho left" in shown
    assert "0.03" in shown
    assert "people" not in shown


def test_a_statement_for_programs(path: Path) -> None:
    shown = json.loads(text("show", path, "--json"))
    with Ledger.open(path) as ledger:
        assert shown["ledger"] == ledger.identity
        assert shown["head"] == {"seq": ledger.head().seq, "digest": ledger.head().digest}
    (account,) = shown["accounts"]
    assert account["remaining"] == {"epsilon": 2.0, "delta": 9.99e-7, "rho": None}
    assert [r["status"] for r in account["runs"]] == ["committed", "released"]


def test_foreign_text_cannot_drive_the_terminal(path: Path) -> None:
    with Ledger.open(path) as ledger:
        account = ledger.account("[red]x[/]", "\x1b[31munit")
        ledger.reserve(account, Spend(epsilon=1.0), method="\x1b]0;m", plan_digest="a", label="[/bold]")
    shown = text("show", path)
    assert "\x1b" not in shown
    assert "[red]x[/] (?[31munit;" in shown
    assert "[/bold]" in shown


def test_a_sound_ledger_is_verified(path: Path) -> None:
    with Ledger.open(path) as ledger:
        head = ledger.head()
    assert text("verify", path) == f"Sound: 7 entries. Head {head.seq}:{head.digest}\n"
    assert "Sound" in text("verify", path, "--head", f"{head.seq}:{head.digest}")
    assert json.loads(text("verify", path, "--json")) == {
        "ok": True,
        "entries": 7,
        "first_bad_seq": None,
        "reason": "",
    }
    assert "NUMBER:DIGEST" in str(error("verify", path, "--head", "7"))


def test_the_first_bad_entry_is_named(path: Path) -> None:
    connection = sqlite3.connect(path)
    (trigger,) = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE name = 'entries_no_update'"
    ).fetchone()
    connection.execute("DROP TRIGGER entries_no_update")
    connection.execute("UPDATE entries SET body = replace(body, '1000000000', '0100000000') WHERE seq = 2")
    connection.execute(trigger)
    connection.commit()
    connection.close()
    result = run("verify", path)
    assert result.exit_code == 1
    assert "entry 2 is the first bad one" in result.output
    result = run("verify", path, "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["first_bad_seq"] == 2
    assert isinstance(error("show", path), LedgerCorruptError)


def test_a_lost_end_is_named(path: Path) -> None:
    result = run("verify", path, "--head", f"9:{'0' * 64}")
    assert result.exit_code == 1
    assert "entry 9 is the first bad one. The ledger does not contain the head" in result.output
