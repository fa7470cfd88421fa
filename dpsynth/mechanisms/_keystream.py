"""Random words for mechanism noise: operating-system entropy, stretched by AES-256 in counter mode.

There is no seed (pitfall P22). Each thread has its own stream with its own key. A key serves at most
2^20 blocks, which keeps the advantage of telling the stream from random words below 2^-88, and is
then replaced by fresh entropy. A forked child never continues its parent's stream (pitfall P23): the
interpreter's fork hook drops it, and a changed process id drops it where a fork bypassed the hook.

The one exception is `insecure_words`, for tests and audits: known words, visible through `tainted()`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np

__all__ = [
    "KeyStream",
    "WordArray",
    "WordSource",
    "insecure_words",
    "random_words",
    "source",
    "tainted",
]

WordArray = np.ndarray[Any, np.dtype[np.uint64]]

_WORDS_PER_KEY = 2**21  # two words of 64 bits in each of 2^20 blocks
_KEY_BYTES = 32
_NONCE_BYTES = 16


class WordSource(Protocol):
    """Something that gives independent, uniform 64-bit words."""

    def words(self, count: int) -> WordArray:
        """The next `count` words, each given out once."""
        ...


class KeyStream:
    """One AES-256-CTR stream, keyed and re-keyed from `entropy`.

    Args:
        entropy: Gives that many fresh bytes; `os.urandom` everywhere but in tests.
    """

    __slots__ = ("_encryptor", "_entropy", "_left", "pid")

    def __init__(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self.pid = os.getpid()
        self._entropy = entropy
        self._left = 0
        self._encryptor: Any = None

    def words(self, count: int) -> WordArray:
        """The next `count` words."""
        parts = []
        while count > 0:
            if self._left == 0:
                self._rekey()
            taken = min(count, self._left)
            parts.append(self._encryptor.update(bytes(8 * taken)))
            self._left -= taken
            count -= taken
        return np.frombuffer(b"".join(parts), dtype=np.uint64)

    def _rekey(self) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        key, nonce = self._entropy(_KEY_BYTES), self._entropy(_NONCE_BYTES)
        self._encryptor = Cipher(algorithms.AES256(key), modes.CTR(nonce)).encryptor()
        self._left = _WORDS_PER_KEY


_local = threading.local()
_insecure: ContextVar[WordSource | None] = ContextVar("dpsynth_insecure_source", default=None)


def _forget_parent() -> None:
    """Run in a forked child, whose only thread is the one that forked: drop the parent's stream."""
    _local.__dict__.clear()


# Where there is no fork there is no hook; the default does nothing then.
getattr(os, "register_at_fork", lambda **_: None)(after_in_child=_forget_parent)


def source() -> WordSource:
    """The stream of this thread; inside `insecure_words`, the known one."""
    insecure = _insecure.get()
    if insecure is not None:
        return insecure
    stream: KeyStream | None = getattr(_local, "stream", None)
    if stream is None or stream.pid != os.getpid():
        stream = _local.stream = KeyStream()
    return stream


def random_words(count: int) -> WordArray:
    """`count` independent, uniform 64-bit words from this thread's stream."""
    return source().words(count)


@contextmanager
def insecure_words(words: WordSource) -> Iterator[None]:
    """Draw from `words` inside the block. For tests and audits only: what is drawn hides nobody.

    The effect is confined to the current context: other threads keep their secure streams.
    """
    token = _insecure.set(words)
    try:
        yield
    finally:
        _insecure.reset(token)


def tainted() -> bool:
    """Whether noise drawn now, in this context, would be the deterministic noise of tests."""
    return _insecure.get() is not None
