"""P23: generator state duplicated by fork, so that parent and child draw the same noise."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import numpy as np
import pytest

from dpsynth.mechanisms import _keystream
from dpsynth.mechanisms._keystream import KeyStream
from dpsynth.mechanisms._noise import rounded_gaussian

# Newer interpreters warn of forks in a process with threads; numerical libraries keep some.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def in_child(draw: Callable[[], bytes]) -> bytes:
    """What `draw` gives in a forked child."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, draw())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        drawn = pipe.read()
    os.waitpid(child, 0)
    return drawn


def noise() -> bytes:
    return rounded_gaussian(1e6, 100).tobytes()


def test_parent_and_child_draw_different_noise() -> None:
    noise()  # a stream exists before the fork
    children = [in_child(noise) for _ in range(2)]
    assert [len(drawn) for drawn in children] == [800, 800]
    assert len({noise(), *children}) == 3


def test_a_grandchild_draws_its_own_too() -> None:
    def both() -> bytes:
        mine = noise()
        return mine + in_child(noise)

    drawn = in_child(both)
    assert len({drawn[:800], drawn[800:], noise()}) == 3


def test_the_process_id_is_enough_where_the_hook_did_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    noise()
    kept = _keystream._local.stream

    def without_hook() -> bytes:
        _keystream._local.stream = kept  # as if no hook had dropped it
        return noise()

    assert in_child(without_hook) != noise()


def test_a_copied_stream_is_caught() -> None:
    stream = KeyStream()
    stream.words(1)  # keyed before the fork

    def words() -> bytes:
        return stream.words(100).tobytes()

    assert in_child(words) == words()  # the broken twin: the same key on both sides


def test_threads_do_not_share_a_stream() -> None:
    drawn: list[bytes] = []
    threads = [threading.Thread(target=lambda: drawn.append(noise())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*drawn, noise()}) == 5
    assert np.frombuffer(drawn[0], dtype=np.int64).std() > 1e5
