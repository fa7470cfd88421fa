"""Tables from rules and known distributions alone: epsilon = 0, no data about people is read."""

from __future__ import annotations

from dpsynth.generators.rules.columns import (
    CategoryRule,
    ColumnRule,
    FakerRule,
    KeyRule,
    NumberRule,
    TextRule,
)
from dpsynth.generators.rules.correlation import RankCorrelation
from dpsynth.generators.rules.dates import DateRule, DelayRule
from dpsynth.generators.rules.derived import DerivedRule
from dpsynth.generators.rules.distributions import Distribution
from dpsynth.generators.rules.parts import Case, Given, Missing
from dpsynth.generators.rules.simulated import SimulatedTable, Statement
from dpsynth.generators.rules.specification import Rules

__all__ = [
    "Case",
    "CategoryRule",
    "ColumnRule",
    "DateRule",
    "DelayRule",
    "DerivedRule",
    "Distribution",
    "FakerRule",
    "Given",
    "KeyRule",
    "Missing",
    "NumberRule",
    "RankCorrelation",
    "Rules",
    "SimulatedTable",
    "Statement",
    "TextRule",
]
