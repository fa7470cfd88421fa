"""P21: events are read from a fixed table of names. Nothing that a document names is imported or run."""

from __future__ import annotations

import ast
import inspect
import sys
from typing import Any

import pytest

from dpsynth.errors import ConfigurationError, UnsupportedEventError
from dpsynth.privacy import GaussianEvent, RepeatedEvent, event_from_json, events, price

GAUSSIAN = {"type": "gaussian/1", "mu": 0.1}


@pytest.mark.parametrize(
    "document",
    [
        {"type": "antigravity.Event", "mu": 0.1},
        {"type": "antigravity"},
        {"type": "gaussian/2", "mu": 0.1},
        {"type": "gaussian", "mu": 0.1},
        {"type": None},
        {"type": ["gaussian/1"], "mu": 0.1},
        {"mu": 0.1},
        {},
        {"type": "gaussian/1"},
        {"type": "gaussian/1", "mu": 0.1, "__class__": "antigravity"},
        {"type": "gaussian/1", "mu": 0.1, "event": GAUSSIAN},
        {"type": "repeated/1", "event": {"type": "antigravity"}, "times": 2},
        {"type": "repeated/1", "event": "antigravity", "times": 2},
        {"type": "composed/1", "events": [GAUSSIAN, {"type": "antigravity"}]},
        {"type": "composed/1", "events": "antigravity"},
        {"type": "composed/1", "events": 3},
        "antigravity",
        [GAUSSIAN],
        None,
    ],
)
def test_unknown_names_and_fields_are_refused_and_nothing_is_imported(document: Any) -> None:
    before = set(sys.modules)
    with pytest.raises(UnsupportedEventError):
        event_from_json(document)
    assert set(sys.modules) == before


@pytest.mark.parametrize("value", [0, -1, "0.1", None, True, [0.1], float("nan"), {"type": "antigravity"}])
def test_impossible_values_are_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError):
        event_from_json({"type": "gaussian/1", "mu": value})


def test_known_events_are_read_at_any_depth() -> None:
    document = {"type": "composed/1", "events": [{"type": "repeated/1", "event": GAUSSIAN, "times": 4}]}
    event = event_from_json(document)
    assert event.to_json() == document
    assert (
        price([event], delta=1e-9).mu
        == price([RepeatedEvent(event=GaussianEvent(mu=0.1), times=4)], delta=1e-9).mu
    )


def test_the_reader_has_no_means_to_import_or_to_evaluate() -> None:
    tree = ast.parse(inspect.getsource(events))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert not names & {"__import__", "eval", "exec", "compile", "globals", "importlib"}
    assert not modules & {"importlib", "pickle", "marshal", "runpy"}
