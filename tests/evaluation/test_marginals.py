from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from evaluation.anchored import anchored, five, letters, odd, unordered
from evaluation.people import SCHEMA, people

from dpsynth.evaluation import marginals as subject
from dpsynth.evaluation.anchors import Anchors
from dpsynth.evaluation.marginals import equivalent_subsample, groups, marginals, total_variation
from dpsynth.evaluation.tables import Tables


def by_hand(tables: Tables, places: tuple[int, ...]) -> float:
    shares = [
        pd.Series(list(map(tuple, rows.codes[:, places]))).value_counts(normalize=True)
        for rows in (tables.real, tables.synthetic)
    ]
    return float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)


@pytest.mark.parametrize("dense", [1 << 21, 1])
@pytest.mark.parametrize("ways", [1, 2, 3])
def test_distances_are_those_of_the_definition(
    ways: int, dense: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "_DENSE", dense)
    tables = Tables.read(people(300), people(200, seed=1), SCHEMA)
    found = total_variation(tables, ways=ways)
    chosen = list(combinations(range(5), ways))
    assert [found.parts[tuple(tables.columns[i] for i in group)] for group in chosen] == pytest.approx(
        [by_hand(tables, group) for group in chosen]
    )
    assert found.value == pytest.approx(np.mean([by_hand(tables, group) for group in chosen]))


def test_many_cells_do_not_overflow() -> None:
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, 5, (60, 3)) for _ in range(2)]
    plain = subject.distances(codes[0], [codes[1]], [5, 5, 5], [(0, 1, 2)])
    huge = subject.distances(codes[0], [codes[1]], [1 << 25, 1 << 25, 1 << 25], [(0, 1, 2)])
    np.testing.assert_allclose(plain, huge)


@pytest.mark.parametrize("ways", [1, 2, 3])
def test_the_anchors_are_in_order(ways: int) -> None:
    found = five(lambda tables: total_variation(tables, ways=ways).value)
    assert found["copy"] == found["shuffled"] == 0
    if ways == 1:
        assert found["independent"] == 0 < found["sample"] < found["uniform"]
    else:
        assert 0 < found["sample"] < found["independent"] < found["uniform"]


def test_groups_are_fixed_and_of_different_columns() -> None:
    """SDNist draws pairs with replacement where there are many columns, so a column may meet itself."""
    assert groups(4, 2) == tuple(combinations(range(4), 2))
    triples = groups(15, 3)
    assert len(triples) == len(set(triples)) == 200
    assert all(len(set(triple)) == 3 for triple in triples)
    assert triples == groups(15, 3)
    assert len(groups(200, 2)) == 5000
    assert len(groups(200, 2, most=300)) == 300
    assert len(groups(200, 1, most=10)) == 200
    assert groups(1, 2) == ()


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5])
def test_a_subsample_reads_as_its_share(share: float) -> None:
    real = people(3000)
    tables = Tables.read(real, real.sample(frac=share, random_state=4), SCHEMA)
    (found,) = equivalent_subsample(tables, [total_variation(tables, ways=2).value])
    assert found == pytest.approx(share, rel=0.2)


def test_shares_of_subsamples_are_in_order() -> None:
    found = five(lambda tables: equivalent_subsample(tables, [total_variation(tables, ways=2).value])[0])
    assert found["copy"] == found["shuffled"] == 1
    assert found["copy"] > found["sample"] > found["independent"] > found["uniform"] > 0
    assert found["sample"] == pytest.approx(1 / 3, abs=0.08)


def test_the_results_come_with_yardsticks_and_a_reading() -> None:
    found = {result.name: result for result in marginals(Anchors.of(anchored()["sample"]))}
    assert list(found) == ["tvd1", "tvd2", "tvd3", "k_marginal", "equivalent_subsample"]
    assert all(str(result.disclosure) == "CONFIDENTIAL" for result in found.values())
    pairs, score = found["tvd2"], found["k_marginal"]
    assert score.value == pytest.approx(1000 * (1 - pairs.value))
    assert score.better == "higher"
    assert score.achieved == pytest.approx(pairs.achieved)
    assert score.parts[0].label == pairs.parts[0].label
    assert score.parts[0].value <= score.parts[-1].value
    percent = round(100 * found["equivalent_subsample"].value)
    assert f"Looks like a random {percent} % subsample of the real rows." in score.note
    assert found["tvd1"].floor is None
    assert "all triples of columns" in found["tvd3"].note
    assert pairs.floor is not None
    assert pairs.floor > pairs.value


def test_scores_do_not_grow_with_the_number_of_rows_of_equal_tables() -> None:
    """P-values do: the same shares of twice as many rows are the same distance."""
    real, synthetic = people(300), people(300, seed=1)
    once = Tables.read(real, synthetic, SCHEMA)
    twice = Tables.read(pd.concat([real] * 2), pd.concat([synthetic] * 2), SCHEMA)
    assert total_variation(twice, ways=2).value == pytest.approx(
        total_variation(once, ways=2).value, rel=0.05
    )


def test_the_order_of_rows_means_nothing() -> None:
    for ways in (1, 2, 3):
        first, second = unordered(lambda tables, ways=ways: total_variation(tables, ways=ways).value)
        assert first == second
    first, second = unordered(lambda tables: equivalent_subsample(tables, [0.1])[0])
    assert first == second


@pytest.mark.parametrize("name", odd())
def test_odd_tables_have_scores_or_say_why(name: str) -> None:
    for result in marginals(Anchors.of(odd()[name])):
        assert math.isfinite(result.value) or "Not defined" in result.note


def test_wide_tables_take_some_of_the_pairs() -> None:
    schema = letters(**{f"c{i}": 2 for i in range(30)})
    rng = np.random.default_rng(0)
    frames = [pd.DataFrame(rng.integers(0, 2, (200, 30)), columns=schema.names) for _ in range(2)]
    found = marginals(Anchors.of(Tables.read(*frames, schema)), quick=True)
    assert "300 fixed random pairs" in found[1].note
    assert "200 fixed random triples" in found[2].note
