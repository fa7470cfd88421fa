"""An export is checked without a database, and no byte of it changes unseen."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpsynth.bookkeeping import Export, read_lines, verify_lines, write_lines
from dpsynth.errors import LedgerCorruptError, LedgerError
from dpsynth.ledger import Cap, Ledger, Spend
from dpsynth.ledger.chain import BEFORE_FIRST, link

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "ledger.md"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("export") / "ledger.jsonl"
    with Ledger.in_memory() as ledger:
        account = ledger.account("Bevölkerung", "one row", cap=Cap(epsilon=2.0, delta=1e-6))
        ledger.divide(account, by="hospital", parts=["north", "south"])
        for part in (None, "north"):
            of = ledger.account("Bevölkerung", "one row", partition=part)
            run = ledger.reserve(of, Spend(epsilon=0.5), method="mst", plan_digest="abc")
            ledger.draw(run, {"type": "gaussian/1", "mu": 0.25})
            ledger.commit(run)
        ledger.record_elsewhere(account, Spend(epsilon=0.1), source="OpenDP", reason="2024")
        assert write_lines(ledger, place) == 11
    return place


def test_an_export_is_read_verified_and_restored(path: Path, tmp_path: Path) -> None:
    export = read_lines(path)
    assert verify_lines(export).ok
    with Ledger.restore(tmp_path / "l.db", export.entries) as ledger:
        assert ledger.identity == export.ledger
        assert ledger.head().digest == export.digest
        write_lines(ledger, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == path.read_bytes()


def test_a_file_that_is_there_is_not_overwritten(path: Path) -> None:
    before = path.read_bytes()
    with Ledger.in_memory() as ledger, pytest.raises(LedgerError, match="does not exist yet"):
        write_lines(ledger, path)
    assert path.read_bytes() == before
    with pytest.raises(LedgerError, match="cannot be read"):
        read_lines(path.with_name("nothing"))


def test_the_program_on_the_page_recomputes_the_chain(path: Path, tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(import hashlib.*?)```", PAGE.read_text(), flags=re.DOTALL)
    (tmp_path / "check.py").write_text(program)
    command = [sys.executable, "-I", "-S", str(tmp_path / "check.py")]
    good = subprocess.run([*command, path], capture_output=True, text=True, check=True)
    assert good.stdout == f"sound: 11 entries, the last is {read_lines(path).digest}\n"
    (tmp_path / "bad.jsonl").write_bytes(path.read_bytes().replace(b"500000000", b"400000000", 1))
    assert (
        subprocess.run([*command, tmp_path / "bad.jsonl"], capture_output=True, check=False).returncode == 1
    )


def outcome(text: bytes, place: Path) -> Export | None:
    """The export if everything is accepted; None if it is refused in the way that is promised."""
    place.write_bytes(text)
    try:
        export = read_lines(place)
    except LedgerCorruptError:
        return None
    return export if verify_lines(export).ok else None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_edits_are_never_accepted(path: Path, tmp_path: Path, data: st.DataObject) -> None:
    text, place = bytearray(path.read_bytes()), tmp_path / "edited.jsonl"
    original = bytes(text)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 40))
        text[start : start + length] = data.draw(st.binary(max_size=20))
    assert outcome(bytes(text), place) is None or bytes(text) == original


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_moved_lines_and_changed_values_are_never_accepted(
    path: Path, tmp_path: Path, data: st.DataObject
) -> None:
    lines = path.read_bytes().splitlines()
    place = data.draw(st.integers(0, len(lines) - 1))
    if data.draw(st.booleans()):
        lines.insert(data.draw(st.integers(0, len(lines))), lines[place])
    else:
        content = json.loads(lines[place])
        name = data.draw(st.sampled_from(sorted(content)))
        value = data.draw(st.none() | st.integers() | st.text() | st.booleans() | st.lists(st.none()))
        if value == content[name] and type(value) is type(content[name]):
            return
        content[name] = value
        lines[place] = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    assert outcome(b"\n".join(lines) + b"\n", tmp_path / "edited.jsonl") is None


def test_lines_that_are_no_entries_are_refused(path: Path, tmp_path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    for wrong in (b"7\n", b"{}\n", lines[0], b'{"a": 1}\n', lines[1].replace(b'"seq":0', b'"seq":true')):
        assert outcome(b"".join([lines[0], wrong, *lines[2:]]), tmp_path / "edited.jsonl") is None
    for wrong in (b"".join(lines[:-1]), b"".join(lines[1:]), lines[0], lines[0].replace(b"/1", b"/2")):
        assert outcome(wrong, tmp_path / "edited.jsonl") is None


@given(text=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(text: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert outcome(text, tmp_path_factory.getbasetemp() / "any.jsonl") is None


@pytest.mark.parametrize("body", ["[" * 100_000, "{", '{"kind":"genesis"}', "\\ud800"])
def test_a_well_linked_body_of_nonsense_is_refused(body: str, tmp_path: Path) -> None:
    entry = link(BEFORE_FIRST, body)
    found = verify_lines(Export(ledger="x", entries=(entry,), digest=entry.digest))
    assert (found.ok, found.first_bad_seq) == (False, 0)


def test_a_first_line_of_another_ledger_is_found(path: Path) -> None:
    export = read_lines(path)
    for wrong in ({"ledger": "x"}, {"digest": "0" * 64}):
        words = {"ledger": export.ledger, "entries": export.entries, "digest": export.digest} | wrong
        found = verify_lines(Export(**words))
        assert not found.ok
        assert "first line" in found.reason
