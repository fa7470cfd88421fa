"""Deterministic mechanism noise for tests. What is drawn with it protects nobody.

A session that draws test noise is tainted: its release can never be certified.
"""

from __future__ import annotations

from dpsynth.mechanisms._keystream import insecure_source as insecure_noise

__all__ = ["insecure_noise"]
