"""The configuration of a generator as public JSON, for whoever wants to know how a release was made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpsynth.privacy.budget import Budget
    from dpsynth.schema.schema import Schema

__all__ = ["chosen", "configuration_of"]


def chosen(generator: Any, schema: Schema, budget: Budget) -> Any:
    """The generator; of one that chooses another by public facts alone (`resolved`), that one."""
    resolved = getattr(generator, "resolved", None)
    return generator if resolved is None else resolved(schema, budget)


def configuration_of(item: object) -> Any:
    """Plain JSON values of a frozen configuration, with the name of its class as `type`.

    What is no plain value (an array, a model, a record of an earlier run) is told by its class alone, and so
    are fields that the class keeps out of its text.
    """
    if item is None or isinstance(item, (bool, int, str)):
        return item
    if isinstance(item, float):
        return item if math.isfinite(item) else str(item)
    if isinstance(item, (tuple, list)):
        return [configuration_of(part) for part in item]
    if isinstance(item, Mapping):
        return sorted(
            ([configuration_of(key), configuration_of(value)] for key, value in item.items()), key=str
        )
    told: dict[str, Any] = {"type": type(item).__name__}
    if is_dataclass(item):
        for field in fields(item):
            value = getattr(item, field.name)
            shown = field.repr or value is None
            told[field.name] = configuration_of(value) if shown else {"type": type(value).__name__}
    return told
