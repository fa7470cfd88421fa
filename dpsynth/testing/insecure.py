"""Deterministic mechanism noise for tests and audits. What is drawn with it protects nobody.

A session that draws test noise is tainted: its release can never be certified.
"""

from __future__ import annotations

from dpsynth.mechanisms._keystream import WordArray, WordSource, insecure_words, repeatable_words
from dpsynth.mechanisms._keystream import insecure_source as insecure_noise

__all__ = ["WordArray", "WordSource", "insecure_noise", "insecure_words", "repeatable_words"]
