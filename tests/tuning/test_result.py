from __future__ import annotations

import dataclasses
import math

import pytest
from tuning.points import frontier_of, point

from dpsynth.errors import ConfigurationError, StorageError
from dpsynth.evaluation.results import CONFIDENTIAL
from dpsynth.tuning import Band, Cost, Frontier


def test_a_band_of_few_replicates_is_their_whole_range() -> None:
    assert Band.of([0.3, 0.1, 0.2]) == Band(low=0.1, median=0.2, high=0.3)
    assert Band.of([0.5]) == Band(low=0.5, median=0.5, high=0.5)


def test_a_band_of_many_replicates_leaves_out_at_most_five_in_a_hundred_on_either_side() -> None:
    assert Band.of(list(range(20))) == Band(low=0, median=9.5, high=19)
    assert Band.of(list(range(21))) == Band(low=1, median=10, high=19)
    assert Band.of(list(range(101))) == Band(low=5, median=50, high=95)


def test_a_band_needs_replicates_in_order() -> None:
    with pytest.raises(ConfigurationError, match="at least one"):
        Band.of([])
    with pytest.raises(ConfigurationError, match="low <= median"):
        Band(low=1.0, median=0.0, high=2.0)


def test_points_are_sorted_and_all_have_the_metric() -> None:
    found = frontier_of({"mst": {3.0: [0.9], 1.0: [0.8]}, "aim": {1.0: [0.7]}})
    assert [(one.method, one.epsilon) for one in found.points] == [("aim", 1.0), ("mst", 1.0), ("mst", 3.0)]
    assert found.methods == ("aim", "mst")
    for broken in ({"metric": "tstr"}, {"points": ()}):
        with pytest.raises(ConfigurationError, match="have the metric"):
            dataclasses.replace(found, **broken)
    with pytest.raises(ConfigurationError, match="Expected one of the methods"):
        found.of("dpgan")


def test_json_keeps_everything() -> None:
    full = point(
        "mst", 1.0, [0.8, 0.9], mu=0.2, worst_group=Band.of([0.7]), smallest_reliable_group=40.0, note="one"
    )
    found = frontier_of(
        {},
        points=(full,),
        cost=Cost(epsilon=1.0, delta=1e-9, words="paid", release="ab", accounted=False),
        ceiling={"k_marginal": 0.99},
        floor={"k_marginal": 0.5},
        direct={1.0: 0.7, 10.0: 0.8},
        disclosure=CONFIDENTIAL,
        notes=("left out",),
    )
    assert Frontier.from_json(found.to_json()) == found
    assert Frontier.from_json(found.to_json()).to_json() == found.to_json()


def test_json_has_no_number_that_is_none() -> None:
    found = frontier_of({"mst": {1.0: [0.5]}}, ceiling={"k_marginal": math.nan})
    assert "NaN" not in found.to_json()
    assert math.isnan(Frontier.from_json(found.to_json()).ceiling["k_marginal"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": "dpsynth-frontier/9"}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(StorageError):
        Frontier.from_json(text)


def test_methods_are_compared_by_epsilon() -> None:
    frame = frontier_of({"mst": {1.0: [0.8], 3.0: [0.9]}, "aim": {1.0: [0.7, 0.8, 0.9]}}).compare()
    assert frame.loc[1.0].to_dict() == {"aim": 0.8, "mst": 0.8}
    assert frame.index.tolist() == [1.0, 3.0]


def test_the_table_has_a_line_for_each_point() -> None:
    frame = frontier_of({"mst": {1.0: [0.7, 0.8, 0.9], 3.0: [0.9]}}).to_frame()
    assert frame["k_marginal low"].tolist() == [0.7, 0.9]
    assert frame["replicates"].tolist() == [3, 1]
    assert frame["odds"].tolist() == ["at most 2:1"] * 2


def test_a_notebook_shows_what_the_looking_cost() -> None:
    cost = Cost(words="seen by <nobody>", accounted=False)
    html = frontier_of({"mst": {1.0: [0.5]}}, cost=cost, disclosure=CONFIDENTIAL)._repr_html_()
    assert "NOT ACCOUNTED: seen by &lt;nobody&gt;" in html
    assert "CONFIDENTIAL" in html
    assert "<nobody>" not in html


def test_a_notebook_shows_a_line_for_each_epsilon() -> None:
    values = {"mst": {1.0: [0.5, 0.6, 0.7], 3.0: [0.9]}, "a <b>": {3.0: [0.8]}}
    html = frontier_of(values, notes=("It leaves <this> out.",))._repr_html_()
    assert html.count("<tr>") == 1 + 2
    assert "0.6 (0.5 to 0.7)" in html
    assert "<td>–</td>" in html
    assert "It leaves &lt;this&gt; out." in html
    assert "<b>" not in html.split("<table>")[1]
    assert "What this picture leaves out" not in frontier_of({"mst": {1.0: [0.5]}})._repr_html_()
