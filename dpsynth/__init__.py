"""Differentially private synthetic tables that carry a guarantee anybody can check.

    import dpsynth
    from dpsynth import datasets

    table = dpsynth.synthesize(datasets.adult_path(), schema=datasets.adult_schema(), epsilon=1, delta=1e-9)
    table.guarantee
    table.to_parquet("synthetic.parquet")

Every name below is loaded when it is first used: `import dpsynth` alone loads no other package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dpsynth._version import __version__

if TYPE_CHECKING:
    from dpsynth.evaluation import evaluate
    from dpsynth.generators import FittedModel, SyntheticTable
    from dpsynth.generators.rules import Rules
    from dpsynth.ledger import Cap, Ledger
    from dpsynth.privacy import Budget, Unit, price
    from dpsynth.release import publish, synthesize, verify
    from dpsynth.schema import (
        Boolean,
        Categorical,
        Datetime,
        Formula,
        FunctionalDependency,
        GroupTotal,
        Identifier,
        Implication,
        ImpossibleCombinations,
        InequalityChain,
        Integer,
        NullTogether,
        OneHot,
        Real,
        Schema,
        Text,
        UniqueKey,
    )
    from dpsynth.session import Guarantee, PrivateTable, Replay, Session
    from dpsynth.tuning import frontier
    from dpsynth.tuning.tune import tune

    load = FittedModel.load

__all__ = [
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

_HOMES = {
    "dpsynth.evaluation": ("evaluate",),
    "dpsynth.generators": ("FittedModel", "SyntheticTable"),
    "dpsynth.generators.rules": ("Rules",),
    "dpsynth.ledger": ("Cap", "Ledger"),
    "dpsynth.privacy": ("Budget", "Unit", "price"),
    "dpsynth.release": ("publish", "synthesize", "verify"),
    "dpsynth.schema": (
        "Boolean",
        "Categorical",
        "Datetime",
        "Formula",
        "FunctionalDependency",
        "GroupTotal",
        "Identifier",
        "Implication",
        "ImpossibleCombinations",
        "InequalityChain",
        "Integer",
        "NullTogether",
        "OneHot",
        "Real",
        "Schema",
        "Text",
        "UniqueKey",
    ),
    "dpsynth.session": ("Guarantee", "PrivateTable", "Replay", "Session"),
    "dpsynth.tuning": ("frontier", "tune"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name from its room, once."""
    if name == "load":
        value: Any = importlib.import_module("dpsynth.generators").FittedModel.load
    elif name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    else:
        raise AttributeError(f"module 'dpsynth' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
