"""Scripted words and small encoded tables for the tests of mechanisms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest

from dpsynth.mechanisms import _keystream
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.schema.layout import Domain


class Scripted:
    """A word source that gives exactly the words it was told, and fails when they are used up."""

    def __init__(self, words: Sequence[int]) -> None:
        self.left = list(words)

    def words(self, count: int) -> np.ndarray:
        assert count <= len(self.left), "the script ran out of words"
        taken, self.left = self.left[:count], self.left[count:]
        return np.array(taken, dtype=np.uint64)


@pytest.fixture
def scripted() -> Callable[..., AbstractContextManager[Scripted]]:
    """`with scripted(w1, w2, ...)`: noise is drawn from these words."""

    @contextmanager
    def feed(*words: int) -> Iterator[Scripted]:
        source = Scripted(words)
        token = _keystream._insecure.set(source)
        try:
            yield source
        finally:
            _keystream._insecure.reset(token)

    return feed


@pytest.fixture
def domain() -> Domain:
    return Domain(columns=("a", "b", "c"), sizes=(2, 3, 4))


@pytest.fixture
def codes() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {name: rng.integers(0, size, 200) for name, size in (("a", 2), ("b", 3), ("c", 3))}


@pytest.fixture
def table(domain: Domain, codes: dict[str, np.ndarray]) -> EncodedTable:
    """200 rows; no row has the last code of column c."""
    return EncodedTable(domain, codes, rows=200)
