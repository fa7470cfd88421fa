"""Import an optional dependency when it is used, or say how to install it."""

from __future__ import annotations

import importlib
from types import ModuleType

from dpsynth.errors import MissingExtraError


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, which the extra `extra` installs.

    Raises:
        MissingExtraError: The module is not installed; the message gives the command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"This needs the package {module.partition('.')[0]!r}. "
            f"Install it with: pip install 'dpsynth[{extra}]'"
        ) from error
