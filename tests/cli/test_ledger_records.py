"""`dpsynth ledger`, what goes out and in: heads, exports, restored ledgers, spending elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.test_ledger import UNIT, error, run, text
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from dpsynth.errors import ConfigurationError
from dpsynth.ledger import Cap, Ledger, Spend


def pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    (tmp_path / "key.pem").write_bytes(pem(key))
    (tmp_path / "key.pub.pem").write_bytes(public_pem(key))
    with Ledger.open(tmp_path / "l.db") as ledger:
        account = ledger.account("people", UNIT, cap=Cap(epsilon=3.0, delta=1e-6))
        ledger.reserve(account, Spend(epsilon=1.0), method="mst", plan_digest="a")
    return tmp_path / "l.db"


def test_parts_and_periods_are_opened_and_shown(path: Path) -> None:
    assert "No division" in str(error("account", path, "people", "--partition", "north"))
    shown = text("divide", path, "people", "north", "south", "--by", "hospital of first admission")
    assert shown == "people is divided by hospital of first admission: north, south\n"
    shown = text("account", path, "people", "--partition", "north", "-e", 2)
    assert shown == f"people, part north ({UNIT}; rule basic), cap: epsilon 2, delta 0\n"
    with Ledger.open(path) as ledger:
        year = ledger.entries()[-1].content["time"][:4]
        north = ledger.account("people", UNIT, partition="north")
        ledger.reserve(north, Spend(epsilon=0.5), method="mst", plan_digest="a")
    assert f"people, period {year}" in text("account", path, "people", "--period", year, "-e", 2)
    assert "epsilon 2.5" in text("cap", path, "people", "--period", year, "-e", 2.5, "--reason", "board")
    shown = text("show", path)
    assert "part north, reserved, 0 draws" in shown
    assert "The people are the same in every period." in shown
    assert "they may have lost epsilon 1.5, delta 0; in all together epsilon 1.5, delta 0." in shown
    (year_of,) = [a for a in json.loads(text("show", path, "--json"))["accounts"] if a["period"]]
    assert year_of["lifetime"]["epsilon"] == 1.5
    assert "found 0" in str(error("cap", path, "people", "--partition", "west", "-e", 1, "--reason", "x"))


def test_a_head_is_printed_signed_and_verified(path: Path, tmp_path: Path) -> None:
    with Ledger.open(path) as ledger:
        last = ledger.head()
    assert text("head", path) == f"{last.seq}:{last.digest}\n"
    key, public, out = tmp_path / "key.pem", tmp_path / "key.pub.pem", tmp_path / "head.json"
    assert json.loads(text("head", path, "--key", key))["digest"] == last.digest
    assert f"Wrote {out}" in text("head", path, "--key", key, "--out", out)
    checked = ("--signed-head", out, "--public-key", public)
    assert "Sound: 3 entries" in text("verify", path, *checked)
    (tmp_path / "old.db").write_bytes(path.read_bytes())
    with Ledger.open(path) as ledger:
        ledger.reserve(ledger.account("people", UNIT), Spend(epsilon=1.0), method="m", plan_digest="a")
    later = tmp_path / "later.json"
    text("head", path, "--key", key, "--out", later)
    assert "Sound" in text("verify", path, *checked, "--signed-head", later)
    result = run("verify", tmp_path / "old.db", *checked, "--signed-head", later)
    assert result.exit_code == 1
    assert "rolled back to an older copy" in result.output
    out.write_text(out.read_text().replace(last.digest, "0" * 64))
    assert "changed, or signed with another key" in str(error("verify", path, *checked))


def test_keys_of_another_kind_are_refused(path: Path, tmp_path: Path) -> None:
    other = X25519PrivateKey.from_private_bytes(bytes(range(32)))
    (tmp_path / "x.pem").write_bytes(pem(other))
    (tmp_path / "x.pub.pem").write_bytes(public_pem(other))
    (tmp_path / "no.pem").write_text("no key")
    head = tmp_path / "head.json"
    text("head", path, "--key", tmp_path / "key.pem", "--out", head)
    assert "Expected an Ed25519 key" in str(error("head", path, "--key", tmp_path / "x.pem"))
    assert "PEM file" in str(error("head", path, "--key", tmp_path / "no.pem"))
    assert "PEM file" in str(error("head", path, "--key", tmp_path / "nothing.pem"))
    for name, words in (("x.pub.pem", "Expected an Ed25519 key"), ("key.pem", "PEM file")):
        found = error("verify", path, "--signed-head", head, "--public-key", tmp_path / name)
        assert words in str(found)
    assert "together" in str(error("verify", path, "--signed-head", head))


def test_a_ledger_goes_out_and_comes_back(path: Path, tmp_path: Path) -> None:
    lines, again = tmp_path / "ledger.jsonl", tmp_path / "again.db"
    assert "Wrote 3 entries" in text("export", path, lines)
    with Ledger.open(path) as ledger:
        head = ledger.head()
    wanted = f"{head.seq}:{head.digest}"
    assert text("verify", lines, "--head", wanted) == text("verify", path, "--head", wanted)
    assert "another one" in run("verify", lines, "--head", f"2:{'0' * 64}").output
    assert "Restored the ledger" in text("restore", lines, again)
    assert text("verify", again) == text("verify", path)
    assert "does not exist" in str(error("restore", lines, again))
    lines.write_bytes(lines.read_bytes().replace(b"mst", b"aim"))
    result = run("verify", lines)
    assert result.exit_code == 1
    assert "entry 2 is the first bad one" in result.output


def test_spending_elsewhere_is_recorded(path: Path, tmp_path: Path) -> None:
    spent = tmp_path / "spent.json"
    spent.write_text('{"spent_budget": [[0.5, 0.0], [0.25, 1e-9]]}')
    words = ("--reason", "study of 2024")
    shown = text("import-spend", path, "people", "--from", "diffprivlib", spent, *words)
    assert shown == "Recorded epsilon 0.75, delta 1e-09 of diffprivlib.\n"
    shown = text("import-spend", path, "people", "-e", 2, "--source", "OpenDP", *words)
    assert "no further run fits" in shown
    assert "of elsewhere" in text("import-spend", path, "people", "-e", 0.5, "-d", 1e-9, *words)
    table = text("show", path)
    assert "study of 2024, elsewhere" in table
    assert "OpenDP" in table
    for wrong in (("-e", 1, "--from", "diffprivlib", spent), (), ("--from", "opendp", spent)):
        assert isinstance(error("import-spend", path, "people", *wrong, *words), ConfigurationError)
    assert "found 0" in str(error("import-spend", path, "nobody", "-e", 1, *words))
