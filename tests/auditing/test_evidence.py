"""Evidence is read back strictly, and says what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dpsynth.auditing.evidence import Check, Claim, Evidence, configuration_digest
from dpsynth.errors import StorageError
from dpsynth.generators.aim import AIM
from dpsynth.generators.independent import Independent
from dpsynth.generators.mst import MST

GOOD = Check(name="noise", passed=True, detail="enough")
BAD = Check(name="order", passed=False, detail="late")


def evidence(**more: Any) -> Evidence:
    plain: dict[str, Any] = {
        "audit": "many-runs-gdp/1",
        "level": "end-to-end",
        "method": "mst",
        "configuration": "ab" * 32,
        "threat_model": "somebody looks",
        "claim": Claim(epsilon=1.0, delta=1e-6, mu=0.3),
        "runs": 400,
        "checks": (GOOD,),
        "lower_bound": 0.2,
        "lower_bound_mu": 0.1,
        "ceiling": 3.0,
        "ceiling_mu": 1.0,
    }
    return Evidence(**(plain | more))


def test_evidence_survives_json() -> None:
    for one in (evidence(), evidence(checks=(GOOD, BAD), lower_bound=None, ceiling=None)):
        assert Evidence.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_one_broken_check_fails_the_whole() -> None:
    assert (evidence().verdict, evidence(checks=(GOOD, BAD)).verdict) == ("pass", "fail")
    assert evidence(checks=(GOOD, BAD)).failed == (BAD,)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other/1"},
        {"verdict": "fail"},
        {"more": 1},
        {"claim": {"epsilon": 1.0}},
        {"claim": {"epsilon": -1.0, "delta": 0.0, "mu": None}},
        {"checks": []},
        {"checks": [{"name": "a", "passed": "yes", "detail": ""}]},
        {"checks": [{"name": "", "passed": True, "detail": ""}]},
        {"checks": [{"name": 1, "passed": True, "detail": ""}]},
        {"runs": 0},
        {"level": "structural"},
        {"audit": "mine/1"},
        {"method": ""},
        {"lower_bound": float("nan")},
        {"confidence": 1.0},
    ],
    ids=str,
)
def test_foreign_evidence_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(StorageError):
        Evidence.from_json(evidence().to_json() | change)


def test_a_missing_field_is_refused() -> None:
    body = evidence().to_json()
    del body["ceiling"]
    with pytest.raises(StorageError, match="lacks a field"):
        Evidence.from_json(body)
    with pytest.raises(StorageError, match="kind"):
        Evidence.from_json([])  # type: ignore[arg-type]


def test_words_tell_bounds_ceilings_and_what_is_broken() -> None:
    words = evidence(checks=(GOOD, BAD)).in_words()
    for part in ("FAIL", "at least 0.2", "up to 3", "mu is at least 0.1", "order: late", "somebody looks"):
        assert part in words
    assert "at least" not in evidence(lower_bound=None, lower_bound_mu=None).in_words()


def test_a_digest_is_that_of_the_configuration() -> None:
    assert configuration_digest(MST()) == configuration_digest(MST(one_way_share=0.35))
    others = [MST(), MST(select_share=0.06), Independent(), AIM(), AIM(workload={("a", "b"): 2.0})]
    assert len({configuration_digest(other) for other in others}) == len(others)
