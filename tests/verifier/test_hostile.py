"""Whatever stands in the folder, the verifier answers with findings, and a changed release never passes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from certified import Release, make_release
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpsynth.verifier import verify
from dpsynth.verifier.book import LedgerError, read
from dpsynth.verifier.canonical import JsonError, canonical

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
LARGE = st.sampled_from(
    [0, 1, -1, 2**53 - 1, 1e308, 5e-324, 1e-300, 1e150, "", "\ud800", "\x00", [], {}, [[]], None]
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return make_release(tmp_path_factory.mktemp("release"))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        found += places(item, (*path, key))
    return found


@QUICK
@given(data=st.data())
def test_signed_mutations_are_judged_and_never_crash(shared: Release, data: st.DataObject) -> None:
    statement = copy.deepcopy(shared.statement)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(statement)))
        holder: Any = statement
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = data.draw(LARGE | JSON)
    try:
        canonical(statement)
    except JsonError:
        return
    shared.signed(change=lambda made: (made.clear(), made.update(statement)))
    verification = verify(shared.folder, trust=[shared.public], ledger=shared.ledger)
    assert verification.statements
    assert "could not be checked" not in verification.to_text()
    json.loads(verification.dumps())


@QUICK
@given(data=st.data())
def test_unsigned_changes_of_any_file_never_pass(shared: Release, data: st.DataObject) -> None:
    shared.signed()
    path = data.draw(st.sampled_from(sorted(shared.folder.iterdir())))
    before = path.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    cut = data.draw(st.integers(0, 3))
    after = before[:place] + data.draw(st.binary(max_size=3)) + before[place + cut :]
    path.write_bytes(after)
    try:
        verification = verify(shared.folder, trust=[shared.public], ledger=shared.ledger)
        envelope = path.name == "certificate.dsse.json"
        assert verification.ok is (after == before or (envelope and same_envelope(before, after)))
    finally:
        path.write_bytes(before)


def same_envelope(before: bytes, after: bytes) -> bool:
    """Whether only blanks differ."""
    try:
        return bool(json.loads(before) == json.loads(after))
    except ValueError:
        return False


@QUICK
@given(
    name=st.sampled_from(["certificate.dsse.json", "schema.json", "data.csv"]),
    content=st.binary(max_size=200),
)
def test_any_bytes_in_any_file_are_a_finding(shared: Release, name: str, content: bytes) -> None:
    before = (shared.folder / name).read_bytes()
    (shared.folder / name).write_bytes(content)
    try:
        assert not verify(shared.folder, trust=[shared.public]).ok
    finally:
        (shared.folder / name).write_bytes(before)


@QUICK
@given(document=JSON | st.builds(lambda fields, own: {"fields": fields, "dpsynth": own}, JSON, JSON))
def test_any_signed_schema_is_a_finding(shared: Release, document: Any) -> None:
    before = (shared.folder / "schema.json").read_text()
    try:
        shared.rewritten("schema.json", json.dumps(document))
        assert not verify(shared.folder, trust=[shared.public]).ok
    finally:
        shared.rewritten("schema.json", before)


@QUICK
@given(data=st.data())
def test_signed_mutations_of_the_schema_never_crash(shared: Release, data: st.DataObject) -> None:
    before = (shared.folder / "schema.json").read_text()
    document = json.loads(before)
    path = data.draw(st.sampled_from(places(document)))
    holder: Any = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = data.draw(LARGE | JSON)
    try:
        shared.rewritten("schema.json", json.dumps(document))
        verification = verify(shared.folder, trust=[shared.public])
        assert verification.statements
    finally:
        shared.rewritten("schema.json", before)


@QUICK
@given(rows=st.lists(st.lists(st.text(max_size=6), max_size=8), max_size=4))
def test_any_signed_rows_are_judged(shared: Release, rows: list[list[str]]) -> None:
    before = (shared.folder / "data.csv").read_text()
    text = before + "\n".join(",".join(row) for row in rows)
    try:
        shared.rewritten("data.csv", text.encode("utf-8", "replace").decode())
        verification = verify(shared.folder, trust=[shared.public])
        assert verification.ok is (text == before)  # every line more is a row more
    finally:
        shared.rewritten("data.csv", before)


@QUICK
@given(place=st.integers(0, 20_000), content=st.binary(min_size=1, max_size=4))
def test_a_damaged_ledger_is_refused_or_still_sound(
    shared: Release, tmp_path: Path, place: int, content: bytes
) -> None:
    data = bytearray(shared.ledger.read_bytes())
    data[place : place + len(content)] = content
    path = tmp_path / "ledger.db"
    path.write_bytes(data)
    try:
        entries = read(path)
    except LedgerError:
        return
    assert [entry.digest for entry in entries] == [entry.digest for entry in read(shared.ledger)][
        : len(entries)
    ]


@QUICK
@given(content=st.binary(max_size=80))
def test_any_bytes_are_a_ledger_or_refused(tmp_path: Path, content: bytes) -> None:
    for start in (b"", b"SQLite format 3\0"):
        (tmp_path / "ledger").write_bytes(start + content)
        with pytest.raises(LedgerError):
            read(tmp_path / "ledger")
