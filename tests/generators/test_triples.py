"""Tables of three columns that pairs miss are found, and noise alone is not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from generators.deep import schema_of

from dpsynth.generators import triples as module
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.deep import as_table
from dpsynth.generators.triples import TripleSearch
from dpsynth.graphical.triples import Triples
from dpsynth.schema.schema import Schema
from dpsynth.testing.insecure import insecure_noise

Build = Callable[..., Any]
SIZES = (2, 9, 2, 2, 3)
SCHEMA = schema_of(*SIZES)


@pytest.fixture(autouse=True)
def repeatable() -> Iterator[None]:
    with insecure_noise(5):
        yield


def table(planted: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = {f"c{i}": rng.integers(0, size, 20_000) for i, size in enumerate(SIZES)}
    if planted:
        codes["c3"] = codes["c0"] ^ codes["c2"]
    return codes


def search(schema: Schema, **changes: Any) -> TripleSearch | None:
    return TripleSearch.of(schema, 0.3, **({"target": None, "number": 3, "share": 0.3} | changes))


@pytest.mark.parametrize("planted", [True, False])
def test_what_pairs_miss_is_found(measurer: Build, planted: bool) -> None:
    asked = measurer(table(planted), schema=SCHEMA, epsilon=2.0)
    counts = AllPairs().fit(asked)
    rows = as_table(SCHEMA, counts.sample_codes(20_000, np.random.default_rng(1)))
    wanted = search(SCHEMA)
    assert wanted is not None
    before = len(asked.events)
    found = wanted.found(asked, counts, rows)
    assert asked.events[before:] == tuple(step.event for step in wanted.steps)
    assert list(found.wanted) == ([(0, 2, 3)] if planted else [])
    assert found.fit(counts.tree.sizes)
    assert found.groups[1].max() <= 3


def test_the_price_is_within_the_share_and_falls_with_the_number_of_candidates() -> None:
    small, large = search(SCHEMA), search(schema_of(*[2] * 40))
    assert small is not None
    assert large is not None
    for one in (small, large):
        assert one.scores_mu**2 + one.counts_mu**2 <= 0.3 * 0.3**2 * (1 + 1e-9)
    assert small.scores_mu < large.scores_mu
    assert len(large.candidates) == math.comb(40, 3)
    assert large.memory_bytes > small.memory_bytes


def test_columns_without_choice_and_the_target_are_no_candidates() -> None:
    found = search(schema_of(2, 1, 2, 2, 2), target="c0")
    assert found is not None
    assert found.candidates == ((2, 3, 4),)


@pytest.mark.parametrize("changes", [{"number": 0}, {"target": "c0"}])
def test_no_search_where_there_is_nothing_to_find(changes: dict) -> None:
    assert search(schema_of(2, 2, 2), **changes) is None


def test_too_many_candidates_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 9)
    assert search(SCHEMA) is None
    assert Triples().fit(SIZES)
