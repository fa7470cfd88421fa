"""Numbers that JSON has no word for: NaN and infinity are written as null, and null is read as NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["finite", "number_of"]


def number_of(value: float | None) -> float:
    """The number that was written."""
    return math.nan if value is None else value


def finite(value: Any) -> Any:
    """JSON values without NaN and infinity; the keys of mappings become texts."""
    if isinstance(value, Mapping):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
