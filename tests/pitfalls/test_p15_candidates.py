"""P15: candidates are dropped before the exponential mechanism because of what the data say."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.generators.base import Generator
from dpsynth.generators.mst import MST
from dpsynth.generators.privbayes import PrivBayes
from dpsynth.graphical.spanning_tree import UnionFind
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Session, Transcript

NAMES = ("a", "b", "c", "d")
SCHEMA = Schema(columns=tuple(Categorical(name=n, categories=(0, 1, 2), required=True) for n in NAMES))


def related() -> pd.DataFrame:
    values = np.random.default_rng(0).integers(0, 3, 2_000)
    return pd.DataFrame(dict.fromkeys(NAMES, values))


def unrelated() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(1).integers(0, 3, (2_000, 4)), columns=list(NAMES))


def transcript(frame: pd.DataFrame, generator: Generator | None = None) -> Transcript:
    with Ledger.in_memory() as ledger:
        session = Session.open(
            PrivateTable.load(frame, SCHEMA),
            budget=Budget(epsilon=1, delta=1e-9),
            ledger=ledger,
            dataset="p15",
        )
        session.run(generator or MST())
        return session.transcript


def rounds(record: Transcript) -> list[tuple[set[tuple[str, ...]], tuple[str, ...]]]:
    """For each selection what was offered and what was chosen."""
    found = []
    for measurement in record.measurements:
        score: Any = measurement.mechanism.get("score")
        if score is not None:
            cliques = [tuple(clique) for clique in score["cliques"]]
            found.append((set(cliques), cliques[int(measurement.values[0][0])]))
    return found


def offers_are_public(selections: list[tuple[set[tuple[str, ...]], tuple[str, ...]]]) -> bool:
    """Whether each offer follows from the schema and from the choices before it."""
    joined = UnionFind(NAMES)
    for offered, chosen in selections:
        if offered != {pair for pair in itertools.combinations(NAMES, 2) if not joined.connected(*pair)}:
            return False
        joined.join(*chosen)
    return True


@pytest.mark.parametrize(
    "frame", [related(), unrelated(), related().iloc[:0]], ids=["related", "unrelated", "empty"]
)
def test_p15_the_candidates_follow_from_schema_and_earlier_choices(frame: pd.DataFrame) -> None:
    selections = rounds(transcript(frame))
    assert len(selections) == 3
    assert offers_are_public(selections)


@pytest.mark.parametrize("frame", [related(), unrelated()], ids=["related", "unrelated"])
def test_p15_families_follow_from_schema_total_and_earlier_choices(frame: pd.DataFrame) -> None:
    selections = rounds(transcript(frame, PrivBayes(usefulness=0)))
    tables: list[set[str]] = []
    for offered, chosen in selections:
        placed = set().union(*tables)
        parents = {part for t in tables for n in (1, 2) for part in itertools.combinations(sorted(t), n)}
        expected = {tuple(sorted((*p, new))) for p in parents for new in set(NAMES) - placed}
        assert offered == (expected or set(itertools.combinations(NAMES, 2)))
        tables.append(set(chosen))
    assert len(tables) == 3


def test_p15_a_pruned_list_of_candidates_would_be_seen() -> None:
    frame = unrelated().assign(b=lambda f: f["a"])
    strong = {
        pair
        for pair in itertools.combinations(NAMES, 2)
        if abs(pd.crosstab(frame[pair[0]], frame[pair[1]]).to_numpy() - len(frame) / 9).sum() > 200
    }
    assert strong == {("a", "b")}
    assert not offers_are_public([(strong, ("a", "b"))])
