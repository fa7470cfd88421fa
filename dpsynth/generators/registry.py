"""Generators and models by name. Built-in ones stand in tables; others come from installed packages.

A name is looked up, never imported from a file that somebody sent (pitfall P21).
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, cast

from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import Generator, Model

__all__ = ["GENERATOR_GROUP", "MODEL_GROUP", "get", "model_class", "names"]

GENERATOR_GROUP = "dpsynth.generators"
MODEL_GROUP = "dpsynth.models"

_GENERATORS = {
    "aim": "dpsynth.generators.aim:AIM",
    "allpairs": "dpsynth.generators.allpairs:AllPairs",
    "auto": "dpsynth.generators.choose:Auto",
    "dpgan": "dpsynth.generators.dpgan:DPGAN",
    "dpvae": "dpsynth.generators.dpvae:DPVAE",
    "hybrid": "dpsynth.generators.hybrid:Hybrid",
    "independent": "dpsynth.generators.independent:Independent",
    "mst": "dpsynth.generators.mst:MST",
    "privbayes": "dpsynth.generators.privbayes:PrivBayes",
}
_MODELS = {
    "derived": "dpsynth.generators.derived_model:DerivedModel",
    "hybrid": "dpsynth.generators.hybrid_model:HybridModel",
    "junction-tree": "dpsynth.graphical.junction_model:JunctionModel",
    "product-mixture": "dpsynth.graphical.product_mixture:ProductMixture",
    "network": "dpsynth.graphical.network:BayesianNetwork",
    "tree": "dpsynth.graphical.tree:TreeModel",
}


def names() -> tuple[str, ...]:
    """All generators that can be asked for by name, installed ones included."""
    return tuple(sorted(_known(GENERATOR_GROUP, _GENERATORS)))


def get(name: str, **options: Any) -> Generator:
    """The generator `name`, configured with `options`.

    Raises:
        ConfigurationError: There is no such generator, or it has no such option.
    """
    chosen = _load("generator", name, _known(GENERATOR_GROUP, _GENERATORS))
    try:
        return cast("Generator", chosen(**options))
    except TypeError as error:
        taken = ", ".join(inspect.signature(chosen).parameters) or "none"
        raise ConfigurationError(
            f"The generator {name!r} does not take the options {sorted(options)}. Its options: {taken}."
        ) from error


def model_class(name: str) -> type[Model]:
    """The class that reads a saved model of this name.

    Raises:
        ConfigurationError: No such class is built in or installed.
    """
    return cast("type[Model]", _load("model", name, _known(MODEL_GROUP, _MODELS)))


def _known(group: str, built_in: Mapping[str, str]) -> dict[str, str]:
    known = dict(built_in)
    for point in entry_points(group=group):
        if known.setdefault(point.name, point.value) != point.value:
            raise ConfigurationError(
                f"Two packages register {point.name!r} in {group!r}: {known[point.name]} and {point.value}. "
                "Remove one of them."
            )
    return known


def _load(kind: str, name: str, known: Mapping[str, str]) -> Any:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or sorted(known)
        raise ConfigurationError(f"There is no {kind} {name!r}. Did you mean one of {near}?")
    module, _, attribute = known[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
