"""A good release passes; whatever is broken in it is named."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from certified import TYPE, Release, digest, make_release, public_file
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dpsynth.verifier import Statement, Verification, read_certificate, verify
from dpsynth.verifier.canonical import canonical
from dpsynth.verifier.envelope import sign, write


def found(release: Release, **more: Any) -> Verification:
    return verify(release.folder, **{"trust": [release.public], "ledger": release.ledger, **more})


def assert_fails(verification: Verification, subject: str, words: str) -> None:
    assert not verification.ok
    told = [f"{s.subject}: {s.words}" for s in verification.failed]
    assert any(line.startswith(subject) and words in line for line in told), told


def test_a_good_release_passes_and_says_what_is_attested(release: Release) -> None:
    verification = found(release)
    assert verification.ok, verification.to_text()
    standings = {statement.subject: statement.standing for statement in verification.statements}
    for subject in (
        "signature",
        "plan",
        "events",
        "claim: epsilon",
        "claim: curve",
        "ledger: draws",
        "data: schema",
    ):
        assert standings[subject] == "recomputed"
    for subject in ("noise", "generator", "environment", "audit: many-runs-gdp/1"):
        assert standings[subject] == "attested"


def test_without_a_ledger_its_word_is_only_attested(release: Release) -> None:
    verification = found(release, ledger=None)
    assert verification.ok
    assert [s.standing for s in verification.statements if s.subject == "ledger"] == ["attested"]


def test_without_a_trusted_key_nothing_passes_unless_asked_for(release: Release) -> None:
    assert_fails(found(release, trust=()), "signature", "no trusted key was given")
    verification = found(release, trust=(), any_key=True)
    assert verification.ok
    assert "nobody is known to have signed" in verification.to_text()


def test_any_key_does_not_excuse_a_trusted_key_that_did_not_sign(release: Release, tmp_path: Path) -> None:
    other = public_file(Ed25519PrivateKey.generate(), tmp_path / "OTHER.pub")
    assert_fails(found(release, trust=[other], any_key=True), "signature", "no trusted key signed")


def test_findings_of_other_programs_count(release: Release) -> None:
    parquet = Statement(subject="data: parquet", standing="failed", words="other rows")
    assert_fails(found(release, more=[parquet]), "data: parquet", "other rows")


def test_the_statement_can_be_read_alone(release: Release) -> None:
    assert read_certificate(release.folder) == release.statement
    release.signed(change=lambda statement: statement.update(more=1))
    with pytest.raises(ValueError, match="another form"):
        read_certificate(release.folder)


# What is wrong with the certificate although it is signed.
def at(*path: Any, value: Any = None, times: float | None = None) -> Callable[[dict[str, Any]], None]:
    """A change of what stands at a path of the predicate: to a value, or times a number."""

    def change(statement: dict[str, Any]) -> None:
        holder = statement["predicate"]
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value if times is None else holder[path[-1]] * times

    return change


def bound_above(statement: dict[str, Any]) -> None:
    statement["predicate"]["audit"][0] |= {"lower_bound": 2.5}


def more_than_claimed(statement: dict[str, Any]) -> None:
    audit = statement["predicate"]["audit"][0]
    audit |= {"lower_bound": 6.0, "ceiling": 8.0, "claim": {"epsilon": 9.0, "delta": 1e-6, "mu": None}}


SIGNED_LIES = [
    (more_than_claimed, "audit", "above the epsilon that is claimed"),
    (at("claim", "epsilon", times=1 - 1e-6), "claim: epsilon", "but the events need 5.14259"),
    (at("claim", "epsilon_at", 1, "epsilon", times=0.999), "claim: epsilon at another delta", "is claimed"),
    (at("claim", "delta", times=0.99), "claim: epsilon", "the events need"),
    (at("claim", "mu", times=0.999999), "claim: mu", "is claimed"),
    (at("claim", "rho", times=0.999999), "claim: rho", "is claimed"),
    (at("claim", "advantage", times=0.999999), "claim: advantage", "is claimed"),
    (at("claim", "curve", 1, "true_positive_rate", times=0.999999), "claim: curve", "rates 0.01"),
    (at("claim", "unit", "words", value="replacing one row"), "claim: unit", "something else than its fields"),
    (at("claim", "unit", "contributions", value=2), "claim: unit", "more than one row"),
    (at("events", 1, "event", "mu", value=0.12), "events", "not those of the plan"),
    (at("events", 0, "times", value=2), "events", "not those of the plan"),
    (at("plan", "events", 1, "event", "mu", value=0.12), "plan", "its digest is not"),
    (at("plan", "digest", value="0" * 64), "plan", "its digest is not"),
    (at("plan", "adaptive", value=True), "plan", "its digest is not"),
    (at("plan", "events", 0, "times", value=2**50), "claim", "are not checked"),
    (at("generator", "method", value="aim"), "plan", "another method"),
    (at("accounting", "accountants", 2, "epsilon", value=6), "accounting", "more than the claim for: dp_accounting"),
    (at("accounting", "accountants", 2, "name", value="dpsynth.verifier"), "accounting", "one accountant twice"),
    (at("accounting", "allowance", value=0.5), "accounting", "an allowance above"),
    (at("sample", "rows", value=4), "data: rows", "not the number of rows"),
    (at("sample", "columns", value=["age"]), "schema", "not those of the sample"),
    (at("public_inputs", "schema", value="0" * 64), "schema", "another schema"),
    (at("audit", 0, "verdict", value="fail"), "audit", "the audit failed"),
    (at("audit", 0, "checks", 0, "passed", value=False), "audit", "a check did not pass"),
    (at("audit", 0, "method", value="aim"), "audit", "another method"),
    (at("audit", 0, "lower_bound_mu", value=0.6), "audit", "above the mu"),
    (at("audit", 0, "ceiling", value=1), "audit", "could detect"),
    (bound_above, "audit", "above the epsilon that was audited"),
    (at("risk", "sentences", 0, value="Somebody who holds it 1:1 that you are in the data can, by seeing the "
        "release, come to at most 2:1, except in a failure of probability at most 1 in 1,000,000."),
     "risk: sentences", "1 of 5 sentences promise more"),
    (at("risk", "sentences", 0, value="Somebody who holds it 1:1 that you are in the data can, by seeing the "
        "release, come to at most 1,000:1, except in a failure of probability at most 1 in 2,000,000."),
     "risk: sentences", "1 of 5 sentences promise more"),
    (at("risk", "sentences", 1, value="An attacker who wrongly accuses 10 in 1,000 people outside the data "
        "recognises at most 1 in 1,000 people inside it."), "risk: sentences", "promise more"),
    (at("risk", "sentences", 1, value="Whoever has to guess whether you are in the data is right 50 times in 100 "
        "without the release, and with it at most 51 times in 100."), "risk: sentences", "promise more"),
    (at("ledger", "ledger", value="another"), "ledger: place", "another ledger"),
    (at("ledger", "account", value="others"), "ledger: account", "another account"),
    (at("ledger", "after", "digest", value="0" * 64), "ledger: place", "that the certificate saw last"),
    (at("ledger", "before", "sequence", value=0), "ledger: place", "not in order"),
    (at("ledger", "before", "digest", value="0" * 64), "ledger: place", "before its run"),
    (at("noise", "seeded", value=True), "certificate: form", "/predicate/noise/seeded"),
    (at("surprise", value=1), "certificate: form", "/predicate/surprise: unknown field"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "subject", "words"), SIGNED_LIES, ids=lambda part: part[:40] if isinstance(part, str) else ""
)
def test_a_signed_lie_is_named(release: Release, change: Any, subject: str, words: str) -> None:
    assert_fails(found(release.signed(change=change)), subject, words)


def test_conservative_claims_pass(release: Release) -> None:
    changed = release.signed(change=at("claim", "epsilon_at", 0, "epsilon", times=1.5))
    assert found(changed).ok


# What is wrong with the files.
def test_a_changed_cell_is_named(release: Release) -> None:
    path = release.folder / "data.csv"
    path.write_text(path.read_text().replace("P01,20", "P01,22"))
    assert_fails(found(release), "file: data.csv", "its digest is not the one that was signed")


def test_missing_and_extra_files_are_named(release: Release) -> None:
    (release.folder / "data.parquet").unlink()
    (release.folder / "KEY.pub").write_text("x")
    verification = found(release)
    assert_fails(verification, "file: data.parquet", "is missing")
    assert_fails(verification, "files", "does not name: 'KEY.pub'")


@pytest.mark.parametrize("name", ["data.parquet", "data.csv", "schema.json"])
def test_links_folders_and_pipes_are_no_files(release: Release, tmp_path: Path, name: str) -> None:
    data = release.folder / name
    shutil.copy(data, tmp_path / "elsewhere")
    data.unlink()
    data.symlink_to(tmp_path / "elsewhere")
    assert_fails(found(release), f"file: {name}", "is a link")
    data.unlink()
    data.mkdir()
    assert_fails(found(release), f"file: {name}", "no plain file")
    data.rmdir()
    os.mkfifo(data)
    assert_fails(found(release), f"file: {name}", "no plain file")


@pytest.mark.parametrize("name", ["../KEY.pub", "/etc/hostname", ".hidden", "a/b", "", "data\n"])
def test_a_name_stays_in_the_folder(release: Release, name: str) -> None:
    def change(statement: dict[str, Any]) -> None:
        statement["subject"].append({"name": name, "digest": {"sha256": digest(release.public)}})

    assert_fails(found(release.signed(change=change)), "certificate: form", "/subject/3/name")


@pytest.mark.parametrize("name", ["data.csv", "DATA.csv", "certificate.dsse.json"])
def test_a_file_is_named_once_and_the_certificate_never(release: Release, name: str) -> None:
    def change(statement: dict[str, Any]) -> None:
        statement["subject"].append({"name": name, "digest": {"sha256": "0" * 64}})

    assert_fails(found(release.signed(change=change)), "files", "a file twice, or itself")


def test_data_and_schema_are_needed(release: Release) -> None:
    def change(statement: dict[str, Any]) -> None:
        del statement["subject"][2], statement["subject"][0]

    verification = found(release.signed(change=change))
    assert_fails(verification, "files", "names no schema.json")
    assert_fails(verification, "files", "names no data.parquet")


# What is wrong with the envelope.
def test_a_swapped_key_is_named(release: Release) -> None:
    release.signed(Ed25519PrivateKey.generate())
    assert_fails(found(release), "signature", "no trusted key signed")


def test_a_forged_signature_is_named(release: Release) -> None:
    path = release.folder / "certificate.dsse.json"
    envelope = json.loads(path.read_text())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    statement["predicate"]["title"] = "Other people"
    envelope["payload"] = base64.b64encode(canonical(statement)).decode()
    path.write_bytes(write(envelope))
    assert_fails(found(release), "signature", "did not sign this")


def test_two_signatures_may_be_demanded(release: Release, tmp_path: Path) -> None:
    second = Ed25519PrivateKey.generate()
    both = [release.public, public_file(second, tmp_path / "SECOND.pub")]
    policy = tmp_path / "policy.json"
    policy.write_text('{"signatures": 2}')
    assert_fails(found(release, trust=both, policy=policy), "policy: signatures", "signed by 2 trusted keys")
    twice = release.signed(release.key, second)
    assert found(twice, trust=both, policy=policy).ok
    assert_fails(found(twice, policy=policy), "policy: signatures", "signed by 2 trusted keys")
    assert "not checked, for keys that you do not trust" in found(twice).to_text()
    assert_fails(
        found(twice, trust=[release.public] * 2, policy=policy), "policy: signatures", "2 trusted keys"
    )


def test_another_payload_type_is_refused(release: Release) -> None:
    envelope = sign(canonical(release.statement), "text/plain", [release.key])
    (release.folder / "certificate.dsse.json").write_bytes(write(envelope))
    assert_fails(found(release), "signature", "something else than application/vnd.in-toto")


@pytest.mark.parametrize(
    "spelling", [lambda s: json.dumps(s, indent=1), lambda s: canonical(s).decode() + "\n"]
)
def test_a_payload_that_is_not_canonical_is_refused(release: Release, spelling: Any) -> None:
    envelope = sign(spelling(release.statement).encode(), TYPE, [release.key])
    (release.folder / "certificate.dsse.json").write_bytes(write(envelope))
    assert_fails(found(release), "certificate: form", "not canonical JSON")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff", b"[" * 10**5, b'{"payload":"","payload":""}', b"1e999"]
)
def test_a_broken_envelope_is_a_finding(release: Release, data: bytes) -> None:
    (release.folder / "certificate.dsse.json").write_bytes(data)
    assert_fails(found(release), "signature", "")


def test_a_folder_that_is_none_is_a_finding(release: Release, tmp_path: Path) -> None:
    assert_fails(found(release, trust=()), "signature", "no trusted key")
    assert_fails(verify(tmp_path / "nowhere"), "signature", "is missing")
    assert_fails(verify(release.public), "signature", "cannot be read")
    assert_fails(found(release, trust=[tmp_path / "nokey"]), "signature", "cannot be read")


def test_findings_are_safe_for_a_terminal(release: Release) -> None:
    verification = found(release.signed(change=at("environment", "dpsynth", value="\x1b[2Jx" + "y" * 3000)))
    assert "\x1b" not in verification.to_text()
    assert max(map(len, verification.to_text().splitlines())) < 1100
    assert json.loads(verification.dumps())["kind"] == "dpsynth-verification/1"


def test_no_finding_is_no_verification() -> None:
    assert not Verification(statements=()).ok


def test_two_releases_have_nothing_in_common(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = make_release(tmp_path / "a"), make_release(tmp_path / "b")
    assert_fails(found(first, ledger=second.ledger), "ledger: place", "another ledger")
    assert_fails(found(first, trust=[second.public]), "signature", "no trusted key signed")
