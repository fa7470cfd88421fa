"""From a fitted model to something that leaves the house: the pipeline and the release folder."""

from __future__ import annotations

from dpsynth.release.folder import ReleaseFolder
from dpsynth.release.pipeline import fit_table, synthesize

__all__ = ["ReleaseFolder", "fit_table", "synthesize"]
