"""The one door to private data: `PrivateTable`, `Session`, and what comes out of it."""

from __future__ import annotations

from dpsynth.session._vault import PrivateTable
from dpsynth.session.best import Best, Candidates
from dpsynth.session.guarantee import Guarantee, LedgerPosition, LedgerRecord
from dpsynth.session.measurer import Fits, Judges, Measurer
from dpsynth.session.plan import Commitment, Plan, Step
from dpsynth.session.progress import Progress
from dpsynth.session.reading import Source
from dpsynth.session.session import Session
from dpsynth.session.transcript import Replay, Transcript

__all__ = [
    "Best",
    "Candidates",
    "Commitment",
    "Fits",
    "Guarantee",
    "Judges",
    "LedgerPosition",
    "LedgerRecord",
    "Measurer",
    "Plan",
    "PrivateTable",
    "Progress",
    "Replay",
    "Session",
    "Source",
    "Step",
    "Transcript",
]
