"""The public names are curated, complete and importable."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import dpsynth

PACKAGE = Path(dpsynth.__file__).parent
CURATED = [
    "Boolean",
    "Budget",
    "Cap",
    "Categorical",
    "Datetime",
    "FittedModel",
    "Formula",
    "FunctionalDependency",
    "GroupTotal",
    "Guarantee",
    "Identifier",
    "Implication",
    "ImpossibleCombinations",
    "InequalityChain",
    "Integer",
    "Ledger",
    "NullTogether",
    "OneHot",
    "PrivateTable",
    "Real",
    "Replay",
    "Rules",
    "Schema",
    "Session",
    "SyntheticTable",
    "Text",
    "UniqueKey",
    "Unit",
    "__version__",
    "evaluate",
    "frontier",
    "load",
    "price",
    "publish",
    "synthesize",
    "tune",
    "verify",
]
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py") if path.parent.name != "cli")


def test_the_public_names_are_the_curated_ones() -> None:
    assert sorted(dpsynth.__all__) == CURATED


@pytest.mark.parametrize("name", CURATED)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(dpsynth, name) is not None
    assert name in dir(dpsynth)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sythesize'"):
        _ = dpsynth.sythesize  # type: ignore[attr-defined]


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    twin = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name
        for node in twin.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    seen |= {target.id for node in twin.body if isinstance(node, ast.Assign) for target in node.targets}  # type: ignore[attr-defined]
    assert seen | {"__version__"} == set(CURATED)


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_public_names_that_exist(room: str) -> None:
    module = importlib.import_module(f"dpsynth.{room}")
    assert module.__all__
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_loading_a_model_has_a_short_name() -> None:
    assert dpsynth.load == dpsynth.FittedModel.load
