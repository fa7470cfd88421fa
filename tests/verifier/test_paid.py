"""The ledger of a release: read from both of its forms, and every way in which it may not have paid."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from certified import Release

from dpsynth.ledger import Cap, Ledger, Spend
from dpsynth.verifier import Verification, verify
from dpsynth.verifier.book import LedgerError, read

Bodies = list[dict[str, Any]]


def found(release: Release, ledger: Path) -> Verification:
    return verify(release.folder, trust=[release.public], ledger=ledger)


def assert_fails(verification: Verification, subject: str, words: str) -> None:
    told = [f"{s.subject}: {s.words}" for s in verification.failed]
    assert any(line.startswith(subject) and words in line for line in told), told


def bodies_of(path: Path) -> Bodies:
    with Ledger.open(path, create=False) as ledger:
        return [entry.content for entry in ledger.entries()]


def write_lines(path: Path, bodies: Bodies, *, head: bool = False) -> list[dict[str, Any]]:
    """A ledger in lines whose chain is sound, whatever the bodies say."""
    lines: list[dict[str, Any]] = []
    before = "0" * 64
    for seq, content in enumerate(bodies):
        body = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(f"{seq}\n{before}\n{body}".encode()).hexdigest()
        lines.append({"seq": seq, "prev": before, "body": body, "digest": digest})
        before = digest
    first = {
        "format": "dpsynth-ledger-lines/1",
        "ledger": bodies[0]["ledger"],
        "entries": len(lines),
        "digest": before,
    }
    text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in ([first] if head else []) + lines)
    path.write_text(text)
    return lines


def rewritten(release: Release, path: Path, change: Callable[[Bodies], object]) -> Release:
    """A ledger with other entries, and a certificate that was signed for it."""
    bodies = bodies_of(release.ledger)
    change(bodies)
    for _ in range(3):  # digests name the account and the reservation in later entries
        old = [line["digest"] for line in write_lines(path, bodies)]
        for seq, content in enumerate(bodies):
            if content["kind"] == "reserve":
                content["account"] = old[1]
            if content.get("reservation", "?") != "?":
                content["reservation"] = old[RUN if seq > RUN else 2]
    lines = write_lines(path, bodies)

    def certify(statement: dict[str, Any]) -> None:
        place = statement["predicate"]["ledger"]
        for name, seq in (("before", RUN - 1), ("reserved", RUN), ("after", len(lines) - 1)):
            place[name] = {"sequence": seq, "digest": lines[seq]["digest"]}

    return release.signed(change=certify)


RUN = 4  # genesis, account, an earlier reservation and its release, then this run


def test_both_forms_are_read(release: Release, tmp_path: Path) -> None:
    for head in (True, False):
        path = tmp_path / f"lines-{head}"
        write_lines(path, bodies_of(release.ledger), head=head)
        assert [e.digest for e in read(path)] == [e.digest for e in read(release.ledger)]
        assert found(release, path).ok


def test_a_ledger_that_went_on_still_proves_the_run(release: Release) -> None:
    with Ledger.open(release.ledger) as ledger:
        account = ledger.account("people", "adding or removing one row")
        ledger.reserve(account, Spend(epsilon=0.1), method="mst", plan_digest="y")
        ledger.set_cap(account, Cap(epsilon=1.0), reason="enough")
    assert found(release, release.ledger).ok


def test_a_ledger_in_use_is_read_with_its_log(release: Release) -> None:
    with Ledger.open(release.ledger) as ledger:
        account = ledger.account("others", "adding or removing one row")
        ledger.reserve(account, Spend(epsilon=0.1), method="mst", plan_digest="y")
        assert len(read(release.ledger)) == len(ledger.entries())


def test_an_older_copy_is_named(release: Release, tmp_path: Path) -> None:
    bodies = bodies_of(release.ledger)
    write_lines(tmp_path / "older", bodies[:-1])
    assert_fails(found(release, tmp_path / "older"), "ledger: place", "cut off or is an older copy")
    older = tmp_path / "older.db"
    shutil.copy(release.ledger, older)
    with closing(sqlite3.connect(older)) as file:
        file.execute("DROP TRIGGER entries_no_delete")
        file.execute("DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)")
        file.commit()
    assert_fails(found(release, older), "ledger: place", "cut off or is an older copy")


def test_two_copies_that_went_on_apart_are_told_apart(release: Release, tmp_path: Path) -> None:
    bodies = bodies_of(release.ledger)
    other = {**bodies[-1], "time": "2026-01-01T00:00:00+00:00"}
    write_lines(tmp_path / "other", [*bodies[:-1], other])
    assert_fails(found(release, tmp_path / "other"), "ledger: place", "saw last: it was rewritten")


def test_a_changed_entry_breaks_the_chain(release: Release, tmp_path: Path) -> None:
    path = tmp_path / "lines"
    write_lines(path, bodies_of(release.ledger))
    path.write_text(path.read_text().replace('\\"mu\\":0.125', '\\"mu\\":0.124', 1))
    assert_fails(found(release, path), "ledger: chain", "broken at entry 6")


def drop_draw(bodies: Bodies) -> None:
    del bodies[RUN + 1]


def swap_draws(bodies: Bodies) -> None:
    bodies[RUN + 1], bodies[RUN + 2] = bodies[RUN + 2], bodies[RUN + 1]


def cheap(bodies: Bodies) -> None:
    bodies[RUN]["spend"]["epsilon"] = 10**9


def no_delta(bodies: Bodies) -> None:
    bodies[RUN]["spend"]["delta"] = 10**11


def no_rho(bodies: Bodies) -> None:
    bodies[RUN]["spend"]["rho"] = 10**10


@pytest.mark.parametrize(
    ("change", "subject", "words"),
    [
        (drop_draw, "ledger: draws", "other draws"),
        (swap_draws, "ledger: draws", "other draws"),
        (lambda b: b[RUN + 1]["event"].update(mu=0.24), "ledger: draws", "other draws"),
        (lambda b: b.pop(), "ledger: draws", "its reservation is reserved"),
        (cheap, "ledger: reservation", "less than the claim: epsilon"),
        (no_delta, "ledger: reservation", "less than the claim: delta"),
        (no_rho, "ledger: reservation", "less than the claim: rho"),
        (lambda b: b[RUN].update(plan="x"), "ledger: reservation", "another plan or method"),
        (lambda b: b[RUN].update(method="aim"), "ledger: reservation", "another plan or method"),
        (lambda b: b[1].update(dataset="others"), "ledger: account", "another account"),
        (lambda b: b[1].update(unit="replacing one row"), "ledger: account", "another unit"),
        (lambda b: b[1]["cap"].update(epsilon=10**9), "ledger: account", "more than its cap"),
        (lambda b: b[1]["cap"].update(delta=10), "ledger: account", "more than its cap"),
        (
            lambda b: b[1].update(cap=None, rule="magic"),
            "ledger: chain",
            "Entry 1 of the ledger cannot stand",
        ),
        (lambda b: b[RUN + 1].update(kind="gift"), "ledger: chain", "of a kind that this program does not"),
        (lambda b: b[RUN + 1].update(kind=3), "ledger: chain", "says not of which kind"),
        (lambda b: b[RUN + 1].update(reservation="?"), "ledger: chain", "cannot stand there"),
        (lambda b: b[RUN]["spend"].update(epsilon=-1), "ledger: chain", "cannot stand there"),
        (lambda b: b[0].update(format="other/1"), "ledger: chain", "Entry 0"),
        (lambda b: b.append({**b[-1]}), "ledger: chain", "cannot stand there"),
    ],
)
def test_a_ledger_that_did_not_pay_is_named(
    release: Release, tmp_path: Path, change: Callable[[Bodies], object], subject: str, words: str
) -> None:
    changed = rewritten(release, tmp_path / "lines", change)
    assert_fails(found(changed, tmp_path / "lines"), subject, words)


def test_the_rewriting_of_the_tests_alone_breaks_nothing(release: Release, tmp_path: Path) -> None:
    assert found(rewritten(release, tmp_path / "lines", lambda _: None), tmp_path / "lines").ok


def test_a_run_that_was_released_did_not_pay(release: Release, tmp_path: Path) -> None:
    def change(bodies: Bodies) -> None:
        bodies[RUN + 1 :] = [{"kind": "release", "time": bodies[-1]["time"], "reservation": ""}]

    changed = rewritten(release, tmp_path / "lines", change)
    assert_fails(found(changed, tmp_path / "lines"), "ledger: draws", "its reservation is released")


def test_a_run_that_ended_after_what_the_certificate_saw_is_named(release: Release) -> None:
    def change(statement: dict[str, Any]) -> None:
        entry = read(release.ledger)[-2]
        statement["predicate"]["ledger"]["after"] = {"sequence": entry.seq, "digest": entry.digest}

    assert_fails(
        found(release.signed(change=change), release.ledger), "ledger: draws", "only after the entry"
    )


def test_an_entry_that_reserves_nothing_is_no_reservation(release: Release) -> None:
    def change(statement: dict[str, Any]) -> None:
        entries = read(release.ledger)
        for name, seq in (("before", RUN), ("reserved", RUN + 1)):
            statement["predicate"]["ledger"][name] = {"sequence": seq, "digest": entries[seq].digest}

    assert_fails(found(release.signed(change=change), release.ledger), "ledger: place", "no reservation")


def sqlite_file(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as file:
        for statement in statements:
            file.execute(statement)
        file.commit()
    return path


def test_other_files_are_refused_in_words(release: Release, tmp_path: Path) -> None:
    view = sqlite_file(
        tmp_path / "view.db", "CREATE VIEW entries AS SELECT 0 seq, '' prev, '' body, '' digest"
    )
    empty = tmp_path / "empty"
    empty.write_text("")
    cut = tmp_path / "cut"
    write_lines(cut, bodies_of(release.ledger), head=True)
    lines = cut.read_text().splitlines(keepends=True)
    torn = tmp_path / "torn"
    torn.write_text("".join(lines)[:-5])
    cut.write_text("".join(lines[:-1]))
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(release.ledger.read_bytes()[:600])
    cases = {
        view: "other tables",
        empty: "its end is missing|no entry",
        cut: "what its first line says",
        torn: "its end is missing",
        damaged: "no sound SQLite|other tables",
        tmp_path / "nothing": "cannot be read",
        tmp_path: "cannot be read",
    }
    for path, words in cases.items():
        with pytest.raises(LedgerError, match=words):
            read(path)
    for text in (
        "[1]\n",
        '{"seq":0}\n',
        "{\n",
        '{"format":"other"}\n',
        '{"seq":true,"prev":"","body":"","digest":""}\n',
    ):
        empty.write_text(text)
        with pytest.raises(LedgerError):
            read(empty)


def test_a_ledger_in_a_folder_that_cannot_be_written_is_read(release: Release, tmp_path: Path) -> None:
    place = tmp_path / "fixed"
    place.mkdir()
    shutil.copy(release.ledger, place / "ledger.db")
    (place / "ledger.db").chmod(0o444)
    place.chmod(0o555)
    try:
        assert found(release, place / "ledger.db").ok
    finally:
        place.chmod(0o755)


def test_reading_leaves_the_ledger_as_it_was(release: Release) -> None:
    before = release.ledger.read_bytes()
    assert found(release, release.ledger).ok
    assert release.ledger.read_bytes() == before
