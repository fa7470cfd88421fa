from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators import registry
from dpsynth.generators.mst import MST
from dpsynth.graphical.network import BayesianNetwork
from dpsynth.graphical.tree import TreeModel


def test_built_in_generators_are_known_by_name() -> None:
    assert {"independent", "mst", "privbayes"} <= set(registry.names())
    assert registry.get("mst") == MST()
    assert registry.get("mst", select_share=0.1) == MST(select_share=0.1)
    assert registry.model_class("tree") is TreeModel
    assert registry.model_class("network") is BayesianNetwork


def test_a_misspelt_name_gets_near_matches() -> None:
    with pytest.raises(ConfigurationError, match=r"\['independent'\]"):
        registry.get("independant")


def test_an_unknown_option_gets_those_that_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"\['target'\]. Its options: one_way_share, select_share"):
        registry.get("mst", target="income")


def test_a_foreign_name_gets_all_names() -> None:
    with pytest.raises(ConfigurationError, match="mst"):
        registry.get("zzzz")


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(ConfigurationError, match="magic"):
        registry.get("mst", magic=1)


def test_installed_packages_add_generators(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint(name="other", value="dpsynth.generators.mst:MST", group=registry.GENERATOR_GROUP),
        EntryPoint(name="mst", value="dpsynth.generators.mst:MST", group=registry.GENERATOR_GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in points if p.group == group])
    assert registry.get("other") == MST()
    assert registry.names() == tuple(sorted({*registry._GENERATORS, "other"}))


def test_two_claims_to_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(name="mst", value="elsewhere:Other", group=registry.GENERATOR_GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    with pytest.raises(ConfigurationError, match="Two packages"):
        registry.get("mst")
