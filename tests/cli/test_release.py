from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from release.released import Released, released
from typer.testing import CliRunner, Result

from dpsynth import Ledger, Schema
from dpsynth.cli.app import app
from dpsynth.errors import ConfigurationError, DpsynthError
from dpsynth.release.keys import new_key, private_key
from dpsynth.verifier.canonical import canonical
from dpsynth.verifier.envelope import PAYLOAD_TYPE, sign, unpack, verify, write


def ran(*arguments: object, text: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], input=text)


@pytest.fixture
def made(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> Released:
    return released(frame, schema, tmp_path)


def checked(made: Released, *more: object) -> Result:
    return ran("verify", made.folder, "--trust", made.trust, "--ledger", made.ledger, *more)


def resigned(made: Released, change: Any) -> None:
    """A liar with the publisher's key changes the statement."""
    path = made.folder / "certificate.dsse.json"
    told = json.loads(verify(unpack(path.read_bytes()), ()).payload)
    change(told["predicate"])
    path.write_bytes(write(sign(canonical(told), PAYLOAD_TYPE, [private_key(made.key)])))


def test_from_a_run_to_a_verified_release(
    frame: pd.DataFrame, schema: Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frame.to_parquet("people.parquet")
    schema.save("people.schema.json")
    Path("words").write_text("correct horse\n")
    steps = (
        (
            "run",
            "people.parquet",
            "--schema",
            "people.schema.json",
            "--out",
            "run",
            "--method",
            "independent",
        ),
        ("keys", "new", "--out", "key", "--passphrase-file", "words"),
        ("release", "run", "--rows", "100", "--key", "key", "--out", "release", "--passphrase-file", "words"),
        ("verify", "release", "--trust", "key.pub", "--ledger", "run.ledger.db"),
    )
    for step in steps:
        found = ran(*step)
        assert found.exit_code == 0, found.output
    assert "VERIFIED" in found.output
    assert "0 failed" in found.output
    assert stat.S_IMODE(Path("key").stat().st_mode) == 0o600
    assert ran("keys", "show", "key.pub").output.strip() in ran("keys", "show", "key.pub").output


def test_a_stranger_is_told_that_nobody_is_known_to_have_signed(made: Released) -> None:
    found = ran("verify", made.folder)
    assert found.exit_code == 1
    assert "--trust" in found.output
    assert ran("verify", made.folder, "--any-key").exit_code == 0


def test_json_is_for_programs(made: Released) -> None:
    told = json.loads(checked(made, "--json").output)
    assert told["ok"] is True
    assert {one["standing"] for one in told["statements"]} == {"recomputed", "attested"}


def test_one_cell(made: Released) -> None:
    path = made.folder / "data.csv"
    lines = path.read_text().split("\n")
    lines[1] = lines[2]
    path.write_text("\n".join(lines))
    found = checked(made)
    assert found.exit_code == 1
    assert "FAILED" in found.output
    assert "data.csv" in found.output


def test_one_cell_of_the_parquet_file(made: Released) -> None:
    rows = pd.read_parquet(made.folder / "data.parquet")
    rows.loc[0, "age"] = 1000
    rows.to_parquet(made.folder / "data.parquet", index=False)
    words = checked(made).output
    assert "data.parquet" in words
    assert "'age'" in words
    assert "1000" not in words


def test_one_digit_of_epsilon(made: Released) -> None:
    def lower(claims: dict[str, Any]) -> None:
        claims["claim"]["epsilon"] = 0.9
        claims["claim"]["epsilon_at"][0]["epsilon"] = 0.9

    resigned(made, lower)
    found = checked(made)
    assert found.exit_code == 1
    assert "claim: epsilon" in found.output


def test_one_event(made: Released) -> None:
    def fewer(claims: dict[str, Any]) -> None:
        claims["events"] = claims["events"][1:]
        claims["plan"]["events"] = claims["plan"]["events"][1:] or claims["plan"]["events"]

    resigned(made, fewer)
    found = checked(made)
    assert found.exit_code == 1
    assert "plan" in found.output or "events" in found.output


def test_another_key(made: Released, tmp_path: Path) -> None:
    new_key(tmp_path / "other", passphrase=None)
    found = ran("verify", made.folder, "--trust", tmp_path / "other.pub")
    assert found.exit_code == 1
    assert "no trusted key signed" in found.output


def test_an_unsigned_change(made: Released) -> None:
    path = made.folder / "certificate.dsse.json"
    envelope = json.loads(path.read_text())
    payload = base64.b64decode(envelope["payload"]).replace(b'"seeded":false', b'"seeded":true ')
    envelope["payload"] = base64.b64encode(payload).decode()
    path.write_text(json.dumps(envelope))
    found = checked(made)
    assert found.exit_code == 1
    assert "did not sign this" in found.output


def test_the_last_entry_of_the_ledger(made: Released) -> None:
    with sqlite3.connect(made.ledger) as connection:  # by somebody who covers the tracks
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        triggers = connection.execute(query).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)")
        for _, text in triggers:
            connection.execute(text)
    found = checked(made)
    assert found.exit_code == 1
    assert "cut off or is an older copy" in found.output


def test_an_older_ledger(frame: pd.DataFrame, schema: Schema, tmp_path: Path) -> None:
    older = tmp_path / "older.db"
    with Ledger.open(tmp_path / "people.ledger.db") as ledger:
        ledger.account("people", str(schema.unit))
    shutil.copy(tmp_path / "people.ledger.db", older)
    made = released(frame, schema, tmp_path)
    assert checked(made).exit_code == 0
    found = ran("verify", made.folder, "--trust", made.trust, "--ledger", older)
    assert found.exit_code == 1
    assert "older copy" in found.output


def test_another_ledger(made: Released, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "another.db") as ledger:
        for name in "abcdefghijk":
            ledger.account(name, "adding or removing one row")
    found = ran("verify", made.folder, "--trust", made.trust, "--ledger", tmp_path / "another.db")
    assert found.exit_code == 1


def test_a_policy(made: Released, tmp_path: Path) -> None:
    (tmp_path / "strict.json").write_text(json.dumps({"max_epsilon": 0.5}))
    (tmp_path / "mild.json").write_text(json.dumps({"max_epsilon": 5}))
    assert checked(made, "--policy", tmp_path / "mild.json").exit_code == 0
    found = checked(made, "--policy", tmp_path / "strict.json")
    assert found.exit_code == 1
    assert "policy" in found.output


def test_two_signatures(made: Released, tmp_path: Path) -> None:
    new_key(tmp_path / "second", passphrase=None)
    assert ran("sign", made.folder, "--key", tmp_path / "second").exit_code == 0
    assert ran("verify", made.folder, "--trust", tmp_path / "second.pub").exit_code == 0


@pytest.mark.parametrize("rows", ["all", "-5", "1.5", ""])
def test_rows_are_declared(made: Released, tmp_path: Path, rows: str) -> None:
    made.model.save(tmp_path / "model.dps")
    found = ran(
        "release", tmp_path / "model.dps", f"--rows={rows}", "--key", made.key, "--out", tmp_path / "x"
    )
    assert isinstance(found.exception, ConfigurationError)
    assert "estimate" in str(found.exception)


def test_a_release_has_no_silent_number_of_rows(made: Released, tmp_path: Path) -> None:
    found = ran("release", tmp_path / "model.dps", "--key", made.key, "--out", tmp_path / "x")
    assert found.exit_code == 2
    assert "--rows" in found.output


def test_passphrases_are_asked_for(tmp_path: Path) -> None:
    found = ran("keys", "new", "--out", tmp_path / "key", text="correct horse\ncorrect horse\n")
    assert found.exit_code == 0, found.output
    assert "correct horse" not in found.output
    assert private_key(tmp_path / "key", passphrase="correct horse")
    both = ran("keys", "new", "--out", tmp_path / "k", "--no-passphrase", "--passphrase-file", tmp_path / "w")
    assert isinstance(both.exception, ConfigurationError)


@pytest.mark.parametrize("step", [("keys", "show"), ("release",), ("sign",)])
def test_files_that_are_not_there_are_named(step: tuple[str, ...], tmp_path: Path) -> None:
    more = {
        "keys": [tmp_path / "none.pub"],
        "release": [tmp_path, "--rows", "5", "--key", tmp_path / "none", "--out", tmp_path / "out"],
        "sign": [tmp_path, "--key", tmp_path / "none"],
    }[step[0]]
    found = ran(*step, *more)
    assert isinstance(found.exception, DpsynthError)
    assert "none" in str(found.exception)


def test_a_folder_is_named(tmp_path: Path) -> None:
    assert isinstance(ran("verify").exception, ConfigurationError)
    found = ran("verify", tmp_path)
    assert found.exit_code == 1
    assert "FAILED" in found.output
