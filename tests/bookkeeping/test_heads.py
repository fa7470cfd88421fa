"""Signed heads reveal older copies, forks and foreign ledgers, each by its name."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dpsynth.bookkeeping import SignedHead, check_head, read_head, sign_head
from dpsynth.errors import LedgerError
from dpsynth.ledger import Ledger, Spend

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def spend(ledger: Ledger, times: int = 1) -> None:
    account = ledger.account("people", "one row")
    for _ in range(times):
        ledger.reserve(account, Spend(epsilon=0.1), method="m", plan_digest="p")


def checked(path: Path, head: SignedHead) -> str:
    with Ledger.open(path, create=False) as ledger:
        assert ledger.verify().ok  # the chain alone is sound in every case
        return check_head(ledger.entries(), head)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / "l.db") as ledger:
        spend(ledger)
    return tmp_path / "l.db"


def test_a_head_stays_in_a_ledger_that_goes_on(path: Path) -> None:
    with Ledger.open(path) as ledger:
        head = sign_head(ledger, KEY)
        head.verify(KEY.public_key())
        assert (head.head, head.ledger) == (ledger.head(), ledger.identity)
        spend(ledger, 3)
    assert checked(path, head) == ""


def test_an_older_copy_is_named(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "copy.db")
    with Ledger.open(path) as ledger:
        spend(ledger)
        head = sign_head(ledger, KEY)
    assert "ends with entry 2 and was seen at entry 3. It was rolled back to an older copy" in checked(
        tmp_path / "copy.db", head
    )


def test_a_fork_is_named(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "copy.db")
    heads = []
    for place, label in ((path, "a"), (tmp_path / "copy.db", "b")):
        with Ledger.open(place) as ledger:
            account = ledger.account("people", "one row")
            ledger.reserve(account, Spend(epsilon=0.1), method=label, plan_digest="p")
            spend(ledger, 2)
            heads.append(sign_head(ledger, KEY))
    assert heads[0].ledger == heads[1].ledger
    assert "entry 5 is another one" in checked(tmp_path / "copy.db", heads[0])
    assert "fork" in checked(path, heads[1])
    assert checked(path, heads[0]) == ""


def test_another_ledger_is_named(path: Path, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "other.db") as other:
        head = sign_head(other, KEY)
    assert "The head is of the ledger" in checked(path, head)


def test_a_changed_head_or_another_key_is_refused(path: Path) -> None:
    with Ledger.open(path) as ledger:
        head = sign_head(ledger, KEY)
    changes = {"ledger": "x", "seq": 1, "digest": "0" * 64, "time": "2020", "signature": "00" * 64}
    for field, value in changes.items():
        with pytest.raises(LedgerError, match="changed, or signed with another key"):
            replace(head, **{field: value}).verify(KEY.public_key())
    with pytest.raises(LedgerError, match="changed"):
        replace(head, signature="no hex").verify(KEY.public_key())
    with pytest.raises(LedgerError, match="another key"):
        head.verify(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key())


def test_a_signature_is_of_this_statement_and_kind_only(path: Path) -> None:
    with Ledger.open(path) as ledger:
        head = sign_head(ledger, KEY)
    words = {"ledger": head.ledger, "seq": head.seq, "digest": head.digest, "time": head.time}
    text = json.dumps(words, sort_keys=True, separators=(",", ":"))
    KEY.public_key().verify(
        bytes.fromhex(head.signature), f"dpsynth-ledger-head/1\n{text}".encode()
    )  # raises unless anybody can recompute it


def test_a_head_is_kept_in_a_file(path: Path, tmp_path: Path) -> None:
    with Ledger.open(path) as ledger:
        head = sign_head(ledger, KEY)
    head.save(tmp_path / "head.json")
    assert read_head(tmp_path / "head.json") == head
    good = head.to_json()
    for wrong in (
        good | {"kind": "x"},
        good | {"seq": True},
        good | {"digest": 7},
        good | {"more": 1},
        {name: value for name, value in good.items() if name != "time"},
        [],
        "[" * 100_000,
    ):
        text = wrong if isinstance(wrong, str) else json.dumps(wrong)
        (tmp_path / "head.json").write_text(text)
        with pytest.raises(LedgerError, match="no signed head"):
            read_head(tmp_path / "head.json")
    with pytest.raises(LedgerError, match="no signed head"):
        read_head(tmp_path / "nothing.json")
