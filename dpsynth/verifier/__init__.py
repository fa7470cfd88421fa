"""What an auditor runs: nothing here imports the rest of dpsynth, so a copy of the folder works alone."""

from . import accounting

__all__ = ["accounting"]
