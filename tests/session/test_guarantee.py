from __future__ import annotations

import json
from dataclasses import replace

import pytest
from promises import promise

from dpsynth.errors import StorageError
from dpsynth.privacy.events import ComposedEvent, ExponentialEvent, GaussianEvent, RepeatedEvent
from dpsynth.privacy.unit import Unit
from dpsynth.session import Guarantee

GUARANTEE = promise(
    GaussianEvent(mu=0.05),
    RepeatedEvent(event=ExponentialEvent(epsilon=0.01), times=3),
    ComposedEvent(events=(GaussianEvent(mu=0.01), ExponentialEvent(epsilon=0.02))),
    delta=1e-9,
    epsilon=1.0,
    unit=Unit(id_column="person", contributions=3),
    dataset="<b>people</b>",
    labels=("marginals", "tree", "pairs"),
)


def test_json_round_trip() -> None:
    text = json.dumps(GUARANTEE.to_json())
    assert Guarantee.from_json(json.loads(text)) == GUARANTEE


def test_it_covers_its_events() -> None:
    assert GUARANTEE.holds()
    assert not replace(GUARANTEE, epsilon=0.1).holds()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"},
        {"epsilon": 0.1},
        {"certifiable": False},
        {"surprise": 1},
        {"unit": {"nobody": 1}},
        {"taints": ["test noise was drawn"]},
    ],
)
def test_a_changed_guarantee_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(StorageError):
        Guarantee.from_json(GUARANTEE.to_json() | change)


def test_a_missing_field_is_refused() -> None:
    body = GUARANTEE.to_json()
    del body["events"]
    with pytest.raises(StorageError):
        Guarantee.from_json(body)


def test_words() -> None:
    words = GUARANTEE.in_words()
    assert "(1, 1e-09)-differentially private" in words
    assert "at most 3" in words
    assert "NOT CERTIFIABLE" not in words
    tainted = replace(GUARANTEE, taints=("test noise was drawn",))
    assert not tainted.certifiable
    assert "NOT CERTIFIABLE: test noise was drawn" in tainted.in_words()
    assert Guarantee.from_json(tainted.to_json()) == tainted


def test_html_is_escaped() -> None:
    html = replace(GUARANTEE, unit=Unit(id_column="<script>", contributions=2))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
