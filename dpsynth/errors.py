"""Every error that dpsynth raises.

    DpsynthError
    ├── ConfigurationError      an argument is impossible (epsilon, delta, rows, ...)
    │   └── RulesError              a model gives too few rows that meet the rules of its schema
    ├── SchemaError             a schema contradicts itself
    ├── DataError               a file or frame cannot be read, or does not fit its schema
    ├── PrivacyError
    │   ├── BudgetExceededError     the ledger or the plan has no room for this
    │   ├── UnsupportedEventError   no accountant can price this event
    │   └── TaintedError            something in the run bars this step
    ├── RawAccessError          somebody asked a private object for its rows
    ├── MechanismError          a mechanism failed after its price was reserved
    ├── ReplayError             a transcript does not answer what was asked
    ├── LedgerError
    │   ├── LedgerLockedError       another process holds the ledger
    │   └── LedgerCorruptError      the hash chain is broken
    ├── StorageError            a saved model, transcript or release cannot be read or written
    └── MissingExtraError       an optional dependency is not installed

A message names the schema, the argument and the remedy. It never shows a value, a count or a row of
the data: errors are read by people and logs that the guarantee does not cover (pitfall P06).
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BudgetExceededError",
    "ConfigurationError",
    "DataError",
    "DpsynthError",
    "LedgerCorruptError",
    "LedgerError",
    "LedgerLockedError",
    "MechanismError",
    "MissingExtraError",
    "PrivacyError",
    "RawAccessError",
    "ReplayError",
    "SchemaError",
    "StorageError",
    "TaintedError",
    "UnsupportedEventError",
]


class DpsynthError(Exception):
    """Base class: catch this to catch everything that dpsynth raises on purpose."""


class ConfigurationError(DpsynthError, ValueError):
    """An argument is impossible."""


class RulesError(ConfigurationError):
    """A model gives too few rows that meet the rules of its schema.

    Attributes:
        model: The fitted model, which is paid for: draw fewer rows, or save it. None where there is none.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.model: Any = None


class SchemaError(DpsynthError, ValueError):
    """A schema contradicts itself; the message names the column."""


class DataError(DpsynthError, ValueError):
    """A file or frame cannot be read or does not fit its schema; the message names the column."""


class PrivacyError(DpsynthError):
    """The request would break, or cannot state, a privacy guarantee."""


class BudgetExceededError(PrivacyError):
    """There is no room for this spending. Nothing was drawn."""


class UnsupportedEventError(PrivacyError):
    """No accountant here can price this event."""


class TaintedError(PrivacyError):
    """Test noise, an assumed schema or a confidential result bars this step."""


class RawAccessError(DpsynthError, TypeError):
    """A private object was asked for its content."""


class MechanismError(DpsynthError):
    """A mechanism failed after its price was reserved. The price stays spent."""


class ReplayError(DpsynthError):
    """A transcript does not answer what was asked."""


class LedgerError(DpsynthError):
    """A ledger cannot be read or written."""


class LedgerLockedError(LedgerError):
    """Another process holds the ledger."""


class LedgerCorruptError(LedgerError):
    """The hash chain of a ledger is broken."""


class StorageError(DpsynthError):
    """A saved model, transcript or release cannot be read or written."""


class MissingExtraError(DpsynthError, ImportError):
    """An optional dependency is not installed; the message gives the install command."""
