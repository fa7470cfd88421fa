"""Methods that turn measurements into models, and models into tables."""

from __future__ import annotations

from dpsynth.generators.adhering import Acceptance
from dpsynth.generators.base import ExactModel, Generator, Model, Plan, Rng, Step
from dpsynth.generators.derived import with_constraints
from dpsynth.generators.error_bars import ErrorBars
from dpsynth.generators.fitted import FittedModel
from dpsynth.generators.registry import get, names
from dpsynth.generators.table import SyntheticTable

__all__ = [
    "Acceptance",
    "ErrorBars",
    "ExactModel",
    "FittedModel",
    "Generator",
    "Model",
    "Plan",
    "Rng",
    "Step",
    "SyntheticTable",
    "get",
    "names",
    "with_constraints",
]
