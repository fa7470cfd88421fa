from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import _keystream
from dpsynth.mechanisms._keystream import KeyStream, random_words, source, tainted
from dpsynth.testing.insecure import insecure_noise


def counting_entropy() -> tuple[list[int], object]:
    calls: list[int] = []

    def entropy(count: int) -> bytes:
        calls.append(count)
        return bytes([len(calls)]) * count

    return calls, entropy


def test_the_words_are_aes_256_in_counter_mode() -> None:
    _, entropy = counting_entropy()
    expected = Cipher(algorithms.AES256(b"\1" * 32), modes.CTR(b"\2" * 16)).encryptor().update(bytes(80))
    stream = KeyStream(entropy)
    got = np.concatenate([stream.words(3), stream.words(7)])
    assert got.tobytes() == expected


def test_a_key_serves_a_bounded_number_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_keystream, "_WORDS_PER_KEY", 10)
    calls, entropy = counting_entropy()
    stream = KeyStream(entropy)
    first = stream.words(10)
    assert calls == [32, 16]
    rest = stream.words(25)
    assert calls == [32, 16] * 4
    assert rest.size == 25
    assert len(np.unique(np.concatenate([first, rest]))) == 35


def test_no_words_are_no_words() -> None:
    assert KeyStream().words(0).size == 0


def test_each_thread_has_its_own_stream() -> None:
    found = []
    threads = [
        threading.Thread(target=lambda: found.append((source(), random_words(4).tobytes()))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(stream) for stream, _ in found} | {id(source())}) == 3
    assert len({words for _, words in found}) == 2


def test_a_stream_is_kept_within_a_process_and_left_behind_when_the_process_id_changed() -> None:
    mine = source()
    assert source() is mine
    mine.pid += 1  # as after a fork that bypassed the hook
    fresh = source()
    assert fresh is not mine
    assert fresh.pid == os.getpid()


def test_the_fork_hook_drops_the_stream_of_the_forking_thread() -> None:
    mine = source()
    _keystream._forget_parent()
    assert source() is not mine


def test_insecure_words_repeat_and_are_visible_as_such() -> None:
    assert not tainted()
    with insecure_noise(7):
        assert tainted()
        first = random_words(50)
    assert not tainted()
    with insecure_noise(7):
        np.testing.assert_array_equal(np.concatenate([random_words(20), random_words(30)]), first)
    with insecure_noise(8):
        assert not np.array_equal(random_words(50), first)
    assert not np.array_equal(random_words(50), first)


def test_insecure_words_end_with_the_block_even_after_an_error() -> None:
    with pytest.raises(KeyError), insecure_noise(1):
        raise KeyError
    assert not tainted()


def test_insecure_words_stay_out_of_other_threads() -> None:
    found = []
    with insecure_noise(3):
        thread = threading.Thread(target=lambda: found.append(tainted()))
        thread.start()
        thread.join()
    assert found == [False]


@pytest.mark.parametrize("seed", [-1, 1.5, None, True])
def test_insecure_seeds_are_whole_numbers(seed: object) -> None:
    with pytest.raises(ConfigurationError, match="seed"), insecure_noise(seed):
        pass
