"""What a reader demands: read strictly, and each broken rule is named."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from certified import Release

from dpsynth.verifier import Policy, verify
from dpsynth.verifier.policy import PolicyError, load_policy, read_policy


def broken(release: Release, policy: dict[str, Any], **more: Any) -> list[str]:
    verification = verify(release.folder, trust=[release.public], policy=read_policy(policy), **more)
    return [statement.subject for statement in verification.failed]


@pytest.mark.parametrize(
    ("policy", "rule"),
    [
        ({"max_epsilon": 5.2, "max_delta": 1e-6}, None),
        ({"max_epsilon": 5.1}, "policy: max_epsilon"),
        ({"max_delta": 9.9e-7}, "policy: max_delta"),
        ({"units": [{"relation": "replace_one"}, {"relation": "add_remove", "contributions": 1}]}, None),
        ({"units": [{"relation": "replace_one"}]}, "policy: units"),
        ({"units": [{"id_column": "patient_id"}]}, "policy: units"),
        ({"units": [{"id_column": None}]}, None),
        ({"min_audit": ["end-to-end"]}, None),
        ({"min_audit": ["end-to-end", "sampler"]}, "policy: min_audit"),
        ({"min_audit": []}, None),
        ({"signatures": 1}, None),
        ({"signatures": 2}, "policy: signatures"),
        ({"require_ledger": True}, "policy: require_ledger"),
        ({"require_ledger": False}, None),
        ({}, None),
    ],
)
def test_each_rule_is_kept_or_named(release: Release, policy: dict[str, Any], rule: str | None) -> None:
    assert broken(release, policy) == ([] if rule is None else [rule])


def test_a_ledger_that_is_given_is_enough(release: Release) -> None:
    assert broken(release, {"require_ledger": True}, ledger=release.ledger) == []


@pytest.mark.parametrize(("days", "kept"), [(0, True), (29, True), (31, False), (-3, False)])
def test_age_is_counted_from_the_certificate(release: Release, days: int, kept: bool) -> None:
    issued = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    release.signed(change=lambda statement: statement["predicate"].update(issued=issued))
    assert broken(release, {"max_age_days": 30}) == ([] if kept else ["policy: max_age_days"])


def test_a_day_that_is_none_is_no_age(release: Release) -> None:
    release.signed(change=lambda statement: statement["predicate"].update(issued="2026-02-30T00:00:00Z"))
    assert broken(release, {"max_age_days": 10**6}) == ["policy: max_age_days"]


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"max_epsilom": 1},
        {"max_epsilon": "1"},
        {"max_epsilon": True},
        {"max_epsilon": -1},
        {"max_age_days": 1e300},
        {"units": []},
        {"units": [{}]},
        {"units": [{"contributions": True}]},
        {"units": [{"who": 1}]},
        {"min_audit": "sampler"},
        {"min_audit": ["magic"]},
        {"min_audit": [[]]},
        {"signatures": 1.0},
        {"require_ledger": 1},
    ],
)
def test_another_document_is_refused(document: Any) -> None:
    with pytest.raises(PolicyError):
        read_policy(document)


def test_policies_are_read_from_files(release: Release, tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"max_epsilon": 3, "units": [{"id_column": "a"}]}))
    assert load_policy(path) == Policy(max_epsilon=3.0, units=({"id_column": "a"},))
    for text in ('{"max_epsilon": 1, "max_epsilon": 9}', "{", "\x00"):
        path.write_text(text)
        verification = verify(release.folder, trust=[release.public], policy=path)
        assert [statement.subject for statement in verification.failed] == ["policy"]
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "nothing")
