"""Audits that can fail: does the code keep the promise that it prices? Evidence for certificates."""

from __future__ import annotations

from dpsynth.auditing.discovery import audit_discovery
from dpsynth.auditing.evidence import Check, Claim, Evidence, configuration_digest
from dpsynth.auditing.structural import audit_structure

__all__ = ["Check", "Claim", "Evidence", "audit_discovery", "audit_structure", "configuration_digest"]
