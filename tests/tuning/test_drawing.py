from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tuning.points import frontier_of, point

from dpsynth.evaluation.results import CONFIDENTIAL
from dpsynth.tuning import Cost, Frontier
from dpsynth.tuning.drawing import colours, description, round_values
from dpsynth.tuning.page import frontier_page
from dpsynth.tuning.plotting import plot

SPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def drawn() -> Frontier:
    values = {0.1: [0.5, 0.55], 1.0: [0.8, 0.85], 10.0: [0.88, 0.9]}
    return frontier_of(
        {"mst": values, "a <method> & more": values},
        cost=Cost(words="costs <nothing>"),
        ceiling={"k_marginal": 0.95},
        floor={"k_marginal": 0.4},
        notes=("It leaves <this> out.",),
    )


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - it is our own


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in parsed(svg).iter(f"{SPACE}text")]


def places(svg: str) -> Iterator[float]:
    for node in parsed(svg).iter():
        for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy"):
            if name in node.attrib:
                yield float(node.attrib[name])


def test_the_picture_is_a_document_of_its_own(drawn: Frontier) -> None:
    svg = drawn.to_svg()
    root = parsed(svg)
    assert root.find(f"{SPACE}title") is not None
    assert root.find(f"{SPACE}desc") is not None
    assert "prefers-color-scheme:dark" in svg
    for outside in ("<script", "href", "url(", "@import"):
        assert outside not in svg
    assert all(0 <= place <= 760 for place in places(svg))


@given(st.floats(-10, 10), st.floats(1e-5, 1e4))
@example(0.0, 0.3)
def test_the_axis_has_round_numbers(low: float, size: float) -> None:
    values = round_values(low, low + size)
    assert 3 <= len(values) <= 8
    assert all(low <= value + 1e-9 * size and value <= low + size * (1 + 1e-9) for value in values)
    assert all(len(f"{value:.10g}".lstrip("-0.").replace(".", "")) <= 8 for value in values)


def test_mode_cost_and_class_are_written_on_it(drawn: Frontier) -> None:
    shown = " ".join(texts(drawn.to_svg()))
    assert "proxy: costs <nothing>" in shown
    assert "Who may see it: PUBLIC" in shown
    assert "ceiling 0.95" in shown
    assert "floor 0.4" in shown


def test_what_is_not_accounted_is_stamped() -> None:
    found = frontier_of(
        {"mst": {1.0: [0.5]}}, cost=Cost(words="for research", accounted=False), disclosure=CONFIDENTIAL
    )
    stamps = [
        node.text
        for node in parsed(found.to_svg()).iter(f"{SPACE}text")
        if node.attrib.get("class") == "stamp"
    ]
    assert stamps == ["proxy: NOT ACCOUNTED: for research", "Who may see it: CONFIDENTIAL"]


def test_epsilon_is_on_a_log_axis(drawn: Frontier) -> None:
    places = {
        node.text: float(node.attrib["x"])
        for node in parsed(drawn.to_svg()).iter(f"{SPACE}text")
        if node.text in ("0.1", "1", "10")
    }
    assert places["1"] - places["0.1"] == pytest.approx(places["10"] - places["1"], abs=0.2)


def test_a_knee_is_drawn_as_a_range(drawn: Frontier) -> None:
    assert "knee between epsilon" in drawn.to_svg()
    assert drawn.to_svg().count("knee between") == 2 + 2  # once in the description and once on its bar
    assert "knee between" in description(drawn)


def test_the_direct_model_is_drawn_beside_its_metric_only() -> None:
    one = point("mst", 1.0, [0.8], utility=frontier_of({"mst": {1.0: [0.8]}}).points[0].utility)
    assert "direct model" not in frontier_of({}, points=(one,), direct={1.0: 0.7}).to_svg()
    scored = point("mst", 1.0, [0.8], utility={"tstr": one.utility["k_marginal"]})
    assert "direct model" in frontier_of({}, points=(scored,), metric="tstr", direct={1.0: 0.7}).to_svg()


def test_many_epsilons_keep_their_labels_apart() -> None:
    epsilons = [0.1 * 1.1**i for i in range(50)]
    svg = frontier_of({"mst": {epsilon: [0.5] for epsilon in epsilons}}).to_svg()
    assert sum("%" in text for text in texts(svg)) < 20


def test_the_page_needs_nothing_but_itself(drawn: Frontier) -> None:
    page = frontier_page(drawn, title="People")
    assert 'class="banner open"' in page
    assert "It leaves &lt;this&gt; out." in page
    assert "<method>" not in page
    for outside in ("<script", "http://", "https://", "url("):
        assert outside not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    closed = frontier_of({"mst": {1.0: [0.5]}}, disclosure=CONFIDENTIAL)
    assert 'class="banner"' in frontier_page(closed, title="People")


class Axes:
    """Records what is drawn, in place of matplotlib's."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *places, **named: self.calls.append((name, places, named))

    def told(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [(places, named) for called, places, named in self.calls if called == name]


def test_axes_of_the_caller_get_the_same_picture(drawn: Frontier) -> None:
    axes = Axes()
    assert drawn.plot(axes) is axes
    assert axes.told("set_xscale") == [(("log",), {})]
    lines = [(places, named) for places, named in axes.told("plot") if "label" in named]
    assert len(lines) == len(axes.told("fill_between")) == 2
    assert lines[0][0] == ([0.1, 1.0, 10.0], [0.525, 0.825, 0.89])
    assert "(knee 0.32 to 3.2)" in lines[0][1]["label"]
    assert len(axes.told("plot")) == 2 + 2  # a bar for each knee
    assert len(axes.told("axhline")) == len(axes.told("annotate")) == 2
    ((title,), _) = axes.told("set_title")[0]
    assert "proxy: costs <nothing>" in title


def test_real_axes_show_each_epsilon_and_leave_the_data_free(drawn: Frontier) -> None:
    figures = pytest.importorskip("matplotlib.figure")
    for found in (drawn, frontier_of({"mst": {1.0: [0.5]}})):
        figure = figures.Figure()
        axes = found.plot(figure.add_subplot())
        figure.savefig(io.BytesIO(), format="svg")
        epsilons = sorted({point.epsilon for point in found.points})
        assert axes.get_xticks().tolist() == epsilons
        assert [label.get_text().split("\n")[0] for label in axes.get_xticklabels()] == [
            f"{epsilon:g}" for epsilon in epsilons
        ]
        low, high = axes.get_ylim()
        values = [band for point in found.points for band in (point.utility["k_marginal"],)]
        assert low < min(band.low for band in values) <= max(band.high for band in values) < high
        assert high - low < 1  # a bar of a knee stands at a share of the axis, and does not stretch it
        assert len(axes.get_legend().get_texts()) == len(found.methods)


def test_a_method_has_one_colour_whatever_stands_beside_it() -> None:
    assert colours(["allpairs", "mst"])["mst"] == colours(["mst", "zero"])["mst"]
    others = colours(["allpairs", *"abcdefg"])
    assert others["a"] != others["allpairs"]
    assert set(others) == {"allpairs", *"abcdefg"}
    assert colours([]) == {}


def test_axes_show_the_direct_model() -> None:
    scored = point(
        "mst", 1.0, [0.8], utility={"tstr": frontier_of({"m": {1.0: [0.8]}}).points[0].utility["k_marginal"]}
    )
    axes = Axes()
    plot(frontier_of({}, points=(scored,), metric="tstr", direct={1.0: 0.7}), axes)
    assert axes.told("plot")[-1][0] == ([1.0], [0.7])


def test_of_several_methods_the_largest_risk_stands_under_an_epsilon() -> None:
    points = (point("mst", 1.0, [0.5], advantage=0.4), point("zero", 1.0, [0.5], advantage=0.1))
    assert "70 %" in texts(frontier_of({}, points=points).to_svg())
    assert "55 %" not in texts(frontier_of({}, points=points).to_svg())
