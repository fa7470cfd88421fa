"""Is it similar, is it useful, is it private, is it fair? Numbers between their yardsticks, told honestly."""

from __future__ import annotations

from dpsynth.evaluation.results import CONFIDENTIAL, PUBLIC, Disclosure, Evaluation, Part, Result, worst
from dpsynth.evaluation.tables import Tables
from dpsynth.evaluation.whole import Report, evaluate

__all__ = [
    "CONFIDENTIAL",
    "PUBLIC",
    "Disclosure",
    "Evaluation",
    "Part",
    "Report",
    "Result",
    "Tables",
    "evaluate",
    "worst",
]
