"""Two pages: one for whoever holds the data, and one for everybody."""

from __future__ import annotations

from dpsynth.evaluation.report.compare import compare
from dpsynth.evaluation.report.curator import curator_report
from dpsynth.evaluation.report.release_card import release_card

__all__ = ["compare", "curator_report", "release_card"]
