from __future__ import annotations

import json

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import MECHANISMS, ExponentialMechanism, MarginalGap, on_grid
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.events import ExponentialEvent
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

CLIQUES = (("a", "b"), ("c",))


def gap(**changes) -> MarginalGap:
    estimates = (np.full(6, 130, dtype=np.int64), np.array([0, 800, 0, 0]))
    return MarginalGap(**({"cliques": CLIQUES, "estimates": estimates, "bits": 2} | changes))


def test_scores_are_weighted_distances_less_penalties(table: EncodedTable) -> None:
    plain = [
        int(np.abs(4 * table.marginal_counts(clique) - estimate).sum())
        for clique, estimate in zip(CLIQUES, gap().estimates, strict=True)
    ]
    assert gap().evaluate(table).tolist() == plain
    weighted = gap(weights=(3, 5), penalties=(10, -4)).evaluate(table)
    assert weighted.tolist() == [3 * (plain[0] - 10), 5 * (plain[1] + 4)]
    assert weighted.dtype == np.int64


@pytest.mark.parametrize(
    ("unit", "rows"),
    [
        (Unit(), 1),
        (Unit(relation="replace_one"), 2),
        (Unit(id_column="id", contributions=3), 3),
        (Unit(relation="replace_one", id_column="id", contributions=3), 6),
    ],
)
def test_sensitivity_is_rows_moved_times_grid_times_weight(unit: Unit, rows: int) -> None:
    assert gap().sensitivity(unit) == 4 * rows
    assert gap(weights=(3, 5)).sensitivity(unit) == 20 * rows


def test_no_neighbour_moves_a_score_further_than_the_sensitivity(domain: Domain, codes) -> None:
    rng = np.random.default_rng(8)
    score = gap(weights=(2, 3))
    table = EncodedTable(domain, codes, rows=200)
    moves = []
    for _ in range(40):
        more = {
            name: np.append(codes[name], rng.integers(0, domain.size_of(name))) for name in domain.columns
        }
        larger = EncodedTable(domain, more, rows=201)
        moves.append(np.abs(score.evaluate(larger) - score.evaluate(table)).max())
    assert max(moves) == score.sensitivity(Unit())


def test_equal_scores_have_equal_descriptions() -> None:
    same = gap(estimates=(np.full((2, 3), 130, dtype=np.int32), np.array([0, 800, 0, 0])))
    assert same == gap()
    assert hash(same) == hash(gap())
    assert same.describe() == gap().describe()
    assert json.loads(json.dumps(same.describe())) == same.describe()
    changed = [
        gap(estimates=(np.full(6, 130), np.array([0, 800, 0, 1]))),
        gap(bits=3),
        gap(weights=(1, 2)),
        gap(penalties=(0, 1)),
    ]
    for other in changed:
        assert other != gap()
        assert other.describe() != gap().describe()


def test_estimates_are_copied_and_frozen() -> None:
    mine = np.full(4, 7)
    score = gap(cliques=(("c",),), estimates=(mine,))
    mine[0] = 99
    assert score.estimates[0].tolist() == [7, 7, 7, 7]
    assert not score.estimates[0].flags.writeable


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cliques": (), "estimates": ()}, "at least one candidate"),
        ({"cliques": (("a",),)}, "one estimate"),
        ({"weights": (1,)}, "one estimate"),
        ({"weights": (1, 0)}, "weight"),
        ({"weights": (1, 0.5)}, "weight"),
        ({"penalties": (1, 0.5)}, "penalties"),
        ({"penalties": (1, True)}, "penalties"),
        ({"penalties": (2**61, 0)}, "64-bit"),
        ({"bits": -1}, "bits"),
        ({"bits": 21}, "bits <= 20"),
        ({"bits": 20, "weights": (2**9, 1)}, "64-bit"),
        ({"estimates": (np.full(6, 130.0), np.zeros(4, dtype=int))}, "on_grid"),
        ({"estimates": (np.full(6, -(2**63)), np.zeros(4, dtype=int))}, "64-bit"),
    ],
)
def test_impossible_scores_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        gap(**changes)


def test_scores_must_fit_the_domain(domain: Domain) -> None:
    gap().check(domain)
    with pytest.raises(ConfigurationError, match="'salary'"):
        gap(cliques=(("a", "b"), ("salary",))).check(domain)
    with pytest.raises(ConfigurationError, match="with 4 cells, got 5"):
        gap(estimates=(np.full(6, 130), np.zeros(5, dtype=int))).check(domain)


MERGED = {
    "groups": (((0, 0), (0, 1, 1)), ((1, 0, 0, 1),)),
    "estimates": (np.array([100, 90]), np.array([40, 500])),
}


def test_scores_over_buckets_compare_merged_counts(table: EncodedTable) -> None:
    score = gap(**MERGED)
    assert score.evaluate(table).tolist() == [
        int(np.abs(4 * table.counts_of([tuple(zip(clique, groups, strict=True))])[0] - estimate).sum())
        for clique, groups, estimate in zip(CLIQUES, score.groups, score.estimates, strict=True)
    ]
    assert score.sensitivity(Unit()) == gap().sensitivity(Unit())


def test_buckets_are_part_of_the_description() -> None:
    other = gap(**MERGED | {"groups": (((0, 0), (1, 0, 0)), ((1, 0, 0, 1),))})
    assert other != gap(**MERGED)
    assert other.describe() != gap(**MERGED).describe()
    assert json.loads(json.dumps(other.describe())) == other.describe()


def test_a_description_tells_each_map_once_and_estimates_by_one_digest() -> None:
    told = gap(**MERGED).describe()
    assert told["maps"] == [[0, 0], [0, 1, 1], [1, 0, 0, 1]]
    assert told["groups"] == [[0, 1], [2]]
    assert len(told["estimates"]) == 64
    swapped = gap(**MERGED | {"estimates": (np.array([90, 100]), np.array([40, 500]))})
    assert swapped.describe()["estimates"] != told["estimates"]
    assert "maps" not in gap().describe()


def test_no_neighbour_moves_a_score_over_buckets_further_than_the_sensitivity(domain: Domain, codes) -> None:
    rng = np.random.default_rng(8)
    score = gap(**MERGED, weights=(2, 3))
    table = EncodedTable(domain, codes, rows=200)
    moves = []
    for _ in range(40):
        more = {
            name: np.append(codes[name], rng.integers(0, domain.size_of(name))) for name in domain.columns
        }
        larger = EncodedTable(domain, more, rows=201)
        moves.append(np.abs(score.evaluate(larger) - score.evaluate(table)).max())
    assert max(moves) == score.sensitivity(Unit())


def test_buckets_must_fit_candidates_domain_and_estimates(domain: Domain) -> None:
    gap(**MERGED).check(domain)
    with pytest.raises(ConfigurationError, match="every candidate or for none"):
        gap(groups=MERGED["groups"][:1])
    with pytest.raises(ConfigurationError, match="one bucket for each code"):
        gap(**MERGED | {"groups": (((0, 0), (0, 1)), ((1, 0, 0, 1),))}).check(domain)
    with pytest.raises(ConfigurationError, match="with 2 cells, got 3"):
        gap(**MERGED | {"estimates": (np.array([100, 90]), np.array([1, 2, 3]))}).check(domain)


def test_on_grid() -> None:
    assert on_grid(np.array([0.3, -1.5, 2.0]), 4).tolist() == [5, -24, 32]
    for value in (np.nan, np.inf, 2.0**60):
        with pytest.raises(ConfigurationError, match="finite"):
            on_grid(np.array([value]), 4)


def test_a_selection_is_one_index(table: EncodedTable) -> None:
    mechanism = ExponentialMechanism(score=gap(), epsilon=0.5)
    measurement = mechanism.run(table, Unit())
    assert measurement.event == mechanism.event() == ExponentialEvent(epsilon=0.5)
    assert measurement.mechanism == mechanism.describe()
    assert measurement.sigmas == (0.0,)
    (value,) = measurement.values
    assert value.tolist() in ([0], [1])
    assert value.dtype == np.int64
    assert not value.flags.writeable


def test_a_large_epsilon_takes_the_best(table: EncodedTable) -> None:
    best = int(gap().evaluate(table).argmax())
    mechanism = ExponentialMechanism(score=gap(), epsilon=1e4)
    assert {int(mechanism.run(table, Unit()).values[0][0]) for _ in range(50)} == {best}


class Liar(MarginalGap):
    """A score that would understate its sensitivity."""


def test_impossible_selections_are_refused(domain: Domain) -> None:
    for epsilon in (0.0, -1.0, np.inf, 2.0**40, "1"):
        with pytest.raises(ConfigurationError, match="epsilon"):
            ExponentialMechanism(score=gap(), epsilon=epsilon)
    with pytest.raises(ConfigurationError, match="Liar"):
        ExponentialMechanism(score=Liar(cliques=(("c",),), estimates=(np.zeros(4, dtype=int),)), epsilon=1.0)
    foreign = ExponentialMechanism(score=gap(cliques=(("a", "b"), ("z",))), epsilon=1.0)
    with pytest.raises(ConfigurationError, match="'z'"):
        foreign.check(domain, Unit())


def test_equal_selections_are_equal() -> None:
    one, other = (ExponentialMechanism(score=gap(), epsilon=1) for _ in range(2))
    assert one == other
    assert one.describe() == other.describe() == ExponentialMechanism(score=gap(), epsilon=1.0).describe()


def test_the_set_of_mechanisms_is_closed() -> None:
    assert ExponentialMechanism in MECHANISMS
    assert all(callable(getattr(mechanism, "run", None)) for mechanism in MECHANISMS)
