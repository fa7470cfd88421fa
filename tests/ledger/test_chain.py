"""Anybody can recompute the chain with SHA-256 alone."""

from __future__ import annotations

import hashlib
import json

import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.ledger import Ledger
from dpsynth.ledger.chain import BEFORE_FIRST, canonical, link


def test_a_digest_is_sha256_over_number_previous_digest_and_body() -> None:
    with Ledger.in_memory() as ledger:
        ledger.account("people", "one row")
        before = "0" * 64
        for number, entry in enumerate(ledger.entries()):
            text = f"{number}\n{before}\n{entry.body}"
            assert entry.digest == hashlib.sha256(text.encode("ascii")).hexdigest()
            before = entry.digest


def test_the_digest_is_pinned() -> None:
    assert link(BEFORE_FIRST, "{}").digest == hashlib.sha256(b"0\n" + b"0" * 64 + b"\n{}").hexdigest()


def test_bodies_are_canonical_ascii() -> None:
    assert canonical({"b": [1.5, None], "a": "ä"}) == '{"a":"\\u00e4","b":[1.5,null]}'
    with Ledger.in_memory() as ledger:
        ledger.account("Bevölkerung", "eine Zeile")
        assert all(e.body.isascii() and e.body == canonical(e.content) for e in ledger.entries())
        assert ledger.entries()[-1].content["dataset"] == "Bevölkerung"


def _nested() -> dict[str, object]:
    inside: dict[str, object] = {}
    inside["again"] = inside
    return inside


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": {1}}, {"a": b"x"}, {"a": 1, 2: 3}, _nested()])
def test_what_is_no_json_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="plain, finite JSON"):
        canonical(value)


def test_deep_nesting_is_refused() -> None:
    value: dict[str, object] = {}
    for _ in range(100_000):
        value = {"a": value}
    with pytest.raises(ConfigurationError, match="plain, finite JSON"):
        canonical(value)
    while value:  # unwind, so that the interpreter need not recurse to free it
        value = value.pop("a")  # type: ignore[assignment]


def test_an_entry_is_json() -> None:
    with Ledger.in_memory() as ledger:
        genesis = ledger.entries()[0]
        assert json.loads(genesis.body) == genesis.content
        assert genesis.content["ledger"] == ledger.identity
