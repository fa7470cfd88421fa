"""From a fitted model to something that leaves the house: the pipeline, certified releases, verification.

Names are loaded when they are first used: who verifies a release needs none of the generators.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpsynth.release.bundle import countersign, publish
    from dpsynth.release.folder import ReleaseFolder
    from dpsynth.release.pipeline import fit_table, synthesize
    from dpsynth.release.verification import verify

__all__ = ["ReleaseFolder", "countersign", "fit_table", "publish", "synthesize", "verify"]

_HOMES = {
    "ReleaseFolder": "folder",
    "countersign": "bundle",
    "fit_table": "pipeline",
    "publish": "bundle",
    "synthesize": "pipeline",
    "verify": "verification",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its file, once."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
