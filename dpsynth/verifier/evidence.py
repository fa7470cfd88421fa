"""Audit evidence, scores and the rest of a certificate: consistent where that can be seen, else attested."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from .canonical import canonical
from .verdict import Statement, attested, failed

__all__ = ["check_evidence", "check_rest"]

Json: TypeAlias = "Mapping[str, Any]"


def check_evidence(certificate: Json) -> Iterator[Statement]:
    """One statement for each piece of audit evidence, or one that says that there is none."""
    for evidence in certificate["audit"]:
        subject = f"audit: {evidence['audit']}"
        problem = _contradiction(certificate, evidence)
        if problem:
            yield failed(subject, problem)
        else:
            yield attested(subject, _summary(evidence, own=_is_own(certificate, evidence)))
    if not certificate["audit"]:
        yield attested("audit", "the certificate carries no audit evidence")


def _contradiction(certificate: Json, evidence: Json) -> str:
    """What speaks against the evidence; empty if nothing does."""
    claim, whole = evidence["claim"], certificate["claim"]
    bound, bound_mu = evidence["lower_bound"] or 0.0, evidence["lower_bound_mu"] or 0.0
    same = _is_own(certificate, evidence) and claim["delta"] == whole["delta"]
    doubts = {
        "the evidence is for another method than the generator": (
            evidence["method"] != certificate["generator"]["method"]
        ),
        "the audit failed": evidence["verdict"] != "pass",
        "the verdict is pass although a check did not pass": not all(c["passed"] for c in evidence["checks"]),
        "its lower bound is above the epsilon that was audited": bound > claim["epsilon"],
        "its lower bound is above the mu that was audited": claim["mu"] is not None
        and bound_mu > claim["mu"],
        "its lower bound is above what it says that it could detect": any(
            evidence[ceiling] is not None and (evidence[low] or 0.0) > evidence[ceiling]
            for low, ceiling in (("lower_bound", "ceiling"), ("lower_bound_mu", "ceiling_mu"))
        ),
        "its lower bound is above the epsilon that is claimed": same and bound > whole["epsilon"],
    }
    return next((words for words, holds in doubts.items() if holds), "")


def _is_own(certificate: Json, evidence: Json) -> bool:
    configuration = canonical(certificate["generator"]["configuration"])
    return bool(hashlib.sha256(configuration).hexdigest() == evidence["configuration"])


def _summary(evidence: Json, *, own: bool) -> str:
    claim, bound = evidence["claim"], evidence["lower_bound"]
    found = "no lower bound" if bound is None else f"a lower bound of {bound:.4g}"
    ceiling = "" if evidence["ceiling"] is None else f" (it could show at most {evidence['ceiling']:.4g})"
    whose = "the configuration of this release" if own else "another configuration of the method"
    return (
        f"passed, {evidence['level']} level, {whose}, {evidence['runs']} runs: {found}{ceiling} on a claimed "
        f"epsilon of {claim['epsilon']:.4g}; consistent, not repeated here"
    )


def check_rest(certificate: Json) -> Iterator[Statement]:
    """What only the signer can know."""
    noise, made = certificate["noise"], certificate["environment"]
    yield attested("noise", f"drawn exactly, without a seed: {noise['primitive']}, from {noise['source']}")
    yield attested(
        "generator", f"{certificate['generator']['method']}, chosen: {certificate['generator']['chosen']}"
    )
    origins = [column["origin"] for column in certificate["public_inputs"]["origins"]]
    yield attested(
        "public inputs",
        f"{origins.count('declared')} columns declared, {origins.count('dp')} bought from the budget",
    )
    spent = [score for score in certificate["scores"] if score["disclosure"] == "dp"]
    if certificate["scores"]:
        yield attested(
            "scores",
            f"{len(certificate['scores'])} are stated; {len(spent)} of them spent budget of their own",
        )
    rows = certificate["sample"]["rows_from"]
    yield attested(
        "sample", f"the number of rows was {'asked for' if rows == 'asked' else 'a private estimate'}"
    )
    yield attested("environment", f"dpsynth {made['dpsynth']} on Python {made['python']}")
    yield attested(
        "exclusions", f"{len(certificate['exclusions'])} limits of the promise are listed: read them"
    )
