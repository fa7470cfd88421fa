"""Whether noise is drawn twice: by a forked child, or by processes that start alike."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable

from dpsynth.auditing.evidence import Check
from dpsynth.auditing.first_noise import first_noise

__all__ = ["checks_of_copies"]

_FRESH = (sys.executable, "-m", "dpsynth.auditing.first_noise")


def checks_of_copies() -> tuple[Check, ...]:
    """Two children, their parent, and two fresh processes: no two draw the same 100 numbers of sigma 100.

    Numbers that are drawn independently are equal with a probability below 0.003 each, all of them with less
    than 1e-250.
    """
    first_noise()  # a stream exists before the fork
    children = [_forked(first_noise) for _ in range(2)] if hasattr(os, "fork") else []
    family = [first_noise(), *children]
    fresh = [_fresh() for _ in range(2)]
    return (
        Check(
            name="after a fork",
            passed=len(set(family)) == len(family) and all(family),
            detail=f"parent and {len(children)} children draw their own noise",
        ),
        Check(
            name="two processes",
            passed=fresh[0] != fresh[1] and all(fresh),
            detail="two fresh processes draw different noise first",
        ),
    )


def _forked(draw: Callable[[], bytes]) -> bytes:
    """What `draw` gives in a forked child; nothing if it fails there."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads that numerical libraries keep
        child = os.fork()
    if child == 0:
        try:
            os.write(writer, draw())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        drawn = pipe.read()
    os.waitpid(child, 0)
    return drawn


def _fresh() -> bytes:
    """What a fresh process draws first."""
    found = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(_FRESH, env=found, capture_output=True, check=True)  # noqa: S603 - see above
    return bytes.fromhex(done.stdout.decode())
