"""How much privacy buys how much use: sweeps over epsilon that say what the looking cost."""

from __future__ import annotations

from dpsynth.tuning.analytic import analytic
from dpsynth.tuning.bootstrap import bootstrap
from dpsynth.tuning.choice import Choice
from dpsynth.tuning.confidential import accounted, unaccounted
from dpsynth.tuning.knee import Knee, knee
from dpsynth.tuning.modes import frontier
from dpsynth.tuning.proxy import proxy
from dpsynth.tuning.result import Band, Cost, Frontier, FrontierPoint

__all__ = [
    "Band",
    "Choice",
    "Cost",
    "Frontier",
    "FrontierPoint",
    "Knee",
    "accounted",
    "analytic",
    "bootstrap",
    "frontier",
    "knee",
    "proxy",
    "unaccounted",
]
