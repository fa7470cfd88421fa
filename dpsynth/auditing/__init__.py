"""Audits that can fail: does the code keep the promise that it prices? Evidence for certificates."""

from __future__ import annotations

from dpsynth.auditing.evidence import Check, Claim, Evidence, configuration_digest

__all__ = ["Check", "Claim", "Evidence", "configuration_digest"]
