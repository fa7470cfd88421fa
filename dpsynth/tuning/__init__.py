"""How much privacy buys how much use: sweeps over epsilon that say what the looking cost."""

from __future__ import annotations

from dpsynth.tuning.result import Band, Cost, Frontier, FrontierPoint

__all__ = ["Band", "Cost", "Frontier", "FrontierPoint"]
