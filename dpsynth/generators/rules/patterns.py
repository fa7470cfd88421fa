"""Made-up texts by pattern: a small language, not regular expressions, so that none runs forever."""

from __future__ import annotations

import re
import string
from typing import Any

import numpy as np

from dpsynth.errors import ConfigurationError

__all__ = ["choices_of", "texts_by"]

Array = np.ndarray[Any, Any]
_PART = re.compile(
    r"\\(?P<plain>.)|(?P<digit>#)|(?P<letter>\?)|\[(?P<list>[^\[\]\\]+)\]|(?P<other>[^\\\[\]])", re.DOTALL
)
_MOST = 200


def choices_of(pattern: str, *, where: str) -> tuple[str, ...]:
    r"""For each place of the text the characters that may stand there.

    Args:
        pattern: `#` is a digit, `?` a letter from A to Z, `[abc]` one of these; after `\` the next
            character stands for itself, and so does every other one.
        where: What the pattern belongs to, for messages.

    Raises:
        ConfigurationError: A bracket that is not closed, or a pattern that is empty or too long.
    """
    if not isinstance(pattern, str) or not 1 <= len(pattern) <= _MOST:
        raise ConfigurationError(f"{where}: expected a pattern of 1 to {_MOST} characters, such as 'C-####'.")
    choices, end = [], 0
    while end < len(pattern):
        part = _PART.match(pattern, end)
        if part is None:
            raise ConfigurationError(
                f"{where}: cannot read the pattern {pattern!r} from character {end + 1} on. "
                r"Close the bracket, or write '\[' for a bracket that stands for itself."
            )
        end = part.end()
        choices.append(_characters(part))
    return tuple(choices)


def _characters(part: re.Match[str]) -> str:
    if part["digit"]:
        return string.digits
    if part["letter"]:
        return string.ascii_uppercase
    return part["plain"] or part["list"] or part["other"]


def texts_by(choices: tuple[str, ...], rows: int, rng: np.random.Generator) -> Array:
    """So many texts, each place drawn evenly from its characters."""
    # One row of uniforms for each text: the first texts are the same however many are drawn.
    uniforms = rng.random((rows, len(choices)))
    letters = np.empty((rows, len(choices)), dtype="U1")
    for place, allowed in enumerate(choices):
        letters[:, place] = np.array(list(allowed))[(uniforms[:, place] * len(allowed)).astype(np.int64)]
    if not rows:
        return np.empty(0, dtype=object)
    return letters.view(f"U{len(choices)}").ravel().astype(object)
