"""Checks a certified release with the standard library and `cryptography`, and nothing of dpsynth.

    python -m verifier RELEASE --trust KEY.pub      in a copy of this folder that is called `verifier`

Modules import each other relatively, so that a copy of the folder, or a zip of it, runs alone.
"""

from __future__ import annotations

from . import accounting
from .check import read_certificate, verify
from .policy import Policy
from .verdict import Statement, Verification

__all__ = ["Policy", "Statement", "Verification", "accounting", "read_certificate", "verify"]
