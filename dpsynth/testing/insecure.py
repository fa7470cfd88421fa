"""Deterministic mechanism noise for tests and audits. What is drawn with it protects nobody.

A session that draws test noise is tainted: its release can never be certified. Seeds are known here only: no
signature of a mechanism takes one (pitfall P22).
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager

from dpsynth import _validate
from dpsynth.mechanisms._keystream import KeyStream, WordArray, WordSource, insecure_words

__all__ = ["WordArray", "WordSource", "insecure_noise", "insecure_words", "repeatable_words"]


def insecure_noise(seed: int) -> AbstractContextManager[None]:
    """Draw deterministic words inside the block, see `repeatable_words`.

    The effect is confined to the current context: other threads keep their secure streams.
    """
    return insecure_words(repeatable_words(seed))


def repeatable_words(seed: int) -> WordSource:
    """Words that follow from `seed`."""
    _validate.count("seed", seed, least=0)
    blocks = iter(range(2**63))

    def entropy(count: int) -> bytes:
        return hashlib.shake_256(f"dpsynth insecure {seed} {next(blocks)}".encode()).digest(count)

    return KeyStream(entropy)
