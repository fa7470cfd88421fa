"""Audits that can fail: does the code keep the promise that it prices? Evidence for certificates."""

from __future__ import annotations

from dpsynth.auditing.canaries import audit_canaries
from dpsynth.auditing.discovery import audit_discovery
from dpsynth.auditing.end_to_end import audit_runs
from dpsynth.auditing.evidence import Check, Claim, Evidence, configuration_digest
from dpsynth.auditing.sampler import audit_sampler
from dpsynth.auditing.structural import audit_structure

__all__ = [
    "Check",
    "Claim",
    "Evidence",
    "audit_canaries",
    "audit_discovery",
    "audit_runs",
    "audit_sampler",
    "audit_structure",
    "configuration_digest",
]
