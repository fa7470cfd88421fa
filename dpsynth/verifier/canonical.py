"""JSON with one spelling: RFC 8785 for writing, and a reader that takes nothing doubtful.

A signature covers bytes. Two readers that see different values in the same bytes (a key given twice, a number
that a float cannot hold) would check different things, so that such documents are refused, not repaired.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

__all__ = ["JsonError", "canonical", "parse"]

LARGEST_WHOLE = 2**53 - 1
DEEPEST = 64
_MOST_BYTES = 64 * 2**20
_MOST_DIGITS = 400


class JsonError(ValueError):
    """The text is not JSON of the strict form. The message says why and quotes nothing of it."""


def canonical(value: object) -> bytes:
    """The one spelling of a JSON value: sorted keys, no spaces, numbers as ECMAScript writes them.

    Raises:
        JsonError: The value is no plain JSON, or holds a number that is not finite or not exact as a float.
    """
    pieces: list[str] = []
    try:
        _write(value, pieces, 0)
        return "".join(pieces).encode("utf-8")
    except UnicodeEncodeError:
        raise JsonError("A text holds half of a character (a lone surrogate).") from None


def parse(data: bytes, *, largest: int = LARGEST_WHOLE, most_bytes: int = _MOST_BYTES) -> Any:
    """Read JSON, strictly.

    Args:
        data: UTF-8 without a byte order mark.
        largest: Limit of whole numbers; beyond the default, floats skip some.
        most_bytes: Limit of the size.

    Raises:
        JsonError: It is no JSON, has a key twice, NaN, an infinite or inexact number, half a character, more
            than 64 levels, or is too large.
    """
    if len(data) > most_bytes:
        raise JsonError(f"The text is larger than {most_bytes} bytes.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise JsonError("The text is not UTF-8.") from None

    def whole(literal: str) -> int:
        if len(literal) > _MOST_DIGITS or abs(int(literal)) > largest:
            raise JsonError(f"A whole number is beyond {largest}, where programs read different values.")
        return int(literal)

    try:
        value = json.loads(
            text, object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite, parse_int=whole
        )
    except json.JSONDecodeError as error:
        raise JsonError(f"The text is not JSON: {error.msg}, line {error.lineno}.") from None
    except RecursionError:
        raise JsonError(f"The text has more than {DEEPEST} levels.") from None
    _check(value)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise JsonError("An object has a key twice.")
    return found


def _refuse(literal: str) -> NoReturn:
    raise JsonError(f"{literal} is no JSON number.")


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise JsonError("A number is beyond the range of floats.")
    return number


def _check(value: object) -> None:
    """Refuse too many levels and half characters, without recursion."""
    level: list[Any] = [value]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item, *item.values()]
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str) and not item.isascii():
                _whole_characters(item)
        if not below:
            return
        level = below
    raise JsonError(f"The text has more than {DEEPEST} levels.")


def _whole_characters(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise JsonError("A text holds half of a character (a lone surrogate).") from None


def _write(value: object, pieces: list[str], depth: int) -> None:
    if depth > DEEPEST:
        raise JsonError(f"The value has more than {DEEPEST} levels.")
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise JsonError("An object has a key that is no text.")
        pieces.append("{")
        # RFC 8785, 3.2.3: keys are sorted by their UTF-16 code units.
        for place, key in enumerate(sorted(value, key=lambda key: key.encode("utf-16-be"))):
            pieces += ["," if place else "", json.dumps(key, ensure_ascii=False), ":"]
            _write(value[key], pieces, depth + 1)
        pieces.append("}")
    elif isinstance(value, (list, tuple)):
        pieces.append("[")
        for place, item in enumerate(value):
            pieces.append("," if place else "")
            _write(item, pieces, depth + 1)
        pieces.append("]")
    else:
        pieces.append(_scalar(value))


def _scalar(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > LARGEST_WHOLE:
            raise JsonError(f"A whole number is beyond {LARGEST_WHOLE}; write it as text.")
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return _number(float(value))
    raise JsonError(f"A {type(value).__name__} here is no plain, finite JSON value.")


def _number(value: float) -> str:
    """As ECMAScript writes it: the shortest digits that are read back, which `repr` finds too."""
    if value == 0:
        return "0"
    sign, (mantissa, _, exponent) = "-" if value < 0 else "", repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{point - 1:+d}"
