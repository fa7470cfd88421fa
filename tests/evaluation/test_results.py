from __future__ import annotations

import json
import math

import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.results import CONFIDENTIAL, PUBLIC, Disclosure, Evaluation, Part, Result, worst

PAID = Disclosure(kind="dp", epsilon=0.1, delta=1e-9, release="a")
OTHER = Disclosure(kind="dp", epsilon=0.1, delta=1e-9, release="b")


def result(name: str, **more: object) -> Result:
    plain = {"family": "fidelity", "title": name.title(), "value": 0.2}
    return Result(name=name, **(plain | more))  # type: ignore[arg-type]


def test_the_worst_class_wins_and_prices_add_up() -> None:
    assert worst([]) == PUBLIC
    assert worst([PUBLIC, PUBLIC]) == PUBLIC
    assert worst([PUBLIC, PAID, PAID]) == PAID  # two numbers of one release share its price
    assert worst([PUBLIC, PAID, OTHER]) == Disclosure(kind="dp", epsilon=0.2, delta=2e-9, release="a + b")
    assert worst([PAID, CONFIDENTIAL, PUBLIC]) == CONFIDENTIAL
    assert str(PAID) == "DP(epsilon = 0.1, delta = 1e-09)"
    assert str(CONFIDENTIAL) == "CONFIDENTIAL"


@pytest.mark.parametrize("more", [{"kind": "secret"}, {"kind": "dp"}, {"kind": "public", "epsilon": 1.0}])
def test_impossible_classes_are_refused(more: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        Disclosure(**more)  # type: ignore[arg-type]


def test_results_are_confidential_unless_they_say_otherwise() -> None:
    assert result("a").disclosure == CONFIDENTIAL


def test_a_number_is_told_between_its_yardsticks() -> None:
    assert result("a", value=0.3, ceiling=0.1, floor=0.5).achieved == pytest.approx(0.5)
    assert result("a", value=0.3).achieved is None
    assert result("a", value=0.3, ceiling=0.1, floor=0.1).achieved is None


def test_an_evaluation_is_json_a_frame_and_a_page_with_its_class() -> None:
    part = Part(label=("age",), value=math.nan)
    evaluation = Evaluation(
        title="people",
        facts={"rows": 10},
        results=(result("a", parts=(part,)), result("b", value=math.inf, disclosure=PUBLIC, family="bias")),
    )
    body = json.loads(evaluation.to_json())
    assert body["version"] == "dpsynth-evaluation/1"
    assert body["disclosure"]["kind"] == "confidential"
    assert body["results"][0]["parts"][0]["value"] is None
    assert body["results"][1]["value"] is None
    assert evaluation.to_json() == evaluation.to_json()
    assert evaluation.to_frame()["name"].tolist() == ["a", "b"]
    assert "CONFIDENTIAL" in evaluation._repr_html_()
    assert [one.name for one in evaluation.family("bias")] == ["b"]
    assert evaluation["a"].title == "A"
    with pytest.raises(KeyError, match="a, b"):
        evaluation["c"]
    left = evaluation.publishable()
    assert [one.name for one in left.results] == ["b"]
    assert left.disclosure == PUBLIC
    assert not left.facts  # the number of real rows is confidential
