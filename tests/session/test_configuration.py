from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

import numpy as np

from dpsynth.generators import names
from dpsynth.generators.registry import get
from dpsynth.session.configuration import configuration_of


@dataclass(frozen=True, kw_only=True)
class Settings:
    weights: dict[tuple[str, ...], float]
    nested: object
    limit: float = math.inf
    hidden: object = field(default=None, repr=False)


def test_settings_are_told_as_plain_json() -> None:
    settings = Settings(weights={("a", "b"): 0.5}, nested=Settings(weights={}, nested=np.zeros(3)))
    told = configuration_of(settings)
    assert told == {
        "type": "Settings",
        "weights": [[["a", "b"], 0.5]],
        "nested": {
            "type": "Settings",
            "weights": [],
            "nested": {"type": "ndarray"},
            "limit": "inf",
            "hidden": None,
        },
        "limit": "inf",
        "hidden": None,
    }
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_what_a_class_keeps_out_of_its_text_is_named_only() -> None:
    told = configuration_of(Settings(weights={}, nested=1, hidden={"rows": [1, 2]}))
    assert told["hidden"] == {"type": "dict"}


def test_every_generator_can_be_told() -> None:
    for name in names():
        told = configuration_of(get(name))
        assert json.loads(json.dumps(told, allow_nan=False)) == told
        assert told["type"] == type(get(name)).__name__


def test_the_order_of_a_mapping_means_nothing() -> None:
    one, two = ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert configuration_of(one) == configuration_of(two) == [["a", 1], ["b", 2]]
