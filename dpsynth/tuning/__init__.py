"""How much privacy buys how much use: sweeps over epsilon that say what the looking cost."""

from __future__ import annotations

from dpsynth.tuning.analytic import analytic
from dpsynth.tuning.bootstrap import bootstrap
from dpsynth.tuning.choice import Choice
from dpsynth.tuning.confidential import accounted, unaccounted
from dpsynth.tuning.judges import PairJudge
from dpsynth.tuning.knee import Knee, knee
from dpsynth.tuning.modes import frontier
from dpsynth.tuning.nested import nested, nested_price
from dpsynth.tuning.proxy import proxy
from dpsynth.tuning.raising import Criterion, Raised, raise_budget
from dpsynth.tuning.result import Band, Cost, Frontier, FrontierPoint
from dpsynth.tuning.selection import Selected, select
from dpsynth.tuning.spaces import LogRange, OneOf, Range, Space, space
from dpsynth.tuning.trajectory import trajectory
from dpsynth.tuning.tune import Trial, Tuned, tune

__all__ = [
    "Band",
    "Choice",
    "Cost",
    "Criterion",
    "Frontier",
    "FrontierPoint",
    "Knee",
    "LogRange",
    "OneOf",
    "PairJudge",
    "Raised",
    "Range",
    "Selected",
    "Space",
    "Trial",
    "Tuned",
    "accounted",
    "analytic",
    "bootstrap",
    "frontier",
    "knee",
    "nested",
    "nested_price",
    "proxy",
    "raise_budget",
    "select",
    "space",
    "trajectory",
    "tune",
    "unaccounted",
]
